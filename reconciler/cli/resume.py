"""`trueup resume`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import exits


def resume(
    selector: Annotated[str, typer.Argument(help="The pause to end, as it was given; `all` ends every pause.")],
) -> int:
    """End a pause.

    Example: trueup resume role=db
    """
    from .. import door
    from ..settings import load
    from ..tell import round_text

    answer = door.ask(load(), "resume", {"selector": selector})
    print(round_text.resumed(answer), end="")
    return exits.OK if answer["ended"] else exits.ERROR
