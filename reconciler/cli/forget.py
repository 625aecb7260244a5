"""`trueup forget`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import _complete, exits


def forget(
    host: Annotated[str, typer.Argument(help="The host's name.", autocompletion=_complete.hosts)],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only shown.")] = False,
) -> int:
    """Remove what trueup made on a host, and the file that it keeps there.

    For a host that leaves the fleet while it still answers. What was found there stays.

    Example: trueup forget web-7 --yes
    """
    from .. import door
    from ..settings import load
    from ..tell import round_text

    answer = door.ask(load(), "forget", {"host": host, "yes": yes})
    print(round_text.forgotten(answer), end="")
    if answer["trouble"] or answer["failed"]:
        return exits.ERROR
    return exits.OK if yes else exits.CHANGES
