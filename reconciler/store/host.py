"""One host: its resources and how each stands, its day, and what is there that nobody declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..clock import moment, rfc3339
from ..core.kind import Kinds
from ..core.model import FieldChange, Json, Verdict
from ..core.plan import masked
from .db import Db
from .terms import PRESENT
from .view import FAILED, PENDING, RIGHT, VERDICTS, View

CAP = 500
"""Resources of one host that are shown; more are counted."""
SLOTS = 24


def resources(
    view: View, host: str, *, kind: str = "", name: str = "", only_differing: bool = False
) -> dict[str, Json]:
    """The resources of `host`, worst first; counts of all of them in the same answer."""
    host_id = view.sheet.hosts[host]
    rows = view.db.rows(
        f"SELECT one.host_id, one.res_id, one.what FROM ({view.resources(only=[host_id])}) one",
        view.values,
    )
    found = dict.fromkeys((verdict.value for verdict in Verdict), 0)
    for _, _, what in rows:
        found[VERDICTS[what].value] += 1
    order = sorted(rows, key=lambda row: (row[2] == RIGHT, row[2], row[1]))
    wanted = [(row[0], row[1]) for row in order if not (only_differing and row[2] == RIGHT)]
    details = view.details(wanted if kind or name else wanted[:CAP])
    shown = [one for one in details if (not kind or one["kind"] == kind) and (not name or one["name"] == name)]
    shown.sort(key=lambda one: (one["what"] == RIGHT, list(VERDICTS.values()).index(VERDICTS[one["what"]])))
    return {
        "resources": [resource_json(view.kinds, one) for one in shown],
        "counts": {name: count for name, count in found.items()},
        "total": len(rows),
        "more": max(0, len(wanted) - CAP) if not (kind or name) else 0,
    }


def resource_json(kinds: Kinds, one: Mapping[str, Any]) -> dict[str, Json]:
    """One row of `View.details`, for people and programs; secrets masked."""
    resource = one["resource"]
    return {
        "kind": one["kind"],
        "name": one["name"],
        "verdict": VERDICTS[one["what"]].value,
        "why": _why(one),
        "fields": fields_json(kinds, one["kind"], one["fields"]),
        "since": rfc3339(one["failed_at"] if one["what"] == FAILED else one["valid_from"]),
        "source": {"path": resource.source.path, "line": resource.source.line} if resource is not None else None,
        "origin": one["origin"],
        "appliedAt": rfc3339(one["applied_at"]),
        "appliedCommit": one["applied_commit"] or "",
        "tries": one["tries"] or 0,
        "nextTry": rfc3339(one["until"]),
    }


def _why(one: Mapping[str, Any]) -> str:
    if one["what"] == FAILED:
        return str(one["failed_why"] or "")
    if one["spread"] is None:
        return "no longer in Git"
    if one["what"] == PENDING:
        return "edited in Git" if one["origin"] else "new in Git"
    if one["what"] == RIGHT:
        return ""
    return str(one["why"] or ("by hand" if one["fields"] else "never looked at"))


def fields_json(kinds: Kinds, kind: str, fields: tuple[FieldChange, ...]) -> list[dict[str, Json]]:
    sealed = kinds[kind].sealed if kind in kinds else ()
    return [
        {
            "path": item.path,
            "before": masked(item.before, item.path in sealed),
            "after": masked(item.after, item.path in sealed),
        }
        for item in fields
    ]


def unmanaged(view: View, host: str) -> list[dict[str, Json]]:
    """What was seen on the host that nobody declares and trueup doesn't own."""
    sheet = view.sheet
    rows = view.db.rows(
        f"SELECT r.kind, r.name, s.valid_from FROM observed s JOIN resource r USING (res_id) "
        f"ANTI JOIN {sheet.want} w ON w.host_id = s.host_id AND w.res_id = s.res_id "
        f"ANTI JOIN owned o ON o.host_id = s.host_id AND o.res_id = s.res_id "
        f"WHERE s.host_id = ? AND s.status = {PRESENT} ORDER BY r.kind, r.name LIMIT {CAP}",
        [sheet.hosts[host]],
    )
    return [{"kind": kind, "name": name, "since": rfc3339(at)} for kind, name, at in rows]


def day(db: Db, host_id: int, now: float, hours: int = SLOTS) -> list[dict[str, Json]]:
    """The last hours, one slot each, oldest first: the worst that was seen in it. A slot in which nobody looked has no
    verdict: a gap stays a gap."""
    begin = now - hours * 3600
    spans = db.rows(
        """
        SELECT valid_from, valid_to FROM watched WHERE host_id = $host AND valid_to >= $begin
        UNION ALL SELECT watched_from, seen_at FROM host WHERE host_id = $host AND seen_at >= $begin
        """,
        {"host": host_id, "begin": moment(begin)},
    )
    wrong = db.rows(
        """
        WITH wrong AS (
            SELECT res_id, valid_from, valid_to, status, state FROM observed_past
            WHERE host_id = $host AND valid_to >= $begin AND NOT coalesce(right_then, status <> 0)
            UNION ALL SELECT res_id, valid_from, NULL, status, state FROM observed
            WHERE host_id = $host AND NOT coalesce(right_then, status <> 0)
        )
        SELECT w.valid_from, w.valid_to, CASE WHEN w.status = 0 THEN 'Unknown' WHEN p.res_id IS NOT NULL THEN 'Progressing'
            ELSE 'Drifted' END
        FROM wrong w LEFT JOIN observed_past p ON p.host_id = $host AND p.res_id = w.res_id AND p.valid_to = w.valid_from
            AND p.right_then AND p.status = w.status AND p.state = w.state
        """,
        {"host": host_id, "begin": moment(begin)},
    )
    failed = db.rows(
        "SELECT ended_at FROM outcome WHERE host_id = $host AND result = 'failed' AND ended_at >= $begin",
        {"host": host_id, "begin": moment(begin)},
    )
    away = db.rows(
        """
        SELECT valid_from, valid_to FROM trouble WHERE host_id = $host AND valid_to >= $begin
        UNION ALL SELECT trouble_since, NULL FROM host WHERE host_id = $host AND trouble <> ''
        """,
        {"host": host_id, "begin": moment(begin)},
    )
    made: list[dict[str, Json]] = []
    for number in range(hours):
        start, end = moment(begin + number * 3600), moment(begin + (number + 1) * 3600)
        word: str | None = None
        if any(span[0] < end and span[1] >= start for span in spans):
            word = Verdict.CONVERGED.value
        bad = {span[2] for span in wrong if span[0] < end and (span[1] is None or span[1] > start)}
        for worse in (Verdict.PROGRESSING.value, Verdict.DRIFTED.value, Verdict.UNKNOWN.value):
            if worse in bad and word:
                word = worse
        if any(span[0] < end and (span[1] is None or span[1] > start) for span in away):
            word = Verdict.UNKNOWN.value
        if any(start <= at[0] < end for at in failed):
            word = Verdict.FAILED.value
        made.append({"from": rfc3339(start), "to": rfc3339(end), "verdict": word})
    return made
