"""`trueup apply`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import exits


def apply(
    plan: Annotated[
        str, typer.Argument(help="The id of a plan that a guard stopped (its first 8 signs will do).")
    ] = "",
    accept: Annotated[
        list[str] | None, typer.Option(help="The guard to accept for this plan; may be repeated.")
    ] = None,
    limit: Annotated[float, typer.Option(help="Seconds to wait for the end.")] = 900.0,
) -> int:
    """Carry out what the newest valid commit wants, or accept a guard's stop.

    An acceptance is bound to the plan, its commit and what was shown; it can't wave another plan through.

    Examples:

      trueup apply

      trueup apply 7c1e90ab --accept deletes-per-kind
    """
    from .. import door
    from ..settings import load
    from ..tell import round_text

    settings = load()
    if accept and not plan:
        raise typer.BadParameter("--accept needs the id of the plan that was shown")
    answer = door.ask(settings, "apply", {"plan": plan, "accept": list(accept or ()), "limit": limit})
    print(round_text.applied(answer), end="")
    return {"converged": exits.OK, "stopped": exits.STOPPED, "running": exits.CHANGES, "nothing": exits.OK}.get(
        answer["outcome"], exits.ERROR
    )
