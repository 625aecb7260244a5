"""Commits that were read, and what came of them."""

from __future__ import annotations

import json
from typing import Any

from ..clock import rfc3339
from ..core.model import Json
from . import bodies
from .db import Db

PAGE = 50
GROUPS = 200

_COLUMNS = "commit_id, author, subject, authored_at, tree, standing, problems, read_at"


def commits(db: Db, *, after: str = "", limit: int = PAGE) -> dict[str, Json]:
    """Newest first by when they were read first or last; each with its standing and the sum of its rounds."""
    rows = db.rows(
        f"SELECT {_COLUMNS} FROM commit_read WHERE $after = '' OR (read_at, commit_id) < "
        "(SELECT (read_at, commit_id) FROM commit_read WHERE commit_id = $after) "
        "ORDER BY read_at DESC, commit_id DESC LIMIT $limit",
        {"after": after, "limit": limit + 1},
    )
    shown = [_commit(row) for row in rows[:limit]]
    sums = _sums(db, [str(one["id"]) for one in shown])
    for one in shown:
        one |= sums.get(str(one["id"]), {"rounds": 0, "changes": 0, "hosts": 0, "ok": 0, "failed": 0})
    return {"format": 1, "commits": shown, "next": shown[-1]["id"] if len(rows) > limit else ""}


def _commit(row: tuple[Any, ...]) -> dict[str, Json]:
    commit_id, author, subject, authored_at, tree, standing, problems, read_at = row
    found = json.loads(problems)
    return {
        "id": commit_id,
        "author": author,
        "subject": subject,
        "at": rfc3339(authored_at),
        "tree": tree,
        "standing": standing,
        "errors": sum(1 for problem in found if problem.get("severity") == "error"),
        "warnings": sum(1 for problem in found if problem.get("severity") == "warning"),
        "readAt": rfc3339(read_at),
    }


def _sums(db: Db, ids: list[str]) -> dict[str, dict[str, Json]]:
    if not ids:
        return {}
    rows = db.rows(
        """
        SELECT d.commit_id, count(DISTINCT d.round_id), count(c.round_id), count(DISTINCT c.host_id),
            count(*) FILTER (o.result = 'ok'), count(*) FILTER (o.result = 'failed')
        FROM round d LEFT JOIN change c USING (round_id)
        LEFT JOIN outcome o ON o.round_id = c.round_id AND o.host_id = c.host_id AND o.res_id = c.res_id
        WHERE list_contains(?, d.commit_id) GROUP BY d.commit_id
        """,
        [ids],
    )
    return {row[0]: dict(zip(("rounds", "changes", "hosts", "ok", "failed"), row[1:], strict=True)) for row in rows}


def known(db: Db, text: str) -> list[str]:
    """Ids of the commits that begin with `text`, newest first."""
    if len(text) < 4:
        return []
    rows = db.rows(
        "SELECT commit_id FROM commit_read WHERE starts_with(commit_id, ?) ORDER BY read_at DESC LIMIT 10",
        [text.lower()],
    )
    return [row[0] for row in rows]


def one(db: Db, commit: str) -> dict[str, Json] | None:
    """One commit without its rounds; None when it was never read."""
    rows = db.rows(f"SELECT {_COLUMNS} FROM commit_read WHERE commit_id = ?", [commit])
    return _commit(rows[0]) if rows else None


def commit(db: Db, commit_id: str) -> dict[str, Json] | None:
    """One commit: its problems, and its rounds with their changes, grouped by what is alike. None: never read."""
    rows = db.rows(f"SELECT {_COLUMNS} FROM commit_read WHERE commit_id = ?", [commit_id])
    if not rows:
        return None
    return {
        "format": 1,
        "commit": _commit(rows[0]),
        "problems": json.loads(rows[0][6]),
        "rounds": [_round(db, row) for row in _rounds(db, commit_id)],
    }


def _rounds(db: Db, commit_id: str) -> list[tuple[Any, ...]]:
    return db.rows(
        "SELECT round_id, plan_id, opened_at, closed_at, outcome, waves, summary, guards FROM round "
        "WHERE commit_id = ? ORDER BY round_id DESC LIMIT 20",
        [commit_id],
    )


