"""Visits' reports → the file: readings with their history, ownership as hosts tell it, outcomes, troubles, facts.

Many reports go in one transaction: one a host costs 4 ms each, one for a sweep of 10,000 hosts costs no more than its
rows. A reading that says what was known already writes nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from ..core.model import Absent, Desired, Key, Present, Reading, Ref, Unknown, canonical
from .arrays import numpy
from .bodies import Bodies, Eyes, aim
from .db import moments, words
from .momentary import Momentary, of, split
from .names import Names
from .outcomes import write_outcomes
from .owning import hosts_say
from .terms import ABSENT, PRESENT, SAID, UNKNOWN, Taken

GAP = 3.0
"""Looks further apart than this many times `observeEvery` leave a gap in what a host's page draws."""


def take(
    con: duckdb.DuckDBPyConnection,
    names: Names,
    eyes: Eyes,
    taken: Sequence[Taken],
    counted: Callable[[Desired, str], int],
) -> None:
    """Write `taken` within the caller's transaction; at most one report a host. `counted` says how many resources a
    commit declares for a host: a look that read fewer is not a look at the whole host."""
    for desired in {id(item.desired): item.desired for item in taken}.values():
        if names.missing(desired):
            names.learn(con, desired.hosts, (Ref(s.manifest.kind, s.manifest.name) for s in desired.spreads))
    names.learn(con, (item.report.host for item in taken), _refs(taken))
    bodies = Bodies()
    readings = _readings(names, eyes, taken, bodies)
    _write_readings(con, readings, bodies)
    readings.momentary.write(con)
    _write_hosts(con, names, taken, readings, counted)
    hosts_say(con, names, taken, bodies)
    write_outcomes(con, names, taken)


def _refs(taken: Sequence[Taken]) -> Iterable[Ref]:
    for item in taken:
        for reading in item.report.readings:
            yield reading.key.ref
        for outcome in item.report.outcomes:
            yield outcome.key.ref
        for mine in item.report.owned or ():
            yield mine.key.ref


# ---------------------------------------------------------------- readings


@dataclass
class _Readings:
    host_id: list[int] = field(default_factory=list)
    res_id: list[int] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    state: list[int] = field(default_factory=list)
    seen_as: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    momentary: Momentary = field(default_factory=Momentary)
    declared: dict[str, int] = field(default_factory=dict)
    """Host → how many of its readings are of declared resources."""
    wrong: dict[str, int] = field(default_factory=dict)
    """Host → how many of those are not as declared, or Unknown."""


def _readings(names: Names, eyes: Eyes, taken: Sequence[Taken], bodies: Bodies) -> _Readings:
    made = _Readings()
    for item in taken:
        newest: dict[Key, Reading] = {}
        for reading in item.report.readings:
            if reading.key.host == item.report.host:  # a host speaks for itself alone
                newest[reading.key] = reading
        for key, reading in newest.items():
            _add(made, names, eyes, item, key, reading, bodies)
    return made


def _add(made: _Readings, names: Names, eyes: Eyes, item: Taken, key: Key, reading: Reading, bodies: Bodies) -> None:
    resource = item.desired.get(key)
    want = resource.meaning if resource else None
    status, state, seen_as, why, right, passing = UNKNOWN, 0, 0, "", -1, ""
    match reading.seen:
        case Present(body):
            body, passing = split(eyes.kinds, key.kind, body)
            status = PRESENT
            state = bodies.put(dict(body))
            if want is not None:
                seen_as = eyes.seen_as(key.kind, want, state, body)
        case Absent():
            status = ABSENT
            if want is not None and eyes.absence_is_right(key.kind, want):
                seen_as = aim(want)
        case Unknown(said):
            why = said[:SAID] or "the probe gave no reason"
    if status != UNKNOWN and of(eyes.kinds, key.kind):  # nobody knows: what was read last goes on being that
        made.momentary.add(names.hosts[key.host], names.refs[key.ref], _at(item, reading.at), passing)
    if want is not None and status != UNKNOWN:
        right = int(seen_as == aim(want))
    made.host_id.append(names.hosts[key.host])
    made.res_id.append(names.refs[key.ref])
    made.status.append(status)
    made.state.append(state)
    made.seen_as.append(seen_as)
    made.right.append(right)
    made.why.append(why)
    made.at.append(_at(item, reading.at))
    if want is not None:
        made.declared[key.host] = made.declared.get(key.host, 0) + 1
        if right != 1:
            made.wrong[key.host] = made.wrong.get(key.host, 0) + 1


def _at(item: Taken, at: float) -> float:
    """When a reading was taken, by the controller's clock: a host's own may be years off."""
    begun, ended = item.report.started or item.now, item.report.ended or item.now
    return at if begun <= at <= ended else min(ended, item.now)


