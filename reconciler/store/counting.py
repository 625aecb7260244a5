"""How many resources of each host are right, failed, unknown, drifted or pending: counted from the rows, and counted again
for the hosts that a write was about. Nothing of it is in the file.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .db import Db
from .sheet import Sheet
from .terms import DRIFTED, FAILED, PENDING, RIGHT, UNKNOWN, UNSURE

MANY = 1000
"""Hosts that are named one by one in a query; for more of them all are read."""

Counted = tuple[Any, ...]
"""host_id, failed, unsure, drifted, pending, when the first of each began, when the newest right one did, and what is
remembered of the host: seen_at, trouble, its code, its beginning, the commit it was found at."""

_BESIDE = (
    "epoch(h.seen_at), coalesce(h.trouble, ''), coalesce(h.trouble_code, ''), epoch(h.trouble_since), "
    "coalesce(h.on_commit, '')"
)


class Counting:
    """The counts of one sheet, as new as the file at each `fresh`.

    `rows_of` gives the SQL of one row a resource (View.resources), `judge` looks at states that the filter can't tell,
    `forget` hears first of whom what was known is old: each for some hosts or, given None, for all.
    """

    def __init__(
        self,
        db: Db,
        sheet: Sheet,
        rows_of: Callable[[Sequence[int] | None], tuple[str, Mapping[str, object]]],
        judge: Callable[[Sequence[int] | None], None],
        forget: Callable[[Sequence[int] | None], None],
    ) -> None:
        self._db = db
        self._sheet = sheet
        self._rows_of = rows_of
        self._judge = judge
        self._forget = forget
        self.generation = -1
        """Of the file, when `rows` were counted."""
        self._lock = threading.RLock()
        self.rows: dict[int, Counted] = {}

    def fresh(self) -> None:
        """Count what was written to since. A write that comes meanwhile is seen now or the next time, never missed."""
        with self._lock:
            generation = self._db.generation
            touched = self._db.touched_since(self.generation)
            if touched is None:
                self._all()
            elif touched:
                self._some(sorted(touched))
            self.generation = generation

    def touched_since(self, generation: int) -> frozenset[int] | None:
        """Hosts that may be counted otherwise than at `generation`; None: any of them may be."""
        return self._db.touched_since(generation)

    def _all(self) -> None:
        self._forget(None)
        alike, others = self._sorted_out()
        rows = {row[0]: row for row in alike}
        if others:
            some = None if len(others) > MANY else others
            self._judge(some)
            rows |= {row[0]: row for row in self._joined(some)}
        self.rows = rows

    def _some(self, ids: Sequence[int]) -> None:
        if len(ids) > MANY:
            self._all()
            return
        self._forget(ids)
        self._judge(ids)
        rows = dict(self.rows)
        for row in self._joined(ids):
            rows[row[0]] = row
        self.rows = rows

    def _sorted_out(self) -> tuple[list[Counted], list[int]]:
        """Hosts on which all is right, counted; and the others, which have to be joined row by row.

        Sums of hashes over a host's rows (64 bits, as core.model.digest): where they are equal, so are the rows. A host
        is only taken for right if nothing is owned there beyond what is wanted.
        """
        want, place = self._sheet.want, self._sheet.place
        rows = self._db.rows(
            f"""
            WITH w AS (
                SELECT host_id, sum(hash(res_id, aim)) AS seen, sum(hash(res_id)) AS names FROM {want} GROUP BY host_id
            ), s AS (
                SELECT host_id, sum(hash(res_id, seen_as)) AS seen, epoch(max(valid_from)) AS right_from
                FROM observed WHERE status <> {UNKNOWN} AND seen_as <> 0 GROUP BY host_id
            ), o AS (
                SELECT host_id, sum(hash(res_id)) AS names FROM owned WHERE confirmed GROUP BY host_id
            )
            SELECT p.host_id, w.seen IS NOT DISTINCT FROM s.seen AND (o.names IS NULL OR o.names IS NOT DISTINCT FROM w.names),
                s.right_from, {_BESIDE}
            FROM {place} p LEFT JOIN w USING (host_id) LEFT JOIN s USING (host_id) LEFT JOIN o USING (host_id)
            LEFT JOIN host h USING (host_id)
            """
        )
        alike = [(row[0], 0, 0, 0, 0, None, None, None, *row[2:]) for row in rows if row[1]]
        return alike, [row[0] for row in rows if not row[1]]

    def _joined(self, ids: Sequence[int] | None) -> list[Counted]:
        sql, values = self._rows_of(ids)
        among = "" if ids is None else f"WHERE p.host_id IN ({', '.join(map(str, ids))})"
        return self._db.rows(
            f"""
            WITH one AS ({sql}), counted AS (
                SELECT host_id,
                    count(*) FILTER (what = {FAILED}) AS failed, count(*) FILTER (what = {UNSURE}) AS unsure,
                    count(*) FILTER (what = {DRIFTED}) AS drifted, count(*) FILTER (what = {PENDING}) AS pending,
                    epoch(min(failed_at) FILTER (what = {FAILED})) AS failed_at, epoch(min(valid_from) FILTER (what = {UNSURE})) AS unsure_from,
                    epoch(min(valid_from) FILTER (what = {DRIFTED})) AS drifted_from,
                    epoch(max(valid_from) FILTER (what = {RIGHT})) AS right_from
                FROM one GROUP BY host_id
            )
            SELECT p.host_id, coalesce(c.failed, 0), coalesce(c.unsure, 0), coalesce(c.drifted, 0),
                coalesce(c.pending, 0), c.failed_at, c.unsure_from, c.drifted_from, c.right_from, {_BESIDE}
            FROM {self._sheet.place} p LEFT JOIN counted c USING (host_id) LEFT JOIN host h USING (host_id) {among}
            """,
            values,
        )


__all__ = ["Counting"]
