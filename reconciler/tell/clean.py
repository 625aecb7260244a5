"""Strings from hosts and commits are hostile: what reaches a terminal or a log goes through here."""

from __future__ import annotations

import unicodedata


def clean(text: str, *, keep: str = "") -> str:
    """`text` without control, format and surrogate characters (escape sequences, bidi overrides, NUL), each shown
    as its code point; `keep` names those that may stay (a newline, a tab)."""
    if text.isprintable():
        return text
    return "".join(
        char
        if char in keep or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
        else f"\\x{ord(char):02x}"
        if ord(char) < 256
        else f"\\u{ord(char):04x}"
        for char in text
    )


def plural(count: int, word: str, many: str = "") -> str:
    """`1 host`, `1,236 hosts`."""
    return f"{count:,} {word if count == 1 else many or word + 's'}"
