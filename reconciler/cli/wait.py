"""`trueup wait`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from enum import Enum
from typing import Annotated

import typer

from ..core.model import Json
from . import exits


class Format(str, Enum):
    text = "text"
    json = "json"


CODES = {
    "converged": exits.OK,
    "failed": exits.ERROR,
    "unknown": exits.ERROR,
    "away": exits.ERROR,
    "refused": exits.ERROR,
    "running": exits.CHANGES,
    "observe": exits.STOPPED,
    "stopped": exits.STOPPED,
}


def wait(
    commit: Annotated[
        str, typer.Argument(help="The commit, as git spells revisions; the branch's tip by default.")
    ] = "",
    limit: Annotated[float, typer.Option(help="Seconds to wait at most.")] = 900.0,
    format: Annotated[Format, typer.Option(help="text for people, json for one object an event.")] = Format.text,
) -> None:
    """Wait for what comes of a commit. Ctrl-C ends the waiting, not the roll-out.

    Exits 0 when every host is converged on it (or on a newer one that holds it), 1 when hosts failed, don't answer
    or hold something that can't be read, or the commit has errors, 2 when it still runs at the limit, 3 when a guard or the fleet's mode stops it.

    Examples:

      trueup wait

      git push && trueup wait HEAD

      trueup wait e4a7d10 --limit 60 --format json
    """
    raise SystemExit(follow(commit, limit, as_json=format is Format.json))


def follow(commit: str, limit: float, *, as_json: bool, after: Mapping[str, Json] | None = None) -> int:
    """Print until the verdict, that of what a `sync` caused when `after` is its answer; gives the exit code."""
    from .. import door
    from ..settings import load
    from ..tell.remote_wait import Follow

    if limit <= 0:
        raise typer.BadParameter("--limit must be more than 0")
    told, fetched = Follow(), True
    try:
        caused = {name: (after or {}).get(name, 0) for name in ("round", "fetch", "event")}
        for event in door.stream(load(), "wait", {"commit": _here(commit), "limit": limit, **caused}):
            fetched = not event.get("fetchTrouble")
            if as_json:
                print(json.dumps({"format": 1, **event}), flush=True)
                told.verdict = str(event.get("verdict", told.verdict))
                continue
            for line in told.line(event):
                print(line, flush=True)
    except KeyboardInterrupt:
        print("The roll-out goes on without you: trueup wait follows it again.", file=sys.stderr)
        return exits.INTERRUPTED
    return CODES.get(told.verdict, exits.ERROR) if fetched else exits.ERROR


def _here(commit: str) -> str:
    """A revision that means something in the checkout around us (HEAD, HEAD~1) is meant as it is here, not there."""
    if not commit or commit.isalnum():
        return commit if commit != "HEAD" else _resolved(commit)
    return _resolved(commit)


def _resolved(rev: str) -> str:
    from ..core.problem import Refused
    from ..repo import open_repo

    try:
        repo = open_repo(".")
        return repo.resolve(rev) if repo is not None else rev
    except Refused:
        return rev
