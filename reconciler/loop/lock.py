"""One `trueup serve` a state: who holds its lock serves it. The kernel lets go of it, however the process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.problem import Problem, Refused
from ..door.owner import name_of, owner
from ..settings import Settings


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Hold the lock of this state while the block runs. Raises Refused: daemon-running, naming who has it; state-owner for
    root, where another user's daemon would find files of root's afterwards."""
    theirs = owner(settings.state_dir)
    if os.geteuid() == 0 != theirs:
        name = name_of(theirs)
        raise Refused(
            Problem(
                code="state-owner",
                message=f"{settings.state_dir} belongs to {name}, who could not open what root writes there",
                hint=f"systemctl start trueup; by hand: sudo -u {name} trueup serve",
            )
        )
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = settings.state_dir / "serve.lock"
    try:
        handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Refused(
            Problem(
                code="state-read-only",
                message=f"{place} can't be written: {error.strerror}",
                hint="Run as the user that owns stateDir.",
            )
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
        os.close(handle)
        raise Refused(
            Problem(
                code="daemon-running",
                message=f"another trueup serve (process {holder or 'unknown'}) runs on {settings.state_dir}",
                hint=f"trueup status asks it; to replace it: kill {holder or 'PID'}, or systemctl restart trueup",
            )
        ) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    try:
        yield
    finally:
        os.close(handle)


def holder(state_dir: Path) -> int | None:
    """The process that serves this state, None when nobody does."""
    try:
        handle = os.open(state_dir / "serve.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except OSError:
        text = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(handle)
