"""What a commit wants, laid out as columns beside the file, so that one join compares it with what is observed.

A sheet is made once for a `Desired` and kept while that is asked for; it lives in memory only: planning writes nothing.
Names that the file doesn't know yet borrow numbers above its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..core.model import Desired, Key, Meaning, Ref, Resource
from . import troubles
from .arrays import numpy
from .bodies import aim
from .db import SHEETS, Db, number, words
from .each import Each
from .names import Names, lent

KEPT = 2
"""Sheets that are kept: the held commit's, and one that somebody asks about (a plan of another revision)."""


@dataclass(frozen=True)
class Sheet:
    """One `Desired` as tables: `want` (host_id, res_id, digest, aim, spread, removal) and `place` (host_id, name)."""

    desired: Desired
    want: str
    place: str
    hosts: Mapping[str, int]
    refs: Mapping[Ref, int]
    removals: tuple[str, ...]
    counts: Mapping[int, int]
    """host_id → how many resources are declared for it."""

    @cached_property
    def host_names(self) -> dict[int, str]:
        return {number: name for name, number in self.hosts.items()}

    @cached_property
    def ref_names(self) -> dict[int, Ref]:
        return {number: ref for ref, number in self.refs.items()}

    def resource(self, spread: int, host: str, key: Key | None = None) -> Resource:
        """The resource of a row of `want`; with its `key`, where that is at hand."""
        found = self.desired.spreads[spread]
        return Resource(
            key=key or Key(host, found.manifest.kind, found.manifest.name),
            meaning=found.meaning(host),
            source=found.manifest.source,
        )


class Sheets:
    """Makes sheets and keeps the last few."""

    def __init__(self, db: Db, names: Names) -> None:
        self._db = db
        self._names = names
        self._kept: list[tuple[int, Sheet]] = []
        self._files: list[Sheet] = []
        self._made = 0
        self._opening = db.openings

    def of(self, desired: Desired) -> Sheet:
        """The sheet of `desired`, made now if it isn't at hand or if names got their numbers since."""
        with self._db.lock:
            self._db.ready()
            if self._opening != self._db.openings:  # the memory that they were in went with the file
                self._kept, self._opening = [], self._db.openings
            stamp = len(self._names.hosts) * 10**9 + len(self._names.refs)
            for sheet in self._files:
                if sheet.desired is desired:
                    return sheet
            for kept in self._kept:
                if kept[1].desired is desired and (kept[0] == stamp or not self._borrowed(kept[1])):
                    return kept[1]
            sheet = self._make(desired)
            self._kept = [(stamp, sheet), *(kept for kept in self._kept if kept[1].desired is not desired)]
            for _, old in self._kept[KEPT:]:
                # A reader that still joins it holds its own snapshot: dropping takes nothing away from it.
                with troubles.told(self._db.path), self._db.cursor() as cursor:
                    cursor.execute(f"DROP TABLE IF EXISTS {old.want}")
                    cursor.execute(f"DROP TABLE IF EXISTS {old.place}")
            del self._kept[KEPT:]
            return sheet

    def put(self, sheet: Sheet) -> None:
        """Keep a sheet whose tables are the file's own (kept.py)."""
        with self._db.lock:
            self._files.append(sheet)
            del self._files[:-KEPT]

    def _borrowed(self, sheet: Sheet) -> bool:
        """Whether a number of the sheet was borrowed and is no longer right."""
        known_hosts, known_refs = self._names.hosts, self._names.refs
        return any(known_hosts.get(name) != number for name, number in sheet.hosts.items()) or any(
            known_refs.get(ref) != number for ref, number in sheet.refs.items()
        )

    def _make(self, desired: Desired) -> Sheet:
        self._made += 1
        want, place = f"{SHEETS}.want_{self._made}", f"{SHEETS}.place_{self._made}"
        hosts = _numbered(list(desired.hosts), self._names.hosts, lent(self._names.hosts))
        all_refs = [Ref(spread.manifest.kind, spread.manifest.name) for spread in desired.spreads]
        refs = _numbered(all_refs, self._names.refs, lent(self._names.refs))
        laid, removals = columns(desired, hosts, refs)
        places = {
            "host_id": numpy.fromiter(hosts.values(), dtype="int32", count=len(hosts)),
            "name": words(list(hosts)),
        }
        with troubles.told(self._db.path), self._db.cursor() as cursor:
            cursor.register("columns", laid)
            cursor.execute(f"CREATE TABLE {want} AS SELECT * FROM columns")
            cursor.register("places", places)
            cursor.execute(f"CREATE TABLE {place} AS SELECT * FROM places")
        ids, counts = numpy.unique(laid["host_id"], return_counts=True)
        return Sheet(
            desired=desired,
            want=want,
            place=place,
            hosts=hosts,
            refs=refs,
            removals=removals,
            counts=dict(zip(ids.tolist(), counts.tolist(), strict=True)),
        )


def _numbered(names: list[Any], known: Mapping[Any, int], free: int) -> dict[Any, int]:
    numbers: dict[Any, int] = {}
    for name in names:
        if name not in numbers:
            number = known.get(name)
            if number is None:
                number, free = free, free + 1
            numbers[name] = number
    return numbers


def columns(
    desired: Desired, hosts: Mapping[str, int], refs: Mapping[Ref, int]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The columns of `want`, and the texts that its `removal` column counts."""
    ids: dict[int, Any] = {}  # selectors share their tuple of hosts: its numbers are looked up once
    removals: dict[str, int] = {}
    parts: dict[str, list[Any]] = {name: [] for name in ("host_id", "res_id", "digest", "aim", "spread", "removal")}
    for index, spread in enumerate(desired.spreads):
        found = ids.get(id(spread.hosts))
        if found is None:
            found = numpy.fromiter((hosts[name] for name in spread.hosts), dtype="int32", count=len(spread.hosts))
            ids[id(spread.hosts)] = found
        count = len(found)
        if not count:
            continue
        res_id = refs[Ref(spread.manifest.kind, spread.manifest.name)]
        parts["host_id"].append(found)
        parts["res_id"].append(numpy.full(count, res_id, dtype="int32"))
        parts["spread"].append(numpy.full(count, index, dtype="int32"))
        if spread.same is not None:
            removal = removals.setdefault(spread.same.on_remove, len(removals))
            parts["digest"].append(numpy.full(count, number(spread.same.digest), dtype="uint64"))
            parts["aim"].append(numpy.full(count, aim(spread.same), dtype="uint64"))
            parts["removal"].append(numpy.full(count, removal, dtype="int32"))
        elif isinstance(spread.each, Each):
            digests, aims = spread.each.columns(found)
            removal = removals.setdefault(spread.each.on_remove, len(removals))
            parts["digest"].append(digests)
            parts["aim"].append(aims)
            parts["removal"].append(numpy.full(count, removal, dtype="int32"))
        else:
            meanings: list[Meaning] = [spread.each[name] for name in spread.hosts]
            parts["digest"].append(numpy.array([number(meaning.digest) for meaning in meanings], dtype="uint64"))
            parts["aim"].append(numpy.array([aim(meaning) for meaning in meanings], dtype="uint64"))
            parts["removal"].append(
                numpy.array(
                    [removals.setdefault(meaning.on_remove, len(removals)) for meaning in meanings], dtype="int32"
                )
            )
    types = {"digest": "uint64", "aim": "uint64"}
    laid = {
        name: numpy.concatenate(arrays) if arrays else numpy.array([], dtype=types.get(name, "int32"))
        for name, arrays in parts.items()
    }
    return laid, tuple(removals)
