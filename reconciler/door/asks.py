"""Every question that may be asked, by name: those that look (looking.py, browsing.py, reporting.py), those that act
(acts/fleet.py) and those that keep (acts/copies.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias

from .. import systems
from ..acts.copies import ASKS as KEEPING
from ..acts.fleet import ACTS
from ..core.model import Json
from ..core.problem import Refused
from . import browsing, looking, reporting, wire

if TYPE_CHECKING:
    from ..world import World

Ask: TypeAlias = "Callable[[World, Mapping[str, Json]], Mapping[str, Json]]"

_OWN: Mapping[str, Ask] = {
    "status": looking.status,
    "problems": browsing.problems,
    "hosts": looking.hosts,
    "host": looking.host,
    "facts": looking.facts,
    "diff": looking.diff,
    "blame": looking.blame,
    "kinds": browsing.kinds,
    "kind": browsing.kind,
    "resource": browsing.resource,
    "commits": browsing.commits,
    "commit": browsing.commit,
    "history": browsing.history,
    "at": browsing.at,
    "reports": reporting.reports,
    "report": reporting.report,
}
LOOKS: Mapping[str, Ask] = {
    **_OWN,
    **{
        name: ask
        for module in systems.modules("door", "looks").values()
        for name, ask in import_module(module).LOOKS.items()
    },
}
"""The questions that only look: those of the line, and those that a system adds in its door/looks.py."""

_TEXTS = frozenset({"selector", "plan", "rev", "host", "for", "why", "who", "name", "to"})
_SWITCHES = frozenset({"yes", "end", "whole"})


def _wrong(args: Mapping[str, Json]) -> str:
    """What is wrong with the form of an act's arguments; empty when nothing is."""
    for name, value in args.items():
        if name in _TEXTS and not wire.is_text(value):
            return f"{name} must be text"
        if name in _SWITCHES and not isinstance(value, bool):
            return f"{name} must be true or false"
    accepted = args.get("accept") or []
    if not isinstance(accepted, list) or not all(isinstance(guard, str) for guard in accepted):
        return "accept must be a list of guards"
    return ""


def _checked(name: str, act: Ask) -> Ask:
    """Arguments that are missing or of a wrong form become a Problem: what comes over a socket may be anything."""

    def checked(world: World, args: Mapping[str, Json]) -> Mapping[str, Json]:
        wrong = _wrong(args) if name in ACTS else ""
        if wrong:
            raise wire.refused("door-bad-argument", wrong)
        try:
            return act(world, args)
        except Refused:
            raise
        except KeyError as error:
            if (
                error.args
                and isinstance(error.args[0], str)
                and error.args[0] not in args
                and error.args[0].isidentifier()
            ):
                raise wire.refused("door-bad-argument", f"{name} needs {error.args[0]}") from error
            raise

    return checked


ASKS: Mapping[str, Ask] = {name: _checked(name, act) for name, act in {**LOOKS, **ACTS, **KEEPING}.items()}
"""All of them; the daemon adds `sync`, `standing` and the stream `wait`."""

VISITS = frozenset({"apply", "observe", "forget", "reborn"})
"""What may visit hosts."""

__all__ = ["ASKS", "LOOKS", "VISITS", "Ask"]
