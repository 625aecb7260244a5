"""`trueup pause`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import exits


def pause(
    selector: Annotated[str, typer.Argument(help="Which hosts: a name, a glob, or labels (`role=web`).")],
    why: Annotated[str, typer.Option(help="Said on the page and in status.")],
    for_: Annotated[str, typer.Option("--for", help="How long: 90s, 30m, 2h, 3d.")] = "2h",
) -> int:
    """Leave hosts alone for a while: they are looked at, not changed.

    Example: trueup pause role=db --for 2h --why "moving rack 4"
    """
    from .. import door
    from ..settings import load
    from ..tell import round_text

    answer = door.ask(load(), "pause", {"selector": selector, "for": for_, "why": why})
    print(round_text.paused(answer), end="")
    return exits.OK
