"""What happened: what trueup changed and what came of it, and what others changed behind its back, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..clock import moment, rfc3339
from ..core.kind import Kinds
from ..core.model import Json, Reason
from ..core.plan import masked
from . import bodies, rollbacks
from .db import Db, seconds
from .terms import PRESENT

PAGE = 50


def history(
    db: Db,
    kinds: Kinds,
    *,
    host: str = "",
    kind: str = "",
    name: str = "",
    after: str = "",
    limit: int = PAGE,
) -> dict[str, Json]:
    """Events, newest first; `after` is `next` of the answer before.

    `what` is `change` (trueup's own, with action, reason, result), `seen` (a reading that was not as wanted, or could not
    be read: by hand, by another tool), `done` (what a visit did to the host itself, without a plan: the installation of
    Python) or `trouble` (a host that didn't answer, with the span of it).
    """
    where, values = _where(host, kind, name)
    begin, number = _place(after)
    values |= {"before": begin, "limit": limit + 1, "number": number}
    events = _changes(db, kinds, where, values)
    events += _seen(db, kinds, where, values)
    events += _done(db, where, values)
    if host and not (kind or name):
        events += _troubles(db, values)
    events.sort(key=lambda event: (event["_at"], event["_number"]), reverse=True)
    shown = events[:limit]
    place = f"{shown[-1]['_at']!r}:{shown[-1]['_number']}" if len(events) > limit and shown else ""
    return {
        "format": 1,
        "events": [{key: value for key, value in event.items() if not key.startswith("_")} for event in shown],
        "next": place,
    }


def _where(host: str, kind: str, name: str) -> tuple[str, dict[str, object]]:
    parts, values = [], dict[str, object]()
    for column, text in (("h.name", host), ("r.kind", kind), ("r.name", name)):
        if text:
            key = column.replace(".", "_")
            parts.append(f"{column} = ${key}")
            values[key] = text
    return " AND ".join(parts) or "true", values


def _place(after: str) -> tuple[object, int]:
    text, _, number = after.rpartition(":")
    try:
        return moment(float(text)), int(number)
    except (ValueError, OverflowError):
        return moment(1e12), 0


def _changes(db: Db, kinds: Kinds, where: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
    rows = db.rows(
        f"""
        SELECT coalesce(o.ended_at, d.opened_at) AS ended, c.round_id, h.name, r.kind, r.name, c.action, c.reason, c.drifted,
            c.wave, c.fields, c.on_remove, c.path, c.line, c.commit_id, d.plan_id, d.commit_id,
            o.result, o.message, o.seconds
        FROM change c JOIN round d USING (round_id) JOIN host h USING (host_id) JOIN resource r USING (res_id)
        LEFT JOIN outcome o ON o.round_id = c.round_id AND o.host_id = c.host_id AND o.res_id = c.res_id
        WHERE {where} AND (ended, c.round_id) < ($before, $number + 1000000000 * ($number = 0)::INTEGER)
        ORDER BY ended DESC, c.round_id DESC, h.name, r.kind, r.name LIMIT $limit
        """,
        values,
    )
    texts = bodies.read(db, (row[9] for row in rows))
    back = rollbacks.made(db) if any(row[6] == Reason.ROLLED_BACK.value for row in rows) else []
    made = []
    for ended, round_id, host, kind, name, action, reason, drifted, wave, fields, on_remove, *rest in rows:
        path, line, source_commit, plan, commit, result, message, took = rest
        made.append(
            {
                "_at": seconds(ended),
                "_number": round_id,
                "at": rfc3339(ended),
                "what": "change",
                "host": host,
                "kind": kind,
                "name": name,
                "action": action,
                "reason": reason,
                "drifted": drifted,
                "why": rollbacks.why_of(back, kind, name, seconds(ended) or 0.0)
                if reason == Reason.ROLLED_BACK.value
                else "",
                "fields": [{"path": one[0], "before": one[1], "after": one[2]} for one in texts.get(fields, [])],
                "onRemove": on_remove,
                "result": result or "",
                "message": message or "",
                "seconds": took,
                "round": round_id,
                "wave": wave,
                "plan": plan,
                "commit": commit,
                "source": {"path": path, "line": line, "commit": source_commit} if path else None,
            }
        )
    return made


def _seen(db: Db, kinds: Kinds, where: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
    rows = db.rows(
        f"""
        WITH every AS (
            SELECT host_id, res_id, status, state, right_then, why, valid_from FROM observed
            WHERE right_then IS NOT DISTINCT FROM false OR status = 0
            UNION ALL SELECT host_id, res_id, status, state, right_then, why, valid_from FROM observed_past
            WHERE right_then IS NOT DISTINCT FROM false OR status = 0
        ), late AS (
            SELECT e.*, h.name AS host, r.kind, r.name
            FROM every e JOIN host h USING (host_id) JOIN resource r USING (res_id)
            WHERE {where} AND (e.valid_from < $before OR (e.valid_from = $before AND $number > 0))
        )
        SELECT l.valid_from, l.host, l.kind, l.name, l.status, l.state, l.why, p.status, p.state
        FROM late l JOIN observed_past p
            ON p.host_id = l.host_id AND p.res_id = l.res_id AND p.valid_to = l.valid_from AND p.right_then
            AND (p.status <> l.status OR p.state <> l.state)
        ORDER BY l.valid_from DESC, l.host, l.kind, l.name LIMIT $limit
        """,
        values,
    )
    texts = bodies.read(db, [digest for row in rows for digest in (row[5], row[8]) if digest])
    made = []
    for at, host, kind, name, status, state, why, _, was in rows:
        made.append(
            {
                "_at": seconds(at),
                "_number": 0,
                "at": rfc3339(at),
                "what": "seen",
                "host": host,
                "kind": kind,
                "name": name,
                "seen": ("unknown", "present", "absent")[status],
                "why": why,
                "fields": moved(kinds, kind, texts.get(was, {}), texts.get(state, {})) if status == PRESENT else [],
            }
        )
    return made


def moved(kinds: Kinds, kind: str, before: Mapping[str, Json], after: Mapping[str, Json]) -> list[dict[str, Json]]:
    """The fields that differ between two states; secrets masked."""
    sealed = kinds[kind].sealed if kind in kinds else ()
    return [
        {
            "path": path,
            "before": masked(before.get(path), path in sealed),
            "after": masked(after.get(path), path in sealed),
        }
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]


def _done(db: Db, where: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
    rows = db.rows(
        f"""
        SELECT o.ended_at, h.name, r.kind, r.name, o.op, o.result, o.message, o.seconds
        FROM outcome o JOIN resource r USING (res_id) JOIN host h USING (host_id)
        WHERE r.kind = 'Host' AND {where} AND (o.ended_at < $before OR (o.ended_at = $before AND $number > 0))
        ORDER BY o.ended_at DESC, h.name LIMIT $limit
        """,
        values,
    )
    return [
        {
            "_at": seconds(ended),
            "_number": 0,
            "at": rfc3339(ended),
            "what": "done",
            "host": host,
            "kind": kind,
            "name": name,
            "why": op,
            "result": result,
            "message": message or "",
            "seconds": took,
        }
        for ended, host, kind, name, op, result, message, took in rows
    ]


def _troubles(db: Db, values: Mapping[str, object]) -> list[dict[str, Any]]:
    asked = {name: values[name] for name in ("h_name", "before", "limit")}
    rows = db.rows(
        """
        SELECT since, until, code, why FROM (
            SELECT h.name AS host, t.valid_from AS since, t.valid_to AS until, t.code, t.why
            FROM trouble t JOIN host h USING (host_id)
            UNION ALL SELECT name, trouble_since, NULL, trouble_code, trouble FROM host WHERE trouble <> ''
        ) WHERE host = $h_name AND since < $before ORDER BY since DESC LIMIT $limit
        """,
        asked,
    )
    return [
        {
            "_at": seconds(since),
            "_number": 0,
            "at": rfc3339(since),
            "what": "trouble",
            "host": asked["h_name"],
            "kind": "",
            "name": "",
            "code": code,
            "why": why,
            "until": rfc3339(until),
        }
        for since, until, code, why in rows
    ]
