"""What is too old to be kept: history that ended before a moment, and the bodies that nothing names any more.

What holds now is never touched, however old it is: what is observed, owned, in force, approved for it, paused, or rolled back; and
the rounds in which a wave failed and others are held for it (people.wave_runs), whole: a hold must not end by age.
"""

from __future__ import annotations

import duckdb

from ..clock import moment

_BODIES = (
    "SELECT state FROM observed UNION SELECT state FROM observed_past UNION SELECT spec FROM owned "
    "UNION SELECT fields FROM change UNION SELECT notes FROM change WHERE notes IS NOT NULL"
    " UNION SELECT spec FROM applied_past UNION SELECT spec FROM rollback_host"
)

_HOLDING = (
    "SELECT c.round_id FROM change c JOIN round r ON r.round_id = c.round_id AND c.wave < r.waves "
    "JOIN backoff b ON b.host_id = c.host_id AND b.res_id = c.res_id AND b.commit_id = r.commit_id"
)
_ROUNDS = f"(SELECT round_id FROM round WHERE closed_at < $before AND round_id NOT IN ({_HOLDING}))"

OLD = {
    "observed_past": "valid_to < $before",
    "watched": "valid_to < $before",
    # Nobody has looked since: it tells of no moment that anybody asks about.
    "moment": "read_at < $before",
    "trouble": "valid_to < $before",
    "outcome": f"(round_id = 0 AND ended_at < $before) OR round_id IN {_ROUNDS}",
    "change": f"round_id IN {_ROUNDS}",
    # The last one stays: rounds are counted on from it, and an outcome must not find another's number.
    "round": f"round_id IN {_ROUNDS} AND round_id < (SELECT max(round_id) FROM round)",
    "pause": "coalesce(ended_at, until) < $before AND pause_id < (SELECT max(pause_id) FROM pause)",
    "applied_past": "valid_to < $before",
    "rollback": "ended_at < $before AND rollback_id < (SELECT max(rollback_id) FROM rollback)",
    "rollback_host": "rollback_id NOT IN (SELECT rollback_id FROM rollback)",
    "approval": "approved_at < $before AND commit_id NOT IN "
    "(SELECT commit_id FROM commit_read WHERE read_at >= $before OR commit_id = $held)",
    "commit_read": "read_at < $before AND commit_id <> $held",
}
"""Table → which of its rows go, in this order."""


def retire(con: duckdb.DuckDBPyConnection, before: float) -> dict[str, int]:
    """Delete what ended before `before` (seconds since 1970) within the caller's transaction; rows gone by table."""
    held = con.execute(
        "SELECT commit_id FROM commit_read WHERE standing = 'held' ORDER BY read_at DESC, commit_id LIMIT 1"
    ).fetchall()
    every = {"before": moment(before), "held": held[0][0] if held else ""}
    gone: dict[str, int] = {}
    for table, old in OLD.items():
        values = {name: value for name, value in every.items() if f"${name}" in old}
        gone[table] = int(con.execute(f"DELETE FROM {table} WHERE {old}", values).fetchall()[0][0])
    # Of the time before nothing is known any more: a page must not draw it as watched.
    con.execute("UPDATE host SET watched_from = $before WHERE watched_from < $before", {"before": moment(before)})
    con.execute("UPDATE watched SET valid_from = $before WHERE valid_from < $before", {"before": moment(before)})
    gone["body"] = int(con.execute(f"DELETE FROM body WHERE digest NOT IN ({_BODIES})").fetchall()[0][0])
    return gone


__all__ = ["OLD", "retire"]
