"""The newest look at a site that is being written: looked again when a file came, went or changed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.core.problem import Refused

from .looking import Look, Looker, Shown

SHARE = 10
"""A look at all times and sizes costs at most one in so many seconds, however many files there are."""


@dataclass
class Watched:
    """Asked by every request, and between them by whoever tells of changes."""

    looker: Looker
    on_look: Callable[[Look, int], None] = lambda look, number: None
    """Called with each look and its number, from 1 on."""
    version: int = 0
    """Counts the looks."""
    shown: Shown | None = None
    """The newest that could be served: a broken rule in the middle of writing doesn't take the site away."""
    _stamp: int | None = None
    _next: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def current(self) -> Shown | None:
        """What is served now. Raises Refused at the first look only."""
        with self._lock:
            began = time.monotonic()
            if began < self._next:
                return self.shown
            stamp = _stamp(self.looker.place.root)
            if stamp != self._stamp:
                self._look(stamp)
            self._next = began + SHARE * (time.monotonic() - began)
            return self.shown

    def _look(self, stamp: int) -> None:
        try:
            look = self.looker.look()
        except Refused as refused:
            if self._stamp is None:
                raise
            look = Look(shown=None, problems=refused.problems, files=None)
        self._stamp = stamp
        self.version += 1
        self.shown = look.shown or self.shown
        self.on_look(look, self.version)


def _stamp(root: Path) -> int:
    """Differs when any file below `root` differs in name, time or size."""
    return hash(tuple(_facts(str(root))))


def _facts(folder: str) -> Iterator[tuple[str, int, int, int]]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        try:
            info = entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                if entry.name != ".git":
                    yield from _facts(entry.path)
            else:
                yield entry.path, info.st_mtime_ns, info.st_size, info.st_ino
        except OSError:
            continue
