"""What a page is: its address, the question that it asks and its template. A system's web/pages.py makes some too."""

from __future__ import annotations

from dataclasses import dataclass

from . import words


@dataclass(frozen=True, kw_only=True)
class Param:
    """Something that may stand in the query of an address."""

    name: str
    meaning: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page. `ask` names a question of door.asks; the names in the path and the query are its arguments."""

    path: str
    """As Starlette has it; a name may hold any character, a slash too when it comes last (`:path`)."""
    ask: str
    template: str
    section: str
    """Which entry of the navigation it belongs to."""
    summary: str
    """A sentence for the OpenAPI document."""
    title: str = ""
    """Empty: the last name in the path."""
    params: tuple[Param, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(part[1:-1].partition(":")[0] for part in self.path.split("/") if part.startswith("{"))


VERDICT = Param(
    name="verdict",
    meaning="only hosts with this verdict",
    choices=tuple(word.lower() for word, _ in words.ORDER),
)
FIND = Param(name="find", meaning="only what has this text in its name, in any case")
WHERE = Param(name="where", meaning="only hosts that this selector picks, as manifests have them: `role=web`, `web-*`")
HOST = Param(name="host", meaning="only this host")
KIND = Param(name="kind", meaning="only this kind")
NAME = Param(name="name", meaning="only resources of this name")
AFTER = Param(name="after", meaning="go on after this row: `next` of the answer before")
LIMIT = Param(name="limit", meaning="rows of one page, 1 to 1000; 50 when left out")
