"""Where each resource of a host comes from, and when it got there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..core.model import Json
from .clean import clean
from .words import Manner, clock, short, table


def text(answer: Mapping[str, Json], manner: Manner) -> str:
    """The answer to `blame`."""
    return manner.write(_lines(answer, manner))


def _lines(answer: Mapping[str, Json], manner: Manner) -> Iterator[str]:
    if not answer["resources"]:
        yield f"Nothing is declared for {clean(answer['host'])}."
        return
    rows = [("RESOURCE", "FROM", "COMMIT", "AUTHOR", "REACHED THE HOST", "SUBJECT")]
    for one in answer["resources"]:
        source = one["source"] or {"path": "no longer in Git", "line": 0}
        place = f"{clean(source['path'])}:{source['line']}" if source["line"] else clean(source["path"])
        reached = clock(one["appliedAt"], answer["now"]) if one["appliedAt"] else "not yet"
        if one["origin"] == "found":
            reached += ", was there"
        rows.append(
            (
                f"{clean(one['kind'])} {clean(one['name'])}",
                place,
                short(source.get("commit") or one["appliedCommit"]),
                clean(source.get("author") or "?"),
                reached,
                clean(source.get("subject") or ""),
            )
        )
    for number, line in enumerate(table(rows)):
        yield manner.soft(manner.fit(line)) if number == 0 else manner.fit(line)
