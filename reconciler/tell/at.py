"""A host as it was at a moment of the past."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..core.model import Json
from .clean import clean
from .words import Manner, stamp, value


def text(answer: Mapping[str, Json], manner: Manner) -> str:
    """The answer to `at`."""
    return manner.write(_lines(answer, manner))


def _lines(answer: Mapping[str, Json], manner: Manner) -> Iterator[str]:
    yield f"{manner.bold(clean(answer['host']))} at {stamp(answer['time'])}"
    if not answer["seenAt"]:
        yield "  Nobody had looked at it by then."
        return
    if not answer["looked"]:
        yield f"  Nobody looked around then: this is how it was seen last, {stamp(answer['seenAt'])}."
    for one in answer["resources"]:
        words = {"present": "", "absent": " is not there", "unknown": f" can't be read: {clean(one['why'])}"}[
            one["seen"]
        ]
        wrong = "" if one["right"] is not False else f"  {manner.symbol('Drifted')} not as Git said"
        yield f"{clean(one['kind'])} {clean(one['name'])}{words}{manner.paint(wrong, '33')}"
        for path, given in one["state"].items():
            yield manner.fit(f"    {clean(path)}: {value(given)}")
    if answer["next"]:
        yield manner.soft(f"… more: --after {clean(answer['next'])}")
