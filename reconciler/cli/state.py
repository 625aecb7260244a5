"""`trueup state`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from . import _show, exits

LONG = 100_000
"""Rows of a table from which on its copying is worth a line."""


class Act(str, Enum):
    backup = "backup"
    restore = "restore"
    verify = "verify"
    compact = "compact"


def state(
    act: Annotated[Act, typer.Argument(help="What to do with the state file.")],
    file: Annotated[Path | None, typer.Argument(help="The backup; verify without one looks at the state.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="backup: write over a file of that name.")] = False,
    other_fleet: Annotated[
        bool, typer.Option("--other-fleet", help="restore: take a backup that was made beside another fleet.key.")
    ] = False,
    format: _show.FormatOption = _show.Format.text,
) -> int:
    """Save, give back, look through or shrink what trueup remembers.

    backup: a copy of one moment, while the daemon runs or not, with its checksum in FILE.sha256. restore: put a backup
    in place; the state of before is kept beside it; no daemon may run. verify: check every block, reference and span
    of history, of the state or of a backup. compact: drop history older than historyDays and write the file anew; no
    daemon may run.

    Examples:

      trueup state backup /root/trueup-$(date +%F).duckdb

      systemctl stop trueup; trueup state restore /root/trueup-2026-11-24.duckdb; systemctl start trueup

      trueup state verify

      systemctl stop trueup; trueup state compact; systemctl start trueup
    """
    import sys
    import time

    from ..acts import state as keeping
    from ..settings import load
    from ..tell import state as words

    settings = load()
    if act in (Act.backup, Act.restore) and file is None:
        raise typer.BadParameter(f"name the file: trueup state {act.value} FILE", param_hint="FILE")
    if act is Act.compact and file is not None:
        raise typer.BadParameter("it works on the state itself", param_hint="FILE")

    def told(table: str, rows: int) -> None:
        if rows >= LONG:
            print(f"copying {table}: {rows:,} rows", file=sys.stderr, flush=True)

    class Copying:
        def say(self, event: str, **facts: object) -> None:
            if event == "copying":
                told(str(facts["table"]), int(str(facts["rows"])))

    match act:
        case Act.backup:
            assert file is not None
            answer = keeping.save(settings, file, replace=replace, tell=Copying())
            shown = words.saved
        case Act.restore:
            assert file is not None
            answer = keeping.restore(settings, file, other_fleet=other_fleet)
            shown = words.restored
        case Act.verify:
            answer = keeping.looked_through(settings, file)
            shown = words.verified
        case Act.compact:
            answer = keeping.compact(settings, time.time(), told)
            shown = words.compacted
    if format is _show.Format.json:
        _show.as_json(answer)
    else:
        print(shown(answer), end="")
    return exits.OK if answer.get("sound", True) else exits.ERROR
