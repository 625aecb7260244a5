"""How the whole fleet stands at a moment: a verdict a host, by core.verdict alone, worked out again for the hosts of which
the rows changed, or for which time ran out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ..core.model import Hold, Pause, Verdict
from ..core.verdict import HostView, holds_until, verdict
from ..core.visits import enforced
from .arrays import numpy
from .counting import Counted, Counting
from .sheet import Sheet

WORDS = tuple(Verdict)
RANK = {word: rank for rank, word in enumerate(WORDS)}
_NONE = 255


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the file can't know: the moment, who is paused, what is running."""

    now: float
    observe_every: float
    paused: Mapping[str, Pause]
    held: tuple[Hold, frozenset[str]] | None = None
    """A wave that failed, and the hosts that it reached, which don't wait for it."""
    running: frozenset[int] = frozenset()
    """Hosts (by id) that a round is changing now."""
    running_since: float | None = None
    running_limit: float = 1800.0


@dataclass(frozen=True, slots=True)
class HostRow:
    """One host's verdict, with what a list shows of it."""

    host: str
    host_id: int
    verdict: Verdict
    why: str
    since: float | None
    seen_at: float | None
    commit: str


SELECTORS = 50
"""Selectors whose hosts are kept."""


class Table:
    """The hosts by name, each with its place, and their labels as numbers: what stays while a commit does."""

    def __init__(self, sheet: Sheet) -> None:
        self.names = sorted(sheet.hosts)
        self.place = {name: place for place, name in enumerate(self.names)}
        self.ids = [sheet.hosts[name] for name in self.names]
        self._hosts = sheet.desired.hosts
        self._labels: dict[str, tuple[list[str], Any]] = {}
        self._picked: dict[str, frozenset[str]] = {}

    @cached_property
    def lowered(self) -> list[str]:
        return [name.lower() for name in self.names]

    def picked(self, text: str, pick: Callable[[str], Iterable[str]]) -> frozenset[str]:
        """What `pick` gives for a selector's text, kept: pages ask with the same ones again and again."""
        if text not in self._picked:
            found = frozenset(pick(text))
            if len(self._picked) >= SELECTORS:
                self._picked.clear()
            self._picked[text] = found
        return self._picked[text]

    def label(self, name: str) -> tuple[list[str], Any]:
        """The values of a label, and each host's as its index; -1 where it has none."""
        found = self._labels.get(name)
        if found is None:
            numbers: dict[str, int] = {}
            said = [self._hosts[host].labels.get(name) for host in self.names]
            codes = [-1 if value is None else numbers.setdefault(value, len(numbers)) for value in said]
            found = self._labels[name] = (list(numbers), numpy.array(codes, dtype="int32"))
        return found


@dataclass(frozen=True)
class Some:
    """Hosts of a stand, worst first, then by name."""

    stand: Stand
    _places: Any

    def __len__(self) -> int:
        return len(self._places)

    @property
    def counts(self) -> dict[str, int]:
        """Hosts by verdict, every verdict named, worst first."""
        many = numpy.bincount(self.stand._ranks[self._places], minlength=len(WORDS)).tolist()
        return {word.value: many[rank] for rank, word in enumerate(WORDS)}

    @property
    def seen(self) -> tuple[float | None, float | None, int]:
        """The oldest and the newest look, and how many were never looked at."""
        seen = self.stand._seen[self._places]
        known = seen[~numpy.isnan(seen)]
        if not len(known):
            return None, None, len(seen)
        return float(known.min()), float(known.max()), len(seen) - len(known)

    def rows(self, begin: int = 0, end: int | None = None) -> list[HostRow]:
        return [self.stand._rows[place] for place in self._places[begin:end].tolist()]

    def after(self, rank: int, host: str) -> Some:
        """Those that come after a host of this rank and name."""
        ranks = self.stand._ranks[self._places]
        low, high = numpy.searchsorted(ranks, (rank, rank + 1)) if rank >= 0 else (0, 0)
        names = self.stand.table.names
        same = sum(1 for place in self._places[low:high].tolist() if names[place] <= host)
        return Some(self.stand, self._places[int(low) + same :])


