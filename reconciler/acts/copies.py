"""What whoever has the state open is asked of it, a daemon or a command: a copy of one moment, and whether it is sound."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..clock import rfc3339
from ..core.kind import Code
from ..core.model import Json
from ..core.problem import Problem, Refused

if TYPE_CHECKING:
    from ..store import DuckStore
    from ..world import World

LEFT_OVER = 3600.0
"""Seconds after which a copy that nobody fetched is taken away."""

CODES: Mapping[str, Code] = {
    "backup-exists": Code.error(
        "A file of that name is there already.",
        "Give another name, or --replace.",
    ),
    "backup-missing": Code.error("There is no such file.", "Look at its name: ls -l of its folder."),
    "backup-unreadable": Code.error(
        "A file of the backup can't be read or written.",
        "Run it as the user that owns stateDir, or with sudo; look at the folder's room and permissions.",
    ),
    "backup-damaged": Code.error(
        "The backup is not what was written: its checksum or its contents don't hold together.",
        "Take another backup; `trueup state verify FILE` says what is wrong with this one.",
    ),
    "backup-of-another-fleet": Code.error(
        "The backup was made beside another fleet's key.",
        "Give back that fleet.key first; or --other-fleet: then every secret looks changed once.",
    ),
    "state-missing": Code.error(
        "There is no state here yet.",
        "trueup serve or apply makes it; look at TRUEUP_STATE_DIR if there should be one.",
    ),
    "state-in-use": Code.error(
        "A daemon works with this state.",
        "systemctl stop trueup (or end the daemon), do it, and start the daemon again.",
    ),
}


def refused(code: str, message: str = "", path: Path | str = "", hint: str = "") -> Refused:
    """A Refused with one problem of CODES."""
    return Refused(
        Problem(code=code, message=message or CODES[code].meaning, path=str(path), hint=hint or CODES[code].cure)
    )


def backup(world: World, args: Mapping[str, Json]) -> dict[str, Json]:
    """A copy of the state as it is now, in a folder that only its owner can open; who asked takes it from there."""
    folder = world.settings.state_dir / "backup"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.iterdir():
            if time.time() - left.stat().st_mtime > LEFT_OVER:
                left.unlink()
        made = folder / f"{os.getpid()}-{time.time_ns()}.duckdb"
        now = world.now()
        rows = _store(world).backup(made, lambda table, count: world.tell.say("copying", table=table, rows=count))
        return {
            "format": 1,
            "path": str(made),
            "size": made.stat().st_size,
            "rows": sum(rows.values()),
            "at": rfc3339(now, whole=True),
        }
    except OSError as error:
        raise refused(
            "backup-unreadable", f"the copy can't be written: {error.strerror}", error.filename or folder
        ) from error


def verify(world: World, args: Mapping[str, Json]) -> dict[str, Json]:
    """What was checked, and what is broken."""
    return verified(str(world.settings.database), _store(world).verify())


ASKS: Mapping[str, Callable[[World, Mapping[str, Json]], dict[str, Json]]] = {
    "state-backup": backup,
    "state-verify": verify,
}


def _store(world: World) -> DuckStore:
    return cast("DuckStore", world.store)


def verified(path: str, findings: list[Any]) -> dict[str, Json]:
    """Findings as the answer has them."""
    return {
        "format": 1,
        "path": path,
        "sound": not any(finding.broken for finding in findings),
        "checks": [finding.json() for finding in findings],
    }
