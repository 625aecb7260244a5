"""What of outside sources is kept on disk, and for how long: what is wanted always, the rest by its last use and a bound.

Nothing is lost by it but time: a source that is named again is asked again. Killed anywhere, it has dropped less than it would
have; a name goes before the objects that it alone needs.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from ..repo import Content, Kept
from .asking import MIRRORS
from .troubles import on_disk

BEFORE = 5
"""Versions of a wanted source that are kept beside the present one, for a rollback; the bound may leave fewer."""
_GONE = ".gone"
RECENT = 3600.0
"""Seconds for which what was used last may be on its way, or in somebody's hands: it stays, whatever the bound says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """What is kept."""

    wanted: Set[str]
    """Keys of the sources that are named now."""
    needed: Set[str]
    """Ids of trees and blobs that somebody needs beside them: what was put back against Git, what is shown just now."""
    asked: Mapping[str, float]
    """Key → when it was asked last."""
    age: float
    """Seconds after its last use that a source that nobody names stays."""
    most: int
    """Bytes that may be kept beside what is wanted and needed; the longest unused go first."""
    before: int = BEFORE
    recent: float = RECENT


class Tidying:
    """One time of it; only for who keeps all others out."""

    def __init__(self, content: Content, rule: Rule, room: Path) -> None:
        self._content = content
        self._rule = rule
        self._room = room
        self.needed: set[str] = set()
        """Ids of all objects that stay."""
        self.mirrors: set[Path] = set()
        """The mirrors that do."""

    def drop(self, now: float) -> None:
        """Drop the names of what isn't to be kept."""
        rule, spare = self._rule, list[tuple[float, Kept]]()
        for id in rule.needed:
            self.needed |= self._content.reach(id, self.needed).keys()
        for key, versions in self._versions().items():
            used = rule.asked.get(key, versions[0].at)
            for rank, kept in enumerate(versions):
                if (rank == 0 and key in rule.wanted) or used > now - rule.recent:
                    self._stays(kept)
                elif (rank <= rule.before) if key in rule.wanted else (rank == 0 and used > now - rule.age):
                    spare.append((used, kept))
                else:
                    self._content.drop(kept.name)
                used = kept.at  # since then the one before it is out of use
        left = rule.most
        for _, kept in sorted(spare, key=lambda one: (-one[0], one[1].name)):
            left -= self._bytes(kept)
            if left >= 0:
                self._stays(kept)
            else:
                self._content.drop(kept.name)

    def _versions(self) -> Mapping[str, list[Kept]]:
        """Key → what is kept of a source, the newest first."""
        found: dict[str, list[Kept]] = {}
        for name in sorted(self._content.names(), reverse=True):
            if (kept := self._content.kept(name)) is not None:
                found.setdefault(name.partition("/")[0], []).append(kept)
        return {key: sorted(kept, key=lambda one: not one.name.endswith("/now")) for key, kept in found.items()}

    def _stays(self, kept: Kept) -> None:
        self.needed |= self._content.reach(kept.id, self.needed).keys()
        self.mirrors.update(self._mirrors_of(kept))

    def _bytes(self, kept: Kept) -> int:
        """What it takes beside all that stays so far."""
        mirrors = self._mirrors_of(kept) - self.mirrors
        return sum(self._content.reach(kept.id, self.needed).values()) + sum(map(size_of, mirrors))

    def _mirrors_of(self, kept: Kept) -> set[Path]:
        name = json.loads(kept.note).get("mirror")
        return {self._room / MIRRORS / name} if name else set()


def drop_mirrors(room: Path, kept: Set[Path], most: int) -> None:
    """Delete all mirrors but these, and those that have grown beyond `most` bytes, to be fetched anew as shallow as at
    first. Each is renamed first, so that a kill leaves no half of one."""
    mirrors = room / MIRRORS
    _take_away(mirrors)  # what a kill left
    with on_disk(str(mirrors)):
        for mirror in mirrors.glob("*.git"):
            if mirror not in kept or size_of(mirror) > most:
                os.replace(mirror, mirror.with_suffix(_GONE))
    _take_away(mirrors)


def _take_away(mirrors: Path) -> None:
    for gone in mirrors.glob("*" + _GONE):
        shutil.rmtree(gone, ignore_errors=True)


def size_of(folder: Path) -> int:
    return sum(place.stat().st_size for place in folder.rglob("*") if place.is_file())


__all__ = ["BEFORE", "RECENT", "Rule", "Tidying", "drop_mirrors"]
