"""What people said: pauses and approvals; and what waits after a failure."""

from __future__ import annotations

from ..core.model import Approval, Backoff, Key, Pause
from .db import Db, moment, seconds, text
from .names import Names


def pause(db: Db, asked: Pause, now: float) -> int:
    """Remember a pause; gives its number."""
    with db.writing() as con:
        number = int(con.execute("SELECT coalesce(max(pause_id), 0) + 1 FROM pause").fetchall()[0][0])
        con.execute(
            "INSERT INTO pause VALUES (?, ?, ?, ?, ?, ?, NULL, '')",
            [number, asked.selector, asked.why, asked.who, moment(now), moment(asked.until)],
        )
        return number


def resume(db: Db, selector: str, who: str, now: float) -> int:
    """End the pauses of exactly this selector, all of them when it is empty; gives how many."""
    with db.writing() as con:
        ended = con.execute(
            "UPDATE pause SET ended_at = $now, ended_by = $who "
            "WHERE ended_at IS NULL AND until > $now AND ($selector = '' OR selector = $selector) RETURNING pause_id",
            {"now": moment(now), "who": who, "selector": selector},
        ).fetchall()
        return len(ended)


def pauses(db: Db) -> tuple[Pause, ...]:
    """Pauses that nobody ended; whoever asks knows the time, and so which have run out."""
    rows = db.rows(
        "SELECT selector, why, who, until FROM pause WHERE ended_at IS NULL ORDER BY pause_id DESC LIMIT 1000"
    )
    return tuple(
        Pause(selector=selector, why=why, who=who, until=seconds(until) or 0.0) for selector, why, who, until in rows
    )


def approve(db: Db, given: Approval) -> None:
    """Remember a human's yes; another yes to the same guard of the same commit takes its place."""
    with db.writing() as con:
        con.execute("DELETE FROM approval WHERE guard = ? AND commit_id = ?", [given.guard, given.commit])
        con.execute(
            "INSERT INTO approval VALUES (?, ?, ?, ?, ?)",
            [given.guard, given.commit, sorted(given.allowed), given.who, moment(given.at)],
        )


def approvals(db: Db, commit: str) -> tuple[Approval, ...]:
    """The approvals of one commit: none ever holds for another."""
    rows = db.rows(
        "SELECT guard, commit_id, allowed, who, approved_at FROM approval WHERE commit_id = ? ORDER BY guard", [commit]
    )
    return tuple(
        Approval(guard=guard, commit=commit_id, allowed=frozenset(allowed), who=who, at=seconds(at) or 0.0)
        for guard, commit_id, allowed, who, at in rows
    )


def backoffs(db: Db, names: Names) -> tuple[Backoff, ...]:
    """All that waits after a failure, in key order."""
    rows = db.rows("SELECT host_id, res_id, digest, commit_id, until, why FROM backoff")
    made = []
    for host_id, res_id, digest, commit, until, why in rows:
        ref = names.ref(res_id)
        key = Key(names.host(host_id), ref.kind, ref.name)
        made.append(Backoff(key=key, digest=text(digest), commit=commit, until=seconds(until) or 0.0, why=why))
    return tuple(sorted(made, key=lambda one: one.key))
