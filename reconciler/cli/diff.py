"""`trueup diff`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import _complete, exits
from ._show import Color, ColorOption, Format, FormatOption, PagerOption, as_json, key, manner, paged


def diff(
    host: Annotated[str, typer.Argument(help="The host.", autocompletion=_complete.hosts)],
    resource: Annotated[str, typer.Argument(help="Only this KIND or KIND/NAME.")] = "",
    full: Annotated[bool, typer.Option("--full", help="No cap on diffs.")] = False,
    format: FormatOption = Format.text,
    color: ColorOption = Color.auto,
    no_pager: PagerOption = False,
) -> None:
    """Show how a host differs from what it is held to, field by field: on the host, in Git.

    Exits 0 when nothing differs, 2 when something does.

    Examples:

      trueup diff web-119

      trueup diff web-119 File//etc/motd --full
    """
    from .. import door
    from ..settings import load
    from ..tell import diff as tell

    kind, name = key(resource)
    answer = door.ask(load(), "diff", {"host": host, "kind": kind, "name": name})
    if format is Format.json:
        as_json(answer)
    else:
        paged(tell.text(answer, manner(color), full=full), no_pager)
    raise SystemExit(exits.CHANGES if answer["resources"] else exits.OK)
