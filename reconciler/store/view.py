"""How every host stands against what a commit wants: the counts from which core.verdict judges, in one query.

Each declared resource is one of: right, failed (its last op, for what is wanted now), unknown, drifted (wanted as it was
applied, and otherwise on the host), pending (edited or new in Git). What left Git and is still owned there is pending too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..core import diff
from ..core.kind import Kinds
from ..core.model import Absent, Present, Verdict
from ..core.verdict import verdict
from . import bodies, troubles
from .arrays import numpy
from .counting import Counting
from .db import SHEETS, Db, seconds
from .past import observation
from .sheet import Sheet
from .standing import Asked, HostRow, Stand, Standing
from .terms import DRIFTED, FAILED, PENDING, PRESENT, RIGHT, UNKNOWN, UNSURE, VERDICTS

WORDS = 5000
"""Hosts of which the words are kept."""


class View:
    """Queries over one sheet."""

    def __init__(self, db: Db, kinds: Kinds, sheet: Sheet) -> None:
        self.db = db
        self.kinds = kinds
        self.sheet = sheet
        self._eyes = bodies.Eyes(kinds)
        self._alike = f"{SHEETS}.alike_{id(self)}"
        self._judged: dict[tuple[int, int, int], bool] = {}
        self._any_alike = False
        with troubles.told(db.path), db.cursor() as cursor:
            cursor.execute(f"CREATE OR REPLACE TABLE {self._alike} (res_id INTEGER, state UBIGINT, aim UBIGINT)")
        self._words: dict[int, dict[int, str]] = {}
        """What is wrong on a host, in words, until a write is about it."""
        self._counting = Counting(
            db, sheet, lambda ids: (self._resources(only=ids), self.values), self._judge, self._forget
        )
        self._standing = Standing(sheet, self._counting)

    # ---- what the filter alone can't tell

    def _forget(self, only: Sequence[int] | None) -> None:
        gone = set(only or ())
        self._words = {} if only is None else {one: words for one, words in self._words.items() if one not in gone}

    def _judge(self, only: Sequence[int] | None) -> None:
        """Find (res_id, state, aim) that are right although the last look saw them under another manifest."""
        sheet = self.sheet
        among = "" if only is None else f"AND w.host_id IN ({', '.join(map(str, only)) or 'NULL'})"
        rows = self.db.rows(
            f"SELECT w.res_id, s.state, w.aim, min(w.host_id), min(w.spread) FROM {sheet.want} w "
            f"JOIN observed s ON s.host_id = w.host_id AND s.res_id = w.res_id "
            f"WHERE s.status = {PRESENT} AND s.seen_as <> w.aim {among} GROUP BY ALL LIMIT 20000"
        )
        fresh = [row for row in rows if row[:3] not in self._judged]
        texts = bodies.read(self.db, (row[1] for row in fresh))
        right = []
        for res_id, state, wanted, host_id, spread in fresh:
            resource = sheet.resource(spread, sheet.host_names[host_id])
            if state not in texts:
                continue
            seen = self._eyes.seen_as(resource.key.kind, resource.meaning, state, texts[state])
            self._judged[res_id, state, wanted] = seen == wanted
            if seen == wanted:
                right.append((res_id, state, wanted))
        if not right:
            return
        columns = {
            "res_id": numpy.array([row[0] for row in right], dtype="int32"),
            "state": numpy.array([row[1] for row in right], dtype="uint64"),
            "aim": numpy.array([row[2] for row in right], dtype="uint64"),
        }
        with troubles.told(self.db.path), self.db.cursor() as cursor:
            cursor.register("alike", columns)
            cursor.execute(f"INSERT INTO {self._alike} SELECT * FROM alike")
        self._any_alike = True

    def drop(self) -> None:
        with troubles.told(self.db.path), self.db.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {self._alike}")

    # ---- rows: one a resource

    def resources(self, where: str = "true", only: Sequence[int] | None = None) -> str:
        """SQL of one row a resource of a host in the inventory: host_id, res_id, what, spread (NULL: left Git), status,
        state, why, valid_from, failed_at, failed_why, tries, until, origin, applied_at, applied_commit. `where` may
        use w.host_id and w.res_id; `only` these hosts are read at all. Parameters: $commit, $kept (kinds whose things are released by default)."""
        self._counting.fresh()  # also finds what is alike
        return self._resources(where, only)

    def unlike(self) -> list[int]:
        """The hosts on which anything is not right, by number."""
        self._counting.fresh()
        return [host_id for host_id, *counts in self._counting.rows.values() if any(counts[:4])]

    def _resources(self, where: str = "true", only: Sequence[int] | None = None) -> str:
        sheet = self.sheet
        alike = (
            f"EXISTS (SELECT 1 FROM {self._alike} x WHERE x.res_id = w.res_id AND x.state = s.state AND x.aim = w.aim)"
        )
        # Without a row in it the EXISTS would still cost a join of everything.
        if not self._any_alike:
            alike = "false"
        # Said of every table by itself: a join would read all of them for a handful of hosts.
        among = "" if only is None else f"WHERE host_id IN ({', '.join(str(int(one)) for one in only) or 'NULL'})"
        want, observed, owned = (f"(SELECT * FROM {table} {among})" for table in (sheet.want, "observed", "owned"))
        return f"""
            SELECT w.host_id, w.res_id,
                CASE WHEN s.status IS NOT NULL AND s.status <> {UNKNOWN} AND (s.seen_as = w.aim OR {alike}) THEN {RIGHT}
                     WHEN b.host_id IS NOT NULL THEN {FAILED}
                     WHEN s.status IS NULL OR s.status = {UNKNOWN} THEN {UNSURE}
                     WHEN o.digest = w.digest THEN {DRIFTED} ELSE {PENDING} END AS what,
                w.spread, s.status, s.state, s.why, s.valid_from, b.failed_at, b.why AS failed_why, b.tries, b.until,
                o.origin, o.applied_at, o.commit_id AS applied_commit
            FROM {want} w
            LEFT JOIN {observed} s ON s.host_id = w.host_id AND s.res_id = w.res_id
            LEFT JOIN {owned} o ON o.host_id = w.host_id AND o.res_id = w.res_id AND o.confirmed
            LEFT JOIN backoff b ON b.host_id = w.host_id AND b.res_id = w.res_id AND b.digest = w.digest
                AND b.commit_id = $commit
            WHERE {where}
            UNION ALL
            SELECT w.host_id, w.res_id, CASE WHEN b.host_id IS NOT NULL THEN {FAILED} ELSE {PENDING} END, NULL,
                s.status, s.state, s.why, s.valid_from, b.failed_at, b.why, b.tries, b.until,
                w.origin, w.applied_at, w.commit_id
            FROM {owned} w
            JOIN {sheet.place} p ON p.host_id = w.host_id
            JOIN resource r ON r.res_id = w.res_id
            JOIN {observed} s ON s.host_id = w.host_id AND s.res_id = w.res_id AND s.status = {PRESENT}
            ANTI JOIN {want} d ON d.host_id = w.host_id AND d.res_id = w.res_id
            LEFT JOIN backoff b ON b.host_id = w.host_id AND b.res_id = w.res_id AND b.digest = 0 AND b.commit_id = $commit
            WHERE w.confirmed AND w.on_remove <> '{diff.RELEASE}'
                AND NOT (w.on_remove = '' AND (w.origin = 'found' OR list_contains($kept, r.kind))) AND {where}
        """

    @property
    def values(self) -> dict[str, object]:
        """The parameters that `resources` needs."""
        kept = [name for name, kind in self.kinds.by_name.items() if kind.default_on_remove == diff.RELEASE]
        return {"commit": self.sheet.desired.commit.id, "kept": kept or [""]}

    # ---- hosts

    def stand(self, asked: Asked) -> Stand:
        """Every host of the inventory, worst first, then by name. `why` is short of the details that `explain` adds."""
        return self._standing.at(asked)

    def explain(self, stand: Stand, rows: Sequence[HostRow]) -> list[HostRow]:
        """`rows` with the whole of their `why`: which resource, which fields. For the rows of one page."""
        self._counting.fresh()
        wanted = {row.host_id for row in rows if row.verdict is not Verdict.CONVERGED}
        kept = self._words
        missing = wanted - kept.keys()
        first = kept | {one: {} for one in missing} | self._first(missing) if missing else kept
        if missing and self._words is kept:  # else a write was about some of them meanwhile
            self._words = dict(list(first.items())[-WORDS:])
        made = []
        for row in rows:
            words = first.get(row.host_id, {})
            view = replace(
                stand.views[row.host],
                failed_why=words.get(FAILED, ""),
                drifted_why=words.get(DRIFTED, ""),
                unknown_why=words.get(UNSURE, ""),
            )
            word, why = verdict(view)
            if word is Verdict.PROGRESSING and not view.running and not view.held and words.get(PENDING):
                why = words[PENDING]
            made.append(replace(row, why=why) if word is row.verdict else row)
        return made

    def _first(self, host_ids: Iterable[int]) -> dict[int, dict[int, str]]:
        """host_id → what → words for the first such resource, and how many more there are."""
        ids = sorted(host_ids)
        rows = self.db.rows(
            f"SELECT host_id, what, arg_min(res_id, res_id), count(*) FROM ({self.resources(only=ids)}) "
            f"WHERE what <> {RIGHT} GROUP BY host_id, what",
            self.values,
        )
        pairs = {(host_id, res_id): (what, count) for host_id, what, res_id, count in rows}
        found: dict[int, dict[int, str]] = {}
        for one in self.details(list(pairs)):
            what, count = pairs[one["host_id"], one["res_id"]]
            more = f", and {count - 1} more" if count > 1 else ""
            found.setdefault(one["host_id"], {})[what] = self._sentence(one) + more
        return found

    def _sentence(self, one: Mapping[str, Any]) -> str:
        what = f"{one['kind']} {one['name']}"
        match one["what"]:
            case 1:
                return f"{what}: {one['failed_why']}"
            case 2:
                return f"{what}: {one['why'] or 'never looked at'}"
            case 3:
                return f"{what} {', '.join(item.path for item in one['fields']) or 'differs'}, by hand"
        if one["spread"] is None:
            return f"{what} to be removed"
        if one["origin"] is None:
            return f"{what} to be made"
        return f"{what} {', '.join(item.path for item in one['fields'])} to be changed"

    def details(self, pairs: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
        """Whole rows of these (host_id, res_id): the columns of `resources`, kind, name, host, resource (None: left Git),
        seen, and `fields`, what differs by core.diff."""
        if not pairs:
            return []
        asked = {
            "host_id": numpy.array([host for host, _ in pairs], dtype="int32"),
            "res_id": numpy.array([ref for _, ref in pairs], dtype="int32"),
        }
        where = "list_contains($refs, w.res_id)"
        values = {**self.values, "refs": sorted({r for _, r in pairs})}
        hosts = sorted({h for h, _ in pairs})
        with troubles.told(self.db.path), self.db.cursor() as cursor:
            cursor.register("asked", asked)
            cursor.execute(
                f"SELECT one.*, r.kind, r.name FROM ({self.resources(where, hosts)}) one "
                "SEMI JOIN asked a ON a.host_id = one.host_id AND a.res_id = one.res_id "
                "LEFT JOIN resource r ON r.res_id = one.res_id",
                values,
            )
            names = [column[0] for column in cursor.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        texts = bodies.read(self.db, (row["state"] for row in rows if row["state"]))
        for row in rows:
            self._complete(row, texts)
        return sorted(rows, key=lambda row: (row["host"], row["kind"], row["name"]))

    def _complete(self, row: dict[str, Any], texts: Mapping[int, Any]) -> None:
        sheet = self.sheet
        row["host"] = sheet.host_names[row["host_id"]]
        row["resource"] = resource = None if row["spread"] is None else sheet.resource(row["spread"], row["host"])
        if resource is not None:
            row["kind"], row["name"] = resource.key.kind, resource.key.name
        row["seen"] = observation(row["status"], row["state"], row["why"], texts)
        row["fields"] = ()
        if resource is not None and row["kind"] in self.kinds and isinstance(row["seen"], (Present, Absent)):
            row["fields"] = diff.fields(self.kinds[row["kind"]], resource.meaning, row["seen"])
        for name in ("valid_from", "failed_at", "until", "applied_at"):
            row[name] = seconds(row[name])


__all__ = ["DRIFTED", "FAILED", "PENDING", "RIGHT", "UNSURE", "VERDICTS", "Asked", "HostRow", "Stand", "View"]