class LastRound:
    """The newest round in a few facts. What came of one that is closed is counted once."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._closed: tuple[int, tuple[int, int, int]] = (-1, (0, 0, 0))

    def facts(self) -> dict[str, Json] | None:
        """None before the first round."""
        rows = self._db.rows(
            "SELECT round_id, plan_id, commit_id, opened_at, closed_at, outcome, waves FROM round "
            "ORDER BY round_id DESC LIMIT 1"
        )
        if not rows:
            return None
        round_id, plan, commit_id, opened, closed, outcome, waves = rows[0]
        known, counted = self._closed
        if known != round_id:
            counted = self._counted(int(round_id))
            if closed is not None:
                self._closed = (round_id, counted)
        hosts, failed, ended = counted
        return {
            "id": round_id,
            "plan": plan,
            "commit": commit_id,
            "openedAt": rfc3339(opened),
            "closedAt": rfc3339(closed),
            "outcome": outcome,
            "waves": waves,
            "hosts": hosts,
            "failedHosts": failed,
            "endedHosts": ended,
        }

    def _counted(self, round_id: int) -> tuple[int, int, int]:
        """Its hosts, those on which something failed, and those that came to an end."""
        # Its number written out, so that only its own rows are read.
        rows = self._db.rows(
            f"""
            SELECT count(DISTINCT c.host_id), count(DISTINCT o.host_id) FILTER (o.result = 'failed'), count(DISTINCT o.host_id)
            FROM (FROM change WHERE round_id = {round_id}) c
            LEFT JOIN (FROM outcome WHERE round_id = {round_id}) o ON o.host_id = c.host_id AND o.res_id = c.res_id
            """
        )
        hosts, failed, ended = rows[0]
        return hosts, failed, ended


def _round(db: Db, row: tuple[Any, ...]) -> dict[str, Json]:
    round_id, plan, opened, closed, outcome, waves, summary, guards = row
    groups = db.rows(
        """
        SELECT c.action, c.reason, r.kind, r.name, c.fields, c.path, c.line, c.on_remove, min(c.wave), count(*),
            count(*) FILTER (o.result = 'ok'), count(*) FILTER (o.result = 'failed'),
            count(*) FILTER (o.result IN ('skipped', 'stale', 'lost')), count(*) FILTER (o.result IS NULL),
            min(h.name), min(o.message) FILTER (o.result = 'failed'), list(h.name ORDER BY h.name)[:20]
        FROM change c JOIN resource r USING (res_id) JOIN host h USING (host_id)
        LEFT JOIN outcome o ON o.round_id = c.round_id AND o.host_id = c.host_id AND o.res_id = c.res_id
        WHERE c.round_id = ? GROUP BY ALL ORDER BY count(*) FILTER (o.result = 'failed') DESC, count(*) DESC, r.kind, r.name
        """,
        [round_id],
    )
    texts = bodies.read(db, (group[4] for group in groups[:GROUPS]))
    made = []
    for group in groups[:GROUPS]:
        (
            action,
            reason,
            kind,
            name,
            fields,
            path,
            line,
            on_remove,
            wave,
            hosts,
            ok,
            failed,
            other,
            left,
            _,
            why,
            some,
        ) = group
        made.append(
            {
                "action": action,
                "reason": reason,
                "kind": kind,
                "name": name,
                "fields": [{"path": item[0], "before": item[1], "after": item[2]} for item in texts.get(fields, [])],
                "source": {"path": path, "line": line} if path else None,
                "onRemove": on_remove,
                "wave": wave,
                "hosts": hosts,
                "ok": ok,
                "failed": failed,
                "other": other,
                "open": left,
                "why": why or "",
                "some": list(some),
            }
        )
    return {
        "id": round_id,
        "plan": plan,
        "openedAt": rfc3339(opened),
        "closedAt": rfc3339(closed),
        "outcome": outcome,
        "waves": waves,
        "summary": json.loads(summary),
        "guards": json.loads(guards),
        "groups": made,
        "more": max(0, len(groups) - GROUPS),
        "byWave": [
            {"wave": wave, "hosts": hosts, "ok": ok, "failed": failed}
            for wave, hosts, ok, failed in db.rows(
                """
                SELECT c.wave, count(DISTINCT c.host_id),
                    count(DISTINCT c.host_id) FILTER (o.result = 'ok'), count(DISTINCT c.host_id) FILTER (o.result = 'failed')
                FROM change c LEFT JOIN outcome o
                    ON o.round_id = c.round_id AND o.host_id = c.host_id AND o.res_id = c.res_id
                WHERE c.round_id = ? GROUP BY c.wave ORDER BY c.wave
                """,
                [round_id],
            )
        ],
    }
