"""How every host stands against what a commit wants: the counts from which core.verdict judges, in one query.

Each declared resource is one of: right, failed (its last op, for what is wanted now), unknown, drifted (wanted as it was
applied, and otherwise on the host), pending (edited or new in Git). What left Git and is still owned there is pending too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy

from ..core import diff
from ..core.kind import Kinds
from ..core.model import Absent, Hold, Pause, Present, Verdict
from ..core.verdict import HostView, verdict
from ..core.visits import enforced
from . import bodies, troubles
from .db import SHEETS, Db, seconds
from .past import observation
from .sheet import Sheet
from .terms import PRESENT, UNKNOWN

RIGHT, FAILED, UNSURE, DRIFTED, PENDING = 0, 1, 2, 3, 4
VERDICTS = {
    RIGHT: Verdict.CONVERGED,
    FAILED: Verdict.FAILED,
    UNSURE: Verdict.UNKNOWN,
    DRIFTED: Verdict.DRIFTED,
    PENDING: Verdict.PROGRESSING,
}


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


@dataclass(frozen=True, kw_only=True)
class Stand:
    """How the whole fleet stands at one moment."""

    rows: tuple[HostRow, ...]
    views: Mapping[str, HostView]
    hold: Hold | None = None
    """A wave of this commit that failed, and holds those that it did not reach."""

    @property
    def held(self) -> tuple[HostView, ...]:
        """Of the hosts that have something to wait with."""
        return tuple(view for view in self.views.values() if view.held and view.pending and view.paused is None)


RANK = {word: rank for rank, word in enumerate(Verdict)}


class View:
    """Queries over one sheet."""

    def __init__(self, db: Db, kinds: Kinds, sheet: Sheet) -> None:
        self.db = db
        self.kinds = kinds
        self.sheet = sheet
        self._eyes = bodies.Eyes(kinds)
        self._alike = self._looked_through()
        self._count: tuple[int, list[tuple[Any, ...]]] | None = None

    # ---- what the filter alone can't tell

    def _looked_through(self) -> str:
        """A table of (res_id, state, aim) that are right although the last look saw them under another manifest."""
        sheet = self.sheet
        rows = self.db.rows(
            f"SELECT w.res_id, s.state, w.aim, min(w.host_id), min(w.spread) FROM {sheet.want} w "
            f"JOIN observed s ON s.host_id = w.host_id AND s.res_id = w.res_id "
            f"WHERE s.status = {PRESENT} AND s.seen_as <> w.aim GROUP BY ALL LIMIT 20000"
        )
        texts = bodies.read(self.db, (row[1] for row in rows))
        right = []
        for res_id, state, wanted, host_id, spread in rows:
            resource = sheet.resource(spread, sheet.host_names[host_id])
            if (
                state in texts
                and self._eyes.seen_as(resource.key.kind, resource.meaning, state, texts[state]) == wanted
            ):
                right.append((res_id, state, wanted))
        name = f"{sheet.want.replace('want', 'alike')}_{id(self) % 10**9}"
        columns = {
            "res_id": numpy.array([row[0] for row in right], dtype="int32"),
            "state": numpy.array([row[1] for row in right], dtype="uint64"),
            "aim": numpy.array([row[2] for row in right], dtype="uint64"),
        }
        with troubles.told(self.db.path), self.db.cursor() as cursor:
            cursor.register("alike", columns)
            cursor.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM alike")
        return name

    def drop(self) -> None:
        with troubles.told(self.db.path), self.db.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {self._alike}")

    # ---- rows: one a resource

    def resources(self, where: str = "true", only: Sequence[int] | None = None) -> str:
        """SQL of one row a resource of a host in the inventory: host_id, res_id, what, spread (NULL: left Git), status,
        state, why, valid_from, failed_at, failed_why, tries, until, origin, applied_at, applied_commit. `where` may
        use w.host_id and w.res_id; `only` these hosts are read at all. Parameters: $commit, $kept (kinds whose things are released by default)."""
        sheet = self.sheet
        alike = (
            f"EXISTS (SELECT 1 FROM {self._alike} x WHERE x.res_id = w.res_id AND x.state = s.state AND x.aim = w.aim)"
        )
        # Without a row in it the EXISTS would still cost a join of everything.
        if not self.db.rows(f"SELECT count(*) FROM {self._alike}")[0][0]:
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
        views = self._views(asked)
        rows = []
        for host, (host_id, view, since, commit) in views.items():
            word, why = verdict(view)
            rows.append(HostRow(host, host_id, word, why, since_of(word, view, since), view.seen_at, commit))
        rows.sort(key=lambda row: (RANK[row.verdict], row.host))
        hold = asked.held[0] if asked.held else None
        return Stand(rows=tuple(rows), views={host: found[1] for host, found in views.items()}, hold=hold)

    def _views(self, asked: Asked) -> dict[str, tuple[int, HostView, tuple[float | None, ...], str]]:
        sql = f"""
            WITH one AS ({self.resources()}), counted AS (
                SELECT host_id,
                    count(*) FILTER (what = {FAILED}) AS failed, count(*) FILTER (what = {UNSURE}) AS unsure,
                    count(*) FILTER (what = {DRIFTED}) AS drifted, count(*) FILTER (what = {PENDING}) AS pending,
                    epoch(min(failed_at)) AS failed_at, epoch(min(valid_from) FILTER (what = {UNSURE})) AS unsure_from,
                    epoch(min(valid_from) FILTER (what = {DRIFTED})) AS drifted_from,
                    epoch(max(valid_from) FILTER (what = {RIGHT})) AS right_from
                FROM one GROUP BY host_id
            )
            SELECT p.host_id, p.name, coalesce(c.failed, 0), coalesce(c.unsure, 0), coalesce(c.drifted, 0),
                coalesce(c.pending, 0), c.failed_at, c.unsure_from, c.drifted_from, c.right_from,
                epoch(h.seen_at), coalesce(h.trouble, ''), coalesce(h.trouble_code, ''), epoch(h.trouble_since),
                coalesce(h.on_commit, '')
            FROM {self.sheet.place} p LEFT JOIN counted c USING (host_id) LEFT JOIN host h USING (host_id)
        """
        found = {}
        desired = self.sheet.desired
        for row in self._counted(sql):
            host_id, host, failed, unsure, drifted, pending, *times, seen_at, trouble, code, since, commit = row
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
                enforced=enforced(desired, host),
            )
            if trouble:
                # What Git has wanted since then says nothing of how it was.
                before = replace(
                    view, trouble="", trouble_code="", running=False, paused=None, pending=0, now=seen_at or asked.now
                )
                view = replace(view, was=verdict(before)[0].value if seen_at is not None else "")
            found[host] = (host_id, view, tuple(times), commit)
        return found

    def _counted(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of the counting query, which only a write can change: time alone is judged anew without it."""
        generation = self.db.generation
        if self._count is None or self._count[0] != generation:
            self._count = (generation, self.db.rows(sql, self.values))
        return self._count[1]

    def explain(self, stand: Stand, rows: Sequence[HostRow]) -> list[HostRow]:
        """`rows` with the whole of their `why`: which resource, which fields. For the rows of one page."""
        wanted = {row.host_id for row in rows if row.verdict is not Verdict.CONVERGED}
        first = self._first(wanted) if wanted else {}
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


__all__ = [
    "DRIFTED",
    "FAILED",
    "PENDING",
    "RIGHT",
    "SHEETS",
    "UNSURE",
    "VERDICTS",
    "Asked",
    "HostRow",
    "View",
    "since_of",
]
