"""`trueup sync`."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from enum import Enum
from typing import Annotated

import typer

from ..core.model import Json
from . import _complete, exits


class Format(str, Enum):
    text = "text"
    json = "json"


def sync(
    hosts: Annotated[list[str] | None, typer.Argument(help="Which hosts, as a selector; all by default.")] = None,
    host: Annotated[str, typer.Option(help="Only this host.", autocompletion=_complete.hosts)] = "",
    content: Annotated[
        bool, typer.Option("--content", help="Only ask what comes from outside the repository whether it changed.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for what comes of it, as trueup wait does.")] = False,
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.text,
) -> None:
    """Ask the daemon to fetch now, look at the hosts now, and put right what isn't. Comes back at once.

    --content is for the hook of another repository that sites take their files from: hosts are visited only where
    something changed, and it is asked once in ten seconds at most, however often this is run.

    Examples:

      trueup sync

      trueup sync role=web

      trueup sync --host web-119 --wait

      trueup sync --content
    """
    from .. import door
    from ..settings import load

    if content:
        if hosts or host or wait:
            raise typer.BadParameter(
                "--content stands alone: it is about no hosts, and nothing may come of it to wait for"
            )
        _say_of_content(door.ask(load(), "contents"), format)
        raise SystemExit(exits.OK)
    picked = [*(hosts or ()), *([host] if host else ())]
    answer = door.ask(load(), "sync", {"selector": " or ".join(picked)})
    if wait:
        from .wait import follow

        raise SystemExit(follow("", 900.0, as_json=format is Format.json, after=answer))
    if format is Format.json:
        print(json.dumps(answer))
    else:
        of = f"{', '.join(picked)}" if picked else "all hosts"
        when = "after the round that runs now" if answer.get("running") else "now"
        print(f"Asked: {of}, {when}. Tip so far: {str(answer.get('tip', ''))[:7] or 'none'}.")
        print("To follow it: trueup wait; how it stands: trueup status", file=sys.stderr)
    raise SystemExit(exits.OK)


def _say_of_content(answer: Mapping[str, Json], format: Format) -> None:
    if format is Format.json:
        print(json.dumps(answer))
        return
    seconds = math.ceil(float(answer["seconds"]))
    when = f"in {seconds} s, as it was asked just before" if seconds else "now"
    print(f"Asked: what comes from outside the repository, {when}.")
