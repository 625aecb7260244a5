"""What became of changes, and how long a failed one waits before it is tried again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from ..clock import moment
from ..core.model import Outcome, Result
from .arrays import numpy
from .db import moments, number, words
from .names import Names
from .terms import SAID, Taken


def write_outcomes(con: duckdb.DuckDBPyConnection, names: Names, taken: Sequence[Taken]) -> None:
    rows = [
        (item, outcome) for item in taken for outcome in item.report.outcomes if outcome.key.host == item.report.host
    ]
    if not rows:
        return
    fresh: dict[str, Any] = {
        "round_id": numpy.array([item.round_id for item, _ in rows], dtype="int32"),
        "host_id": numpy.array([names.hosts[outcome.key.host] for _, outcome in rows], dtype="int32"),
        "res_id": numpy.array([names.refs[outcome.key.ref] for _, outcome in rows], dtype="int32"),
        "result": words([outcome.result.value for _, outcome in rows]),
        "message": words([outcome.message[:SAID] for _, outcome in rows]),
        "op": words([outcome.op[:SAID] for _, outcome in rows]),
        "changed": numpy.array([outcome.changed for _, outcome in rows], dtype="bool"),
        "seconds": numpy.array([outcome.seconds for _, outcome in rows], dtype="float64"),
        "ended_at": moments([item.report.ended or item.now for item, _ in rows]),
    }
    con.register("fresh_outcomes", fresh)
    con.execute(
        "INSERT INTO outcome SELECT round_id, host_id, res_id, result, message, op, changed, seconds, ended_at "
        "FROM fresh_outcomes"
    )
    con.unregister("fresh_outcomes")
    _back_off(con, names, rows)


WAITS = (60.0, 300.0, 1800.0)
"""Seconds before a failed change is tried again: after the first, second, and every further failure."""


def _back_off(con: duckdb.DuckDBPyConnection, names: Names, rows: Sequence[tuple[Taken, Outcome]]) -> None:
    for item, outcome in rows:
        if outcome.result not in (Result.OK, Result.FAILED):
            continue
        place = [names.hosts[outcome.key.host], names.refs[outcome.key.ref]]
        resource = item.desired.get(outcome.key)
        wanted = number(resource.meaning.digest) if resource else 0
        before = con.execute(
            "SELECT tries, failed_at FROM backoff WHERE host_id = ? AND res_id = ? AND digest = ? AND commit_id = ?",
            [*place, wanted, item.desired.commit.id],
        ).fetchall()
        con.execute("DELETE FROM backoff WHERE host_id = ? AND res_id = ?", place)
        if outcome.result is Result.FAILED:
            at = item.report.ended or item.now
            tries = (before[0][0] if before else 0) + 1
            until = at + WAITS[min(tries, len(WAITS)) - 1]
            why = outcome.message[:SAID] or outcome.op[:SAID] or "failed"
            con.execute(
                "INSERT INTO backoff VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    *place,
                    wanted,
                    item.desired.commit.id,
                    tries,
                    before[0][1] if before else moment(at),
                    moment(until),
                    why,
                ],
            )
