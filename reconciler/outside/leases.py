"""What somebody reads for as long as it pleases him, so that it isn't tidied away meanwhile: a preview that runs for days.

outside/held-PID-…   locked for as long as its holder lives; in it, the id of the tree that he reads
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from .troubles import on_disk

_NAME = "held-"


def hold(room: Path, tree: str) -> int:
    """An open file for as long as which `tree` stays. To be called while nobody tidies (turns.Turns.beside)."""
    with on_disk(str(room)):
        fd, _ = tempfile.mkstemp(prefix=f"{_NAME}{os.getpid()}-", dir=room)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            os.write(fd, tree.encode())
        except OSError:
            os.close(fd)
            raise
        return fd


def held(room: Path) -> set[str]:
    """The trees that are held now. What a holder who is gone left is taken away, so that only who is alone may ask."""
    found = set()
    for place in room.glob(f"{_NAME}*"):
        with suppress(FileNotFoundError), place.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                found.add(file.read(64).decode("ascii", "replace"))
            else:
                place.unlink(missing_ok=True)
    return found


__all__ = ["held", "hold"]
