"""What is to be written and may wait a moment, so that many hosts' reports are one transaction.

A kill in that moment loses readings that the restart takes anew: it looks at all hosts of the round that was left
open, and each host's own file says what is owned there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import duckdb

from ..core.model import Desired, Key, Owned, Report
from . import bodies, intake, owning
from .db import Db
from .names import Names
from .sheet import Sheets
from .terms import Taken

MOST = 64
"""Reports that may wait to be written together."""
PATIENCE = 0.25
"""Seconds that the first of them waits at most, while more come."""


@dataclass(frozen=True, slots=True)
class Owning:
    """Ownership that waits to be written."""

    owned: tuple[Owned, ...]
    disowned: tuple[Key, ...]
    now: float


class Queue:
    """Reports and ownership in the order in which they came. Each method may raise Refused (troubles.py)."""

    def __init__(
        self,
        db: Db,
        names: Names,
        sheets: Sheets,
        eyes: bodies.Eyes,
        clock: Callable[[], float],
        history: Iterable[str] = (),
    ) -> None:
        """`history`: kinds of which is kept what was applied before."""
        self._db = db
        self._names = names
        self._sheets = sheets
        self._eyes = eyes
        self._clock = clock
        self._history = tuple(history)
        self._waiting: list[Taken | Owning] = []
        self._since = 0.0
        self._hosts: set[str] = set()

    def took(self, report: Report, desired: Desired, now: float, round_id: int) -> None:
        """A second report of a host that waits already has the first one written before it."""
        with self._db.lock:
            if report.host in self._hosts:
                self.flush()
            self._hosts.add(report.host)
            self._wait(Taken(report=report, desired=desired, now=now, round_id=round_id))

    def own(self, owned: Iterable[Owned], disowned: Iterable[Key], now: float) -> None:
        kept, gone = tuple(owned), tuple(disowned)
        if kept or gone:
            with self._db.lock:
                self._wait(Owning(kept, gone, now))

    def _wait(self, item: Taken | Owning) -> None:
        if not self._waiting:
            self._since = self._clock()
        self._waiting.append(item)
        if len(self._waiting) >= MOST or self._clock() - self._since >= PATIENCE:
            self.flush()

    def flush(self) -> None:
        """Write what waits, in one transaction. When that fails it goes on waiting, and Refused says why."""
        with self._db.lock:
            if not self._waiting:
                return
            queue = list(self._waiting)
            taken = [item for item in queue if isinstance(item, Taken)]
            try:
                about: set[int] = set()
                with self._db.writing(about) as con:
                    intake.take(con, self._names, self._eyes, taken, self._declared)
                    about |= {self._names.hosts[item.report.host] for item in taken}
                    for item in queue:
                        if isinstance(item, Owning):
                            self._write(con, item)
                            keys = (*(mine.key for mine in item.owned), *item.disowned)
                            about |= {self._names.hosts[key.host] for key in keys if key.host in self._names.hosts}
            except BaseException:
                self._names.forget_unsaved()
                del self._waiting[: max(0, len(self._waiting) - 100 * MOST)]
                raise
            self._waiting.clear()
            self._hosts.clear()

    def _write(self, con: duckdb.DuckDBPyConnection, item: Owning) -> None:
        keys = [mine.key for mine in item.owned]
        self._names.learn(con, (key.host for key in keys), (key.ref for key in keys))
        if item.owned:
            at = [item.now] * len(item.owned)
            owning.write_owned(con, self._names, item.owned, bodies.Bodies(), at, history=self._history)
        owning.drop_owned(con, self._names, item.disowned)

    def _declared(self, desired: Desired, host: str) -> int:
        sheet = self._sheets.of(desired)
        return sheet.counts.get(sheet.hosts.get(host, -1), 0)
