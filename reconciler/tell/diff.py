"""What differs on a host from Git, both sides named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..core.model import Json
from .clean import plural
from .status import headline, resources
from .words import Manner, short


def text(answer: Mapping[str, Json], manner: Manner, *, full: bool = False) -> str:
    """The answer to `diff`."""
    return manner.write(_lines(answer, manner, full))


def _lines(answer: Mapping[str, Json], manner: Manner, full: bool) -> Iterator[str]:
    yield from headline(answer, manner)
    if not answer["resources"]:
        yield f"Nothing differs: {plural(answer['total'], 'resource')} as {short(answer['wanted']['id'])} says."
        return
    yield from resources(answer["resources"], answer["now"], manner, full)
    if answer["more"]:
        yield f"… {answer['more']:,} more; one of them: trueup diff HOST KIND/NAME"