def _write_readings(con: duckdb.DuckDBPyConnection, made: _Readings, bodies: Bodies) -> None:
    if not made.host_id:
        return
    fresh = {
        "host_id": numpy.array(made.host_id, dtype="int32"),
        "res_id": numpy.array(made.res_id, dtype="int32"),
        "status": numpy.array(made.status, dtype="uint8"),
        "state": numpy.array(made.state, dtype="uint64"),
        "seen_as": numpy.array(made.seen_as, dtype="uint64"),
        "right_then": numpy.array(made.right, dtype="int8"),
        "why": words(made.why),
        "read_at": moments(made.at),
    }
    con.register("fresh_readings", fresh)
    # What is new or other than before. NULL (never declared) is a value of its own here.
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE moved AS
        SELECT f.host_id, f.res_id, f.status, f.state, f.seen_as, CASE WHEN f.right_then < 0 THEN NULL
               ELSE f.right_then = 1 END AS right_then, f.why, greatest(f.read_at, o.valid_from) AS read_at,
               o.host_id IS NOT NULL AS known,
               o.host_id IS NULL OR o.status <> f.status OR o.state <> f.state OR o.why <> f.why
               OR o.right_then IS DISTINCT FROM (CASE WHEN f.right_then < 0 THEN NULL ELSE f.right_then = 1 END) AS other
        FROM fresh_readings f LEFT JOIN observed o ON o.host_id = f.host_id AND o.res_id = f.res_id
        WHERE other OR o.seen_as <> f.seen_as
        """
    )
    con.unregister("fresh_readings")
    found = con.execute(
        "SELECT count(*), count(*) FILTER (known AND other), count(*) FILTER (NOT other) FROM moved"
    ).fetchall()  # all of it: a result that isn't read to its end blocks the connection
    moved, replaced, only_eyes = found[0]
    if only_eyes:  # the same state under an edited manifest: no history, nothing on the host changed
        con.execute(
            "UPDATE observed SET seen_as = m.seen_as FROM moved m "
            "WHERE NOT m.other AND m.host_id = observed.host_id AND m.res_id = observed.res_id"
        )
    if replaced:
        con.execute(
            """
            INSERT INTO observed_past
            SELECT o.host_id, o.res_id, o.status, o.state, o.right_then, o.why, o.valid_from, m.read_at
            FROM observed o JOIN moved m ON m.host_id = o.host_id AND m.res_id = o.res_id
            WHERE m.other AND m.known AND m.read_at > o.valid_from
            """
        )
        con.execute(
            "DELETE FROM observed USING moved m "
            "WHERE m.other AND m.host_id = observed.host_id AND m.res_id = observed.res_id"
        )
    if moved > only_eyes:
        con.execute(
            "INSERT INTO observed SELECT host_id, res_id, status, state, seen_as, right_then, why, read_at FROM moved WHERE other"
        )
        states = con.execute("SELECT DISTINCT state FROM moved WHERE other AND state <> 0").fetchall()
        bodies.write(con, [row[0] for row in states])


# ---------------------------------------------------------------- hosts


def _write_hosts(
    con: duckdb.DuckDBPyConnection,
    names: Names,
    taken: Sequence[Taken],
    readings: _Readings,
    counted: Callable[[Desired, str], int],
) -> None:
    rows: dict[str, list[Any]] = {
        name: [] for name in ("host_id", "at", "code", "why", "next", "whole", "machine", "commit_id", "facts", "gap")
    }
    for item in taken:
        report, trouble = item.report, item.report.trouble
        declared = readings.declared.get(report.host, 0)
        whole = trouble is None and declared >= counted(item.desired, report.host)
        right = whole and not readings.wrong.get(report.host)
        rows["host_id"].append(names.hosts[report.host])
        rows["at"].append(report.ended or item.now)
        rows["code"].append(trouble.code if trouble else "")
        rows["why"].append(trouble.why[:SAID] if trouble else "")
        rows["next"].append(trouble.next_step[:SAID] if trouble else "")
        rows["whole"].append(whole)
        rows["machine"].append(report.machine_id if trouble is None else "")
        rows["commit_id"].append(item.desired.commit.id if right else "")
        rows["facts"].append(canonical(dict(report.facts)) if report.facts else "")
        rows["gap"].append(GAP * item.desired.policy.observe_every)
    fresh: dict[str, Any] = {
        "host_id": numpy.array(rows["host_id"], dtype="int32"),
        "ended": moments(rows["at"]),
        "whole": numpy.array(rows["whole"], dtype="bool"),
        "gap": numpy.array(rows["gap"], dtype="float64"),
    }
    fresh |= {name: words(rows[name]) for name in ("code", "why", "next", "machine", "commit_id", "facts")}
    con.register("fresh_hosts", fresh)
    con.execute(
        """
        INSERT INTO trouble
        SELECT h.host_id, h.trouble_code, h.trouble, h.trouble_since, f.ended
        FROM host h JOIN fresh_hosts f USING (host_id)
        WHERE h.trouble <> '' AND h.trouble_code <> f.code AND f.ended > h.trouble_since
        """
    )
    con.execute(
        """
        INSERT INTO watched
        SELECT h.host_id, h.watched_from, h.seen_at
        FROM host h JOIN fresh_hosts f USING (host_id)
        WHERE f.whole AND h.seen_at IS NOT NULL AND epoch(f.ended) - epoch(h.seen_at) > f.gap
        """
    )
    con.execute(
        """
        UPDATE host SET
            watched_from = CASE WHEN NOT f.whole THEN host.watched_from
                WHEN host.seen_at IS NULL OR epoch(f.ended) - epoch(host.seen_at) > f.gap THEN f.ended ELSE host.watched_from END,
            seen_at = CASE WHEN f.whole THEN greatest(coalesce(host.seen_at, f.ended), f.ended) ELSE host.seen_at END,
            tried_at = f.ended, trouble = f.why, trouble_next = f.next,
            trouble_since = CASE WHEN f.code = '' THEN NULL
                WHEN host.trouble_code = f.code THEN coalesce(host.trouble_since, f.ended) ELSE f.ended END,
            trouble_code = f.code,
            machine_id = CASE WHEN f.machine <> '' THEN f.machine ELSE host.machine_id END,
            on_commit = CASE WHEN f.commit_id <> '' THEN f.commit_id ELSE host.on_commit END,
            facts_at = CASE WHEN f.facts <> '' THEN f.ended ELSE host.facts_at END,
            facts = CASE WHEN f.facts <> '' THEN f.facts ELSE host.facts END
        FROM fresh_hosts f WHERE f.host_id = host.host_id
        """
    )
    con.unregister("fresh_hosts")