class Stand:
    """How the whole fleet stands at one moment. Nothing of it changes any more."""

    def __init__(
        self,
        table: Table,
        rows: Sequence[HostRow],
        ranks: Any,
        seen: Any,
        views: Mapping[str, HostView],
        hold: Hold | None,
    ) -> None:
        self.table = table
        self._rows = rows
        self._ranks = ranks
        self._seen = seen
        self._order = numpy.argsort(ranks, kind="stable")
        self.views = views
        self.hold = hold
        """A wave of this commit that failed, and holds those that it did not reach."""

    @cached_property
    def rows(self) -> tuple[HostRow, ...]:
        """Every host, worst first, then by name."""
        return tuple(self.all.rows())

    @property
    def all(self) -> Some:
        return Some(self, self._order)

    def row(self, host: str) -> HostRow:
        return self._rows[self.table.place[host]]

    def pick(self, *, verdict: str = "", find: str = "", only: Collection[str] | None = None) -> Some:
        """The hosts of one verdict (in any case), with this text in their names, and among `only`."""
        keep = numpy.ones(len(self._rows), dtype=bool)
        if verdict:
            wanted = [rank for word, rank in RANK.items() if word.value.lower() == verdict.lower()]
            keep &= self._ranks == (wanted[0] if wanted else _NONE)
        if find:
            text = find.lower()
            keep &= numpy.fromiter((text in name for name in self.table.lowered), dtype=bool, count=len(keep))
        if only is not None:
            among = numpy.zeros(len(keep), dtype=bool)
            place = self.table.place
            among[[place[name] for name in only if name in place]] = True
            keep &= among
        return Some(self, self._order[keep[self._order]])

    def not_converged(self, some: Some) -> Some:
        """Those of `some` that are not Converged."""
        return Some(self, some._places[self._ranks[some._places] != RANK[Verdict.CONVERGED]])

    def by_label(self, name: str) -> list[tuple[str, dict[str, int]]]:
        """Each value of a label with its hosts by verdict."""
        values, codes = self.table.label(name)
        has = codes >= 0
        size = len(WORDS)
        many = numpy.bincount(codes[has] * size + self._ranks[has], minlength=len(values) * size).reshape(-1, size)
        return [
            (value, {word.value: count for word, count in zip(WORDS, counts, strict=True)})
            for value, counts in zip(values, many.tolist(), strict=True)
        ]

    @cached_property
    def held(self) -> tuple[HostView, ...]:
        """Of the hosts that have something to wait with."""
        if self.hold is None:
            return ()
        return tuple(view for view in self.views.values() if view.held and view.pending and view.paused is None)


