"""Who may ask when, among all processes: many beside one another, each place by one at a time; who drops things is alone.

lock           shared by those who ask, exclusive for who drops things
lock-PLACE     exclusive: a repository's mirror has one writer
lock-told      exclusive and short: what became of asking is written down
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .troubles import on_disk, refused

WAIT = 150.0
"""Seconds to wait for another process; longer than one source may take."""
PATIENCE = 1.0
"""Seconds that who tidies waits for others: he may be holding up more of them meanwhile."""


class Turns:
    """`clean` takes away what the killed left; it is called when nobody else is there."""

    def __init__(self, room: Path, clean: Callable[[], None], wait: float | None = None) -> None:
        self._room = room
        self._clean = clean
        self._wait = wait

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Beside others who ask."""
        with self._open("lock") as lock:
            if _taken(lock, fcntl.LOCK_EX):
                self._clean()
            self._take(lock, fcntl.LOCK_SH)
            yield

    @contextmanager
    def alone(self, wait: float | None = None) -> Iterator[None]:
        """While nobody asks."""
        with self._open("lock") as lock:
            self._take(lock, fcntl.LOCK_EX, wait)
            self._clean()
            for left in self._room.glob("lock-*"):
                left.unlink(missing_ok=True)
            yield

    @contextmanager
    def of(self, place: str) -> Iterator[None]:
        """The only one who asks `place`; beside others who ask elsewhere."""
        with self._open("lock-" + hashlib.sha256(place.encode()).hexdigest()[:16]) as lock:
            self._take(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _open(self, name: str) -> Iterator[int]:
        with on_disk(str(self._room)):
            self._room.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self._room / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield lock
        finally:
            os.close(lock)

    def _take(self, lock: int, how: int, wait: float | None = None) -> None:
        wait = self._wait if wait is None else wait
        end = time.monotonic() + (WAIT if wait is None else wait)
        while not _taken(lock, how):
            if time.monotonic() > end:
                raise refused("source-unreachable", "another process of trueup is asking it", "Wait for it.")
            time.sleep(0.05)


def _taken(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


__all__ = ["Turns"]
