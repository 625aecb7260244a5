"""The words and symbols of every screen, and how a terminal is spoken to.

A verdict is a symbol and a word, and a colour where there are colours: never colour or symbol alone. Nothing here knows
markup: text from hosts and commits goes through `clean`, and is then only text.
"""

from __future__ import annotations

import datetime
import os
import shutil
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from ..core.model import Json, Verdict
from ..core.verdict import age
from .clean import clean, plural

SYMBOLS: Mapping[str, tuple[str, str, str]] = {
    Verdict.FAILED.value: ("✗", "x", "31"),
    Verdict.UNKNOWN.value: ("?", "?", "35"),
    Verdict.DRIFTED.value: ("≠", "*", "33"),
    Verdict.PROGRESSING.value: ("▸", ">", "36"),
    Verdict.PAUSED.value: ("‖", "=", "34"),
    Verdict.CONVERGED.value: ("✓", "ok", "32"),
}
"""Verdict → symbol, the same without UTF-8, colour (SGR, ECMA-48). Worst first, as everywhere."""

ACTIONS: Mapping[str, tuple[str, str]] = {
    "create": ("+", "+"),
    "update": ("~", "~"),
    "delete": ("-", "-"),
    "replace": ("±", "+-"),
}
RESULTS: Mapping[str, str] = {
    "ok": Verdict.CONVERGED.value,
    "failed": Verdict.FAILED.value,
    "lost": Verdict.FAILED.value,
    "skipped": Verdict.PAUSED.value,
    "stale": Verdict.UNKNOWN.value,
}
DASHES = {"…": "...", "→": "->", "·": "-", "×": "x", "✗": "x", "✓": "ok", "≠": "*", "▸": ">", "‖": "=", "±": "+-"}


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How to write: with UTF-8, with colours, and how wide (0: nothing is cut)."""

    utf8: bool = True
    colour: bool = False
    width: int = 0

    def symbol(self, verdict: str) -> str:
        symbol, plain, _ = SYMBOLS.get(verdict, ("·", "-", ""))
        return symbol if self.utf8 else plain

    def verdict(self, verdict: str, width: int = 0) -> str:
        """`✗ Failed`, padded to `width` before it is coloured."""
        return self.paint(f"{self.symbol(verdict)} {verdict}".ljust(width), SYMBOLS.get(verdict, ("", "", ""))[2])

    def paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code and text else text

    def bold(self, text: str) -> str:
        return self.paint(text, "1")

    def soft(self, text: str) -> str:
        return self.paint(text, "2")

    def fit(self, text: str, used: int = 0) -> str:
        """`text` cut to what is left of the width after `used` columns."""
        room = self.width - used
        if not self.width or columns(text) <= room:
            return text
        kept = ""
        for char in text:
            if columns(kept + char) > max(room - 1, 0):
                break
            kept += char
        return kept + "…"

    def write(self, lines: Iterable[str]) -> str:
        """Lines as one text; what a terminal without UTF-8 can't show is written in ASCII."""
        text = "\n".join(lines) + "\n"
        if self.utf8:
            return text
        for char, plain in DASHES.items():
            text = text.replace(char, plain)
        return text.encode("ascii", "backslashreplace").decode("ascii")


def manner(stream: TextIO, color: str = "auto", env: Mapping[str, str] = os.environ) -> Manner:
    """How to write to `stream`. Colour: `--color` before NO_COLOR (no-color.org) before FORCE_COLOR before what the
    stream is; TERM=dumb has none. What is no terminal is never cut."""
    terminal = stream.isatty()
    if color in ("always", "never"):
        colour = color == "always"
    elif env.get("NO_COLOR"):
        colour = False
    elif env.get("FORCE_COLOR", "0") not in ("", "0"):
        colour = True
    else:
        colour = terminal and env.get("TERM") != "dumb"
    utf8 = (stream.encoding or "").lower().replace("-", "") in ("utf8", "utf8sig")
    return Manner(utf8=utf8, colour=colour, width=shutil.get_terminal_size((0, 0)).columns if terminal else 0)


def columns(text: str) -> int:
    """Columns that a terminal gives to `text`: wide characters take two, combining ones none (Unicode UAX 11)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def pad(text: str, width: int) -> str:
    return text + " " * max(0, width - columns(text))


def table(rows: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """Columns as wide as their widest cell; the last is left as it is. No cell may hold colours but the last."""
    widths = [max(columns(row[index]) for row in rows) for index in range(len(rows[0]))] if rows else []
    return [
        gap.join([*(pad(cell, width) for cell, width in zip(row[:-1], widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]


# ---------------------------------------------------------------- times


def moment(text: Json) -> datetime.datetime | None:
    """RFC 3339 → an aware datetime; None for anything else."""
    try:
        return datetime.datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None


def ago(text: Json, now: Json) -> str:
    """How long before `now`, in one unit; empty when unknown."""
    then, at = moment(text), moment(now)
    return "" if then is None or at is None else age((at - then).total_seconds())


def clock(text: Json, now: Json = None) -> str:
    """The local time, with the date when it is not that of `now`."""
    at, today = moment(text), moment(now)
    if at is None:
        return "never"
    local = at.astimezone()
    if today is not None and local.date() == today.astimezone().date():
        return local.strftime("%H:%M")
    return local.strftime("%Y-%m-%d %H:%M")


def stamp(text: Json) -> str:
    """The local time in full, with its offset."""
    at = moment(text)
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S %z") if at is not None else "never"


def short(commit: Json) -> str:
    return clean(str(commit or ""))[:7] or "none"


def value(given: Json, most: int = 100) -> str:
    """A field's value in a line."""
    import json

    if given is None:
        return "nothing"
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False, sort_keys=True)
    shown = clean(text.replace("\n", "\\n")) or '""'
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


__all__ = [
    "ACTIONS",
    "RESULTS",
    "SYMBOLS",
    "Manner",
    "age",
    "ago",
    "clean",
    "clock",
    "manner",
    "plural",
    "table",
    "value",
]
