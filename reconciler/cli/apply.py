"""`trueup apply`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import exits

if TYPE_CHECKING:
    from ..settings import Settings


def apply(
    plan: Annotated[
        str, typer.Argument(help="The id of a plan that a guard stopped (its first 8 signs will do).")
    ] = "",
    accept: Annotated[
        list[str] | None, typer.Option(help="The guard to accept for this plan; may be repeated.")
    ] = None,
    limit: Annotated[float, typer.Option(help="Seconds to follow the daemon at most.")] = 900.0,
) -> int:
    """Carry out what the newest valid commit wants, or accept a guard's stop.

    A running daemon does it, and is followed; without one it is done here. An acceptance is bound to the plan, its
    commit and what was shown; it can't wave another plan through.

    Exits 0 when every host is as the commit says, 1 when something failed, can't be read, or a host doesn't answer,
    2 when changes are still to be made, 3 when a guard or the fleet's mode stops them.

    Examples:

      trueup apply

      trueup apply 7c1e90ab --accept deletes-per-kind
    """
    from ..settings import load

    settings = load()
    if accept and not plan:
        raise typer.BadParameter("--accept needs the id of the plan that was shown")
    asked = {"plan": plan, "accept": list(accept or ())}
    return carried_out(settings, limit, asked)


def carried_out(settings: Settings, limit: float, asked: Mapping[str, Any] | None = None) -> int:
    """Walk the line once, by the daemon where one runs, and say what came of it; gives the exit code."""
    from .. import door
    from ..tell import round_text
    from ..tell.progress import progress
    from .wait import CODES, follow

    asked = asked or {}
    if door.running(settings):
        if asked.get("accept"):
            door.ask(settings, "accept", asked)
        begun = door.ask(settings, "sync")
        return follow("", limit, as_json=False, after=begun)
    told = progress()
    try:
        answer = door.ask(settings, "apply", asked, told)
    finally:
        told.close()
    print(round_text.applied(answer), end="")
    return exits.OK if answer["outcome"] == "nothing" else CODES.get(answer["outcome"], exits.ERROR)
