"""`trueup observe`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import exits


def observe(
    hosts: Annotated[list[str] | None, typer.Argument(help="Which hosts, as a selector; all by default.")] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Read contents in full, as of every file of a site, not a sample of them.")
    ] = False,
) -> int:
    """Read the hosts now. Changes nothing on them.

    Examples:

      trueup observe

      trueup observe web-1 role=db

      trueup observe role=web --whole
    """
    from .. import door
    from ..settings import load
    from ..tell import round_text
    from ..tell.progress import progress

    told = progress()
    try:
        answer = door.ask(load(), "observe", {"selector": " or ".join(hosts or ["all"]), "whole": whole}, told)
    finally:
        told.close()
    print(round_text.observed(answer), end="")
    return exits.OK if not answer["troubles"] else exits.ERROR
