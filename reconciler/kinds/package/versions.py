"""Whether two versions are the same to a package manager, whatever their spelling.

The order is dpkg's (deb-version(7)): epoch, upstream version, revision; parts of digits compare as numbers, `~` sorts
before the end of a part. rpm's differs in corners (`^`), but not in which versions are *equal* when both are written in
full, which is all that is asked here.
"""

from __future__ import annotations

import fnmatch
from itertools import zip_longest


def same_version(want: str, have: str) -> bool:
    """Equal in dpkg's order, or matched by a `*` at the end of `want`."""
    if want.endswith("*"):
        return fnmatch.fnmatchcase(have, want.replace("[", "[[]").replace("?", "[?]"))
    return compare(want, have) == 0


def compare(one: str, other: str) -> int:
    """-1, 0 or 1 as `one` is older than, the same as, or newer than `other`."""
    (epoch, upstream, revision), (epoch2, upstream2, revision2) = _split(one), _split(other)
    if epoch != epoch2:
        return -1 if epoch < epoch2 else 1
    return _compare_part(upstream, upstream2) or _compare_part(revision, revision2)


def _split(version: str) -> tuple[int, str, str]:
    epoch, colon, rest = version.strip().partition(":")
    if not colon or not epoch.isascii() or not epoch.isdigit():
        epoch, rest = "0", version.strip()
    upstream, dash, revision = rest.rpartition("-")
    return int(epoch), (upstream if dash else rest), (revision if dash else "")


def _weight(char: str) -> int:
    if char == "~":
        return -1
    if not char:
        return 0
    return ord(char) if char.isascii() and char.isalpha() else ord(char) + 0x110000


def _compare_part(one: str, other: str) -> int:
    while one or other:
        word, one = _cut(one, digits=False)
        word2, other = _cut(other, digits=False)
        for char, char2 in zip_longest(word, word2, fillvalue=""):
            if _weight(char) != _weight(char2):
                return -1 if _weight(char) < _weight(char2) else 1
        number, one = _cut(one, digits=True)
        number2, other = _cut(other, digits=True)
        if int(number or 0) != int(number2 or 0):
            return -1 if int(number or 0) < int(number2 or 0) else 1
    return 0


def _cut(text: str, *, digits: bool) -> tuple[str, str]:
    """The leading digits, or the leading non-digits, and the rest."""
    end = 0
    while end < len(text) and (text[end] in "0123456789") == digits:
        end += 1
    return text[:end], text[end:]
