"""`trueup doctor`."""

from __future__ import annotations

import json
from enum import Enum
from typing import Annotated

import typer

from . import _complete, exits


class Format(str, Enum):
    text = "text"
    json = "json"


def doctor(
    host: Annotated[
        str, typer.Argument(help="Look at the way to this host, too.", autocompletion=_complete.hosts)
    ] = "",
    repo: Annotated[str, typer.Option(help="The fleet's repository, if it isn't the configured one.")] = "",
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.text,
) -> None:
    """Look for what is wrong with this set-up and say the fix. Changes nothing. Exits 1 when something doesn't work.

    Examples:

      trueup doctor

      trueup doctor web-119

      trueup doctor --format json
    """
    from ..doctor import Status
    from ..doctor.asked import findings
    from ..tell import doctor as tell

    found = []
    for finding in findings(host, repo):
        found.append(finding)
        if format is Format.text:
            print(tell.line(finding), flush=True)
    if format is Format.json:
        print(json.dumps({"format": 1, "checks": [one.json() for one in found]}, indent=2))
    else:
        print(tell.summary(found))
    raise SystemExit(exits.ERROR if any(one.status is Status.FAILED for one in found) else exits.OK)
