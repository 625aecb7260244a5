"""`trueup history`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import _complete, exits
from ._show import Color, ColorOption, Format, FormatOption, PagerOption, as_json, key, manner, paged


def history(
    resource: Annotated[str, typer.Argument(help="Only this KIND/NAME.")] = "",
    host: Annotated[str, typer.Option(help="Only this host.", autocompletion=_complete.hosts)] = "",
    kind: Annotated[str, typer.Option(help="Only this kind.", autocompletion=_complete.kinds)] = "",
    limit: Annotated[int, typer.Option(help="How many events.", min=1, max=1000)] = 50,
    after: Annotated[str, typer.Option(help="Go on after this place, as the answer before said.")] = "",
    full: Annotated[bool, typer.Option("--full", help="Each field, before and after.")] = False,
    format: FormatOption = Format.text,
    color: ColorOption = Color.auto,
    no_pager: PagerOption = False,
) -> None:
    """Say what happened, newest first: what trueup changed, what others changed, when a host was away.

    Examples:

      trueup history

      trueup history --host web-119 --full

      trueup history File//etc/motd
    """
    from .. import door
    from ..settings import load
    from ..tell import history as tell

    of_kind, name = key(resource)
    asked = {"host": host, "kind": kind or of_kind, "name": name, "limit": limit, "after": after}
    answer = door.ask(load(), "history", asked)
    if format is Format.json:
        as_json(answer)
    else:
        paged(tell.text(answer, manner(color), with_host=not host, full=full), no_pager)
    raise SystemExit(exits.OK)
