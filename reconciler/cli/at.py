"""`trueup at`."""

from __future__ import annotations

import datetime
import re
from typing import Annotated

import typer

from . import _complete, exits
from ._show import Color, ColorOption, Format, FormatOption, as_json, key, manner

_AGO = re.compile(r"(\d+)\s*(?:(s|m|h|d|w)|(?:(s)ec|(m)in|(s)econd|(m)inute|(h)our|(d)ay|(w)eek)s?)(?:\s+ago)?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def at(
    time: Annotated[str, typer.Argument(help='When: "2026-11-24T14:02", "14:02" of today, "2h ago", "yesterday".')],
    host: Annotated[str, typer.Argument(help="The host.", autocompletion=_complete.hosts)],
    resource: Annotated[str, typer.Argument(help="Only this KIND or KIND/NAME.")] = "",
    after: Annotated[str, typer.Option(help="Go on after this place, as the answer before said.")] = "",
    format: FormatOption = Format.text,
    color: ColorOption = Color.auto,
) -> None:
    """Show a host as it was observed at a moment of the past. Times without an offset are local.

    Examples:

      trueup at "2h ago" web-119

      trueup at 2026-11-24T14:02:00Z web-119 User/ada
    """
    from .. import door
    from ..settings import load
    from ..tell import at as tell

    now = datetime.datetime.now().astimezone()
    kind, name = key(resource)
    when = parse(time, now)
    answer = door.ask(
        load(), "at", {"time": when.timestamp(), "host": host, "kind": kind, "name": name, "after": after}
    )
    if format is Format.json:
        as_json(answer)
    else:
        print(tell.text(answer, manner(color)), end="")
    raise SystemExit(exits.OK)


def parse(text: str, now: datetime.datetime) -> datetime.datetime:
    """A moment as people write it. `now` is aware; what has no offset is in its zone. Raises typer.BadParameter."""
    words = text.strip().lower()
    if words == "now":
        return now
    if words == "yesterday":
        return now - datetime.timedelta(days=1)
    ago = _AGO.fullmatch(words)
    if ago is not None:
        try:
            return now - datetime.timedelta(seconds=int(ago[1]) * _SECONDS[next(filter(None, ago.groups()[1:]))])
        except OverflowError:
            raise typer.BadParameter(f"{text!r} is too long ago") from None
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", words):
            clock = datetime.time.fromisoformat(words.zfill(5) if len(words) < 6 else words.zfill(8))
            return now.replace(hour=clock.hour, minute=clock.minute, second=clock.second, microsecond=0)
        found = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; write 2026-11-24T14:02, 14:02, or 2h ago") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=now.tzinfo).astimezone()