class Standing:
    """Keeps the newest stand of one sheet."""

    def __init__(self, sheet: Sheet, counting: Counting) -> None:
        self._sheet = sheet
        self._counting = counting
        self._lock = threading.Lock()
        self._last: tuple[Asked, Mapping[int, Counted], Stand] | None = None
        self._counted_at = -1
        self._until: Any = None

    def at(self, asked: Asked) -> Stand:
        """How the fleet stands; the same object as long as it stands the same."""
        with self._lock:
            self._counting.fresh()
            counted, counted_at = self._counting.rows, self._counting.generation
            table, rows, ranks, seen, views = self._before()
            places = self._others(table, asked, counted)
            hold = asked.held[0] if asked.held else None
            if self._last is not None and not places and self._last[2].hold == hold:
                return self._last[2]
            desired = self._sheet.desired
            for place in places:
                host, row = table.names[place], counted[table.ids[place]]
                view = self._view(host, row, asked, enforced(desired, host))
                word, why = verdict(view)
                rows[place] = HostRow(host, row[0], word, why, since_of(word, view, row[5:9]), view.seen_at, row[13])
                views[host] = view
                ranks[place] = RANK[word]
                seen[place] = numpy.nan if view.seen_at is None else view.seen_at
                self._until[place] = holds_until(view)
            stand = Stand(table, rows, ranks, seen, views, hold)
            self._last, self._counted_at = (asked, counted, stand), counted_at
            return stand

    def _before(self) -> tuple[Table, list[Any], Any, Any, dict[str, HostView]]:
        """Copies of what the newest stand has: that one is read by others."""
        if self._last is None:
            table = Table(self._sheet)
            size = len(table.names)
            self._until = numpy.zeros(size)
            return table, [None] * size, numpy.zeros(size, dtype="uint8"), numpy.zeros(size), {}
        last = self._last[2]
        return last.table, list(last._rows), last._ranks.copy(), last._seen.copy(), dict(last.views)

    def _others(self, table: Table, asked: Asked, counted: Mapping[int, Counted]) -> list[int]:
        """Places of the hosts that may stand otherwise than before."""
        if self._last is None:
            return list(range(len(table.names)))
        before, known, _ = self._last
        if _alike(before) != _alike(asked) or asked.now < before.now:
            return list(range(len(table.names)))
        found = set(numpy.flatnonzero(self._until <= asked.now).tolist())
        if known is not counted:
            names = self._sheet.host_names
            touched = self._counting.touched_since(self._counted_at)
            for number in table.ids if touched is None else touched & names.keys():
                old, new = known[number], counted[number]
                if old is not new and old != new:
                    found.add(table.place[names[number]])
        for host in {*before.paused, *asked.paused}:
            if before.paused.get(host) != asked.paused.get(host) and host in table.place:
                found.add(table.place[host])
        moved = before.running ^ asked.running
        if before.running_since != asked.running_since:
            moved = before.running | asked.running
        if moved:
            names = self._sheet.host_names
            found.update(table.place[names[number]] for number in moved if number in names)
        return sorted(found)

    def _view(self, host: str, row: Counted, asked: Asked, enforced_here: bool) -> HostView:
        host_id, failed, unsure, drifted, pending, *_, seen_at, trouble, code, since, _ = row
        view = HostView(
            now=asked.now,
            seen_at=seen_at,
            observe_every=asked.observe_every,
            trouble=trouble,
            trouble_since=since,
            trouble_code=code,
            paused=asked.paused.get(host),
            failed=failed,
            pending=pending,
            held=asked.held[0].why if asked.held and host not in asked.held[1] else "",
            drifted=drifted,
            unknown=unsure if seen_at is not None else 0,
            running=host_id in asked.running,
            running_since=asked.running_since,
            running_limit=asked.running_limit,
            enforced=enforced_here,
        )
        if not trouble:
            return view
        # What Git has wanted since then says nothing of how it was.
        before = replace(
            view, trouble="", trouble_code="", running=False, paused=None, pending=0, now=seen_at or asked.now
        )
        return replace(view, was=verdict(before)[0].value if seen_at is not None else "")


def _alike(asked: Asked) -> tuple[object, ...]:
    """What concerns every host."""
    return asked.observe_every, asked.running_limit, asked.held


def since_of(word: Verdict, view: HostView, times: Sequence[float | None]) -> float | None:
    """Since when a verdict holds, as far as the readings tell."""
    failed_at, unsure_from, drifted_from, right_from = times
    match word:
        case Verdict.PAUSED:
            return None
        case Verdict.FAILED:
            return failed_at if failed_at is not None else view.trouble_since
        case Verdict.UNKNOWN:
            return view.trouble_since if view.trouble else unsure_from if view.unknown else view.seen_at
        case Verdict.DRIFTED:
            return drifted_from
        case Verdict.PROGRESSING:
            return view.running_since if view.running else None
        case Verdict.CONVERGED:
            return right_from
    return None


__all__ = ["RANK", "Asked", "HostRow", "Some", "Stand", "Standing", "since_of"]
