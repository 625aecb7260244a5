"""`trueup reborn`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import _complete, exits


def reborn(
    host: Annotated[str, typer.Argument(help="The host's name.", autocompletion=_complete.hosts)],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only shown.")] = False,
) -> int:
    """Accept that a host is another machine now: reinstalled, or replaced under the same name.

    Until then nothing is sent to it. Afterwards nothing is owned there, all is looked at anew, and a key that was
    pinned at the first visit is pinned again; a key that is committed must be committed anew.

    Example: trueup reborn web-7 --yes
    """
    from .. import door
    from ..settings import load
    from ..tell import round_text

    answer = door.ask(load(), "reborn", {"host": host, "yes": yes})
    print(round_text.reborn(answer), end="")
    return exits.OK if yes else exits.CHANGES
