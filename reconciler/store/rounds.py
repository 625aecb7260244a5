"""The journal: rounds and their plans, written down before the first trip; commits that were read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import duckdb

from ..clock import moment
from ..core.kind import Kinds
from ..core.model import Change, Commit, Json, Plan, canonical
from ..core.plan import masked, summary
from ..core.problem import Problem
from .arrays import numpy
from .bodies import Bodies
from .db import Db, number, words
from .names import Names


def open_round(db: Db, names: Names, kinds: Kinds, plan: Plan, now: float) -> int:
    """Write the plan down, and that its round has begun; gives the round's number."""
    with db.writing(set()) as con:
        round_id = int(con.execute("SELECT coalesce(max(round_id), 0) + 1 FROM round").fetchall()[0][0])
        names.learn(con, {change.key.host for change in plan.changes}, {change.key.ref for change in plan.changes})
        con.execute(
            "INSERT INTO round VALUES (?, ?, ?, ?, NULL, '', ?, ?, ?)",
            [round_id, plan.id, plan.commit.id, moment(now), len(plan.waves), canonical(summary(plan)), _guards(plan)],
        )
        if plan.changes:
            _write_changes(con, names, kinds, plan.changes, round_id)
        return round_id


def _guards(plan: Plan) -> str:
    return canonical(
        [
            {
                "rule": hit.rule,
                "scope": hit.scope,
                "count": hit.count,
                "total": hit.total,
                "limit": hit.limit,
                "message": hit.message,
                "approvedBy": hit.approved_by,
            }
            for hit in plan.guards
        ]
    )


def masked_fields(kinds: Kinds, change: Change) -> list[list[Json]]:
    """[[path, before, after], …] fit to be kept: what is secret shows only that it differs."""
    sealed = kinds[change.key.kind].sealed if change.key.kind in kinds else ()
    return [
        [item.path, masked(item.before, item.path in sealed), masked(item.after, item.path in sealed)]
        for item in change.fields
    ]


def _write_changes(
    con: duckdb.DuckDBPyConnection, names: Names, kinds: Kinds, changes: Sequence[Change], round_id: int
) -> None:
    bodies = Bodies()
    count = len(changes)
    fresh: dict[str, Any] = {
        "round_id": numpy.full(count, round_id, dtype="int32"),
        "host_id": numpy.array([names.hosts[change.key.host] for change in changes], dtype="int32"),
        "res_id": numpy.array([names.refs[change.key.ref] for change in changes], dtype="int32"),
        "action": words([change.action.value for change in changes]),
        "reason": words([change.reason.value for change in changes]),
        "drifted": numpy.array([change.drifted for change in changes], dtype="bool"),
        "wave": numpy.array([change.wave for change in changes], dtype="int32"),
        "want": numpy.array([number(change.want.digest) if change.want else 0 for change in changes], dtype="uint64"),
        "fields": numpy.array([bodies.put(masked_fields(kinds, change)) for change in changes], dtype="uint64"),
        "on_remove": words([change.on_remove for change in changes]),
        "path": words([change.source.path for change in changes]),
        "line": numpy.array([change.source.line for change in changes], dtype="int32"),
        "commit_id": words([change.source.commit for change in changes]),
    }
    notes = _notes(kinds, changes, fresh["fields"].tolist(), bodies)
    fresh["notes"] = numpy.ma.masked_equal(numpy.array(notes, dtype="uint64"), 0)
    con.register("fresh_changes", fresh)
    con.execute("INSERT INTO change SELECT * FROM fresh_changes")
    con.unregister("fresh_changes")
    bodies.write(con)


def _notes(kinds: Kinds, changes: Sequence[Change], fields: Sequence[int], bodies: Bodies) -> list[int]:
    """What their kinds say of the changes, 0 where that is nothing; asked once for those that are alike."""
    known: dict[tuple[str, str, int, str, str], int] = {}
    made = []
    for change, differs in zip(changes, fields, strict=True):
        want, owned = change.want.digest if change.want else "", change.owned.digest if change.owned else ""
        alike = (change.key.kind, change.key.name, differs, want, owned)
        if alike not in known:
            said = kinds[change.key.kind].notes(change) if change.key.kind in kinds else ()
            known[alike] = bodies.put(list(said)) if said else 0
        made.append(known[alike])
    return made


def close_round(db: Db, round_id: int, outcome: str, now: float) -> None:
    """The round is over, `outcome` says how. Closing a closed one changes nothing."""
    with db.writing(set()) as con:
        con.execute(
            "UPDATE round SET closed_at = ?, outcome = ? WHERE round_id = ? AND closed_at IS NULL",
            [moment(now), outcome, round_id],
        )


def unfinished(db: Db, names: Names) -> tuple[str, tuple[str, ...]] | None:
    """The newest round that was opened and not closed, and the hosts of its changes; None when all are closed."""
    rows = db.rows("SELECT max(round_id) FROM round WHERE closed_at IS NULL")
    if rows[0][0] is None:
        return None
    touched = db.rows("SELECT DISTINCT host_id FROM change WHERE round_id = ?", [rows[0][0]])
    return str(rows[0][0]), tuple(sorted(names.host(row[0]) for row in touched))


def holding(
    db: Db, commit: Commit, desired_id: str, problems: Sequence[Problem], now: float, *, runs: bool = True
) -> None:
    """Remember that `commit` was read. Held when it has no errors and no guard stops its plan (`runs`); then what
    waited under another commit waits no more."""
    errors = any(problem.severity == "error" for problem in problems)
    standing = "refused" if errors else "held" if runs else "stopped"
    with db.writing(set()) as con:
        con.execute("DELETE FROM commit_read WHERE commit_id = ?", [commit.id])
        con.execute(
            "INSERT INTO commit_read VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                commit.id,
                _clean(commit.author),
                _clean(commit.subject),
                moment(commit.at),
                commit.tree,
                "" if errors else desired_id,
                standing,
                _clean(canonical([{**problem.json(), "who": problem.who} for problem in problems])),
                moment(now),
            ],
        )
        if standing == "held":
            con.execute("DELETE FROM backoff WHERE commit_id <> ?", [commit.id])


def held(db: Db) -> str:
    """The newest commit that was read and found valid; empty before the first."""
    rows = db.rows("SELECT commit_id FROM commit_read WHERE standing = 'held' ORDER BY read_at DESC, commit_id LIMIT 1")
    return str(rows[0][0]) if rows else ""


def problems_of(db: Db, commit: str) -> list[dict[str, Json]]:
    """The problems that were found when `commit` was read last."""
    rows = db.rows("SELECT problems FROM commit_read WHERE commit_id = ?", [commit])
    return list(json.loads(rows[0][0])) if rows else []


def _clean(words_: str) -> str:
    """Text of commits may hold what UTF-8 can't."""
    return words_.encode("utf-8", "replace").decode("utf-8")
