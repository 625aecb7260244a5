"""What commits say, read once: the last few that were asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import manifests
from .core.kind import Kinds
from .ports import Files, Outside
from .secrets import Sealed, Sealer

if TYPE_CHECKING:
    from .manifests import Reading

COMMITS = 4
"""Commits whose manifests are kept read: the tip, the held one, and two that somebody asks about."""


class Readings:
    """Commits that were read, and documents by their blob. The plaintext of their secrets stays as long as anybody has what
    was read: a trip that is under way among them. Safe for threads."""

    def __init__(self, kinds: Kinds, sealer: Sealer, outside: Outside | None) -> None:
        self._kinds, self._sealer, self._outside = kinds, sealer, outside
        self._lock = threading.Lock()
        self._parsed: dict[str, Any] = {}
        """What manifests/ keeps of the reading before: of one commit, so that it can't grow."""
        self._read: dict[str, tuple[Files, Reading, Sealed]] = {}

    def of(self, rev: str, files_of: Callable[[], Files]) -> tuple[Files, Reading]:
        """The files of a commit, which `files_of` gives where they aren't known, and what they say."""
        if (known := self._fresh(rev)) is not None:
            return known
        with self._lock:  # one at a time: the door's threads share what is remembered
            if (known := self._fresh(rev)) is not None:
                return known
            files = files_of()
            sealed = self._sealer.reading(files)
            reading = manifests.read(
                files,
                self._kinds,
                sealed.seal,
                cache=self._parsed,
                outside=self._outside,
                acts=self._outside is not None,
            )
            if reading.desired is not None:
                sealed.belongs_to(reading.desired)
            else:
                sealed.came_to_nothing()
            if files.commit.id:
                self._read.pop(files.commit.id, None)
                while len(self._read) >= COMMITS:
                    self._read.pop(next(iter(self._read)))
                self._read[files.commit.id] = (files, reading, sealed)
        return files, reading

    def known(self, commit: str) -> Reading | None:
        """What was read of a commit, however old it is; None when it isn't known any more."""
        found = self._read.get(commit)
        return found[1] if found is not None else None

    def all(self) -> list[tuple[Files, Reading]]:
        return [(files, reading) for files, reading, _ in list(self._read.values())]

    def _fresh(self, rev: str) -> tuple[Files, Reading] | None:
        """What was read of `rev` before, while its secrets and what it has from outside still are what they were: what
        changes outside the repository is found here, at the next look."""
        known = self._read.get(rev)
        if known is None or not known[2].fresh():
            return None
        files, reading, _ = known
        stale = reading.sources and self._outside is not None and reading.moment != self._outside.moment()
        return None if stale else (files, reading)


__all__ = ["COMMITS", "Readings"]
