"""`trueup blame`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import _complete, exits
from ._show import Color, ColorOption, Format, FormatOption, PagerOption, as_json, key, manner, paged


def blame(
    host: Annotated[str, typer.Argument(help="The host.", autocompletion=_complete.hosts)],
    resource: Annotated[str, typer.Argument(help="Only this KIND or KIND/NAME.")] = "",
    format: FormatOption = Format.text,
    color: ColorOption = Color.auto,
    no_pager: PagerOption = False,
) -> None:
    """Say where each resource of a host comes from: file and line, commit, author, and when it reached the host.

    Examples:

      trueup blame web-119

      trueup blame web-119 File//etc/motd
    """
    from .. import door
    from ..settings import load
    from ..tell import blame as tell

    kind, name = key(resource)
    answer = door.ask(load(), "blame", {"host": host, "kind": kind, "name": name})
    if format is Format.json:
        as_json(answer)
    else:
        paged(tell.text(answer, manner(color)), no_pager)
    raise SystemExit(exits.OK)
