"""`trueup sync`."""

from __future__ import annotations

import json
import sys
from enum import Enum
from typing import Annotated

import typer

from . import _complete, exits


class Format(str, Enum):
    text = "text"
    json = "json"


def sync(
    hosts: Annotated[list[str] | None, typer.Argument(help="Which hosts, as a selector; all by default.")] = None,
    host: Annotated[str, typer.Option(help="Only this host.", autocompletion=_complete.hosts)] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for what comes of it, as trueup wait does.")] = False,
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.text,
) -> None:
    """Ask the daemon to fetch now, look at the hosts now, and put right what isn't. Comes back at once.

    Examples:

      trueup sync

      trueup sync role=web

      trueup sync --host web-119 --wait
    """
    from .. import door
    from ..settings import load

    picked = [*(hosts or ()), *([host] if host else ())]
    answer = door.ask(load(), "sync", {"selector": " or ".join(picked)})
    if wait:
        from .wait import follow

        raise SystemExit(follow("", 900.0, as_json=format is Format.json, after=int(answer["round"])))
    if format is Format.json:
        print(json.dumps(answer))
    else:
        of = f"{', '.join(picked)}" if picked else "all hosts"
        when = "after the round that runs now" if answer.get("running") else "now"
        print(f"Asked: {of}, {when}. Tip so far: {str(answer.get('tip', ''))[:7] or 'none'}.")
        print("To follow it: trueup wait; how it stands: trueup status", file=sys.stderr)
    raise SystemExit(exits.OK)
