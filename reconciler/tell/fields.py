"""Fields that differ, for people: text of many lines as a unified diff with both sides named, all else before → after."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

from ..core.model import Json
from .clean import clean
from .words import Manner, value

LINES = 20
"""Lines of one diff that are shown; more are counted."""


def lines(
    fields: Sequence[Mapping[str, Json]], manner: Manner, *, indent: str, before: str, after: str, full: bool = False
) -> Iterator[str]:
    """`before` and `after` name the two sides."""
    for field in fields:
        path, old, new = clean(str(field["path"])), field["before"], field["after"]
        if isinstance(old, str) and isinstance(new, str) and ("\n" in old or "\n" in new):
            yield f"{indent}{path}"
            yield from _unified(old, new, manner, indent + "  ", before, after, full)
        elif isinstance(old, list) and isinstance(new, list):
            yield from _list(path, old, new, manner, indent)
        else:
            yield manner.fit(f"{indent}{path}: {value(old)} → {value(new)}")


def _unified(old: str, new: str, manner: Manner, indent: str, before: str, after: str, full: bool) -> Iterator[str]:
    made = list(difflib.unified_diff(old.splitlines(), new.splitlines(), before, after, lineterm="", n=1))
    shown = made if full else made[: LINES + 2]
    for line in shown:
        code = {"-": "31", "+": "32", "@": "36"}.get(line[:1], "")
        yield indent + manner.paint(clean(line, keep="\t"), code)
    if old.splitlines() == new.splitlines():
        yield f"{indent}they differ only in how their lines end"
    if len(shown) < len(made):
        yield f"{indent}… {len(made) - len(shown)} more lines (--full)"


def _list(path: str, old: Sequence[Json], new: Sequence[Json], manner: Manner, indent: str) -> Iterator[str]:
    gone = [item for item in old if item not in new]
    come = [item for item in new if item not in old]
    if not gone and not come:
        yield manner.fit(f"{indent}{path}: {value(list(old))} → {value(list(new))}")
        return
    yield f"{indent}{path}"
    for sign, items, code in (("-", gone, "31"), ("+", come, "32")):
        for item in items:
            yield indent + "  " + manner.paint(manner.fit(f"{sign} {value(item)}", len(indent) + 2), code)
