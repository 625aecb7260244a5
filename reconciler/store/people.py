"""What people said: pauses and approvals; and what waits after a failure."""

from __future__ import annotations

from ..clock import moment
from ..core import wave
from ..core.model import Approval, Backoff, Desired, Hold, Key, Pause, WaveRun
from .db import Db, seconds, text
from .names import Names


def pause(db: Db, asked: Pause, now: float) -> int:
    """Remember a pause; gives its number."""
    with db.writing(set()) as con:
        number = int(con.execute("SELECT coalesce(max(pause_id), 0) + 1 FROM pause").fetchall()[0][0])
        con.execute(
            "INSERT INTO pause VALUES (?, ?, ?, ?, ?, ?, NULL, '')",
            [number, asked.selector, asked.why, asked.who, moment(now), moment(asked.until)],
        )
        return number


def resume(db: Db, selector: str, who: str, now: float) -> int:
    """End the pauses of exactly this selector, all of them when it is empty; gives how many."""
    with db.writing(set()) as con:
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
    with db.writing(set()) as con:
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


def wave_runs(db: Db, names: Names, commit: str) -> tuple[WaveRun, ...]:
    """Waves of rounds for `commit`, not the last of theirs, in which something failed that still waits or is tried again."""
    if not db.rows("SELECT 1 FROM backoff WHERE commit_id = ? LIMIT 1", [commit]):
        return ()
    failed: dict[tuple[int, int], list[Key]] = {}
    for round_id, number, host_id, res_id in db.rows(
        "SELECT DISTINCT c.round_id, c.wave, c.host_id, c.res_id FROM change c "
        "SEMI JOIN backoff b ON b.host_id = c.host_id AND b.res_id = c.res_id AND b.commit_id = $commit "
        "JOIN round r ON r.round_id = c.round_id AND r.commit_id = $commit AND c.wave < r.waves "
        "SEMI JOIN outcome o ON o.round_id = c.round_id AND o.host_id = c.host_id AND o.res_id = c.res_id "
        "AND o.result = 'failed'",
        {"commit": commit},
    ):
        ref = names.ref(res_id)
        failed.setdefault((round_id, number), []).append(ref.on(names.host(host_id)))
    found = set()
    for (round_id, number), keys in failed.items():
        rows = db.rows(
            "SELECT c.host_id, coalesce(bool_or(o.result <> 'lost'), false), any_value(r.outcome) FROM change c "
            "JOIN round r USING (round_id) "
            "LEFT JOIN outcome o ON o.round_id = c.round_id AND o.host_id = c.host_id AND o.res_id = c.res_id "
            "WHERE c.round_id = ? AND c.wave = ? GROUP BY c.host_id",
            [round_id, number],
        )
        reached = sorted(names.host(host_id) for host_id, answered, _ in rows if answered)
        whole = rows[0][2] == "done" or rows[0][2].startswith("wave ")
        found.add(
            WaveRun(
                commit=commit,
                number=number,
                hosts=tuple(reached),
                counted=len(reached) if whole else len(rows),
                failed=tuple(sorted(keys)),
            )
        )
    return tuple(sorted(found, key=lambda run: (run.number, run.hosts, run.failed)))


def hold(db: Db, names: Names, desired: Desired, now: float) -> tuple[Hold, frozenset[str]] | None:
    """What a wave of this commit that failed holds back (core.wave.hold), for who only looks: a failure that somebody
    mended by hand counts here until the next round, which knows better."""
    runs = wave_runs(db, names, desired.commit.id)
    if not runs:
        return None
    failing = {}
    for failed in backoffs(db, names):
        wanted = desired.get(failed.key)
        if failed.commit == desired.commit.id and failed.digest == (wanted.meaning.digest if wanted else ""):
            failing[failed.key] = failed
    return wave.hold(desired.policy, runs, failing, now)
