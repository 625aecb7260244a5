"""Any moment of the past: what was observed on a host then, as the last look before that moment had found it."""

from __future__ import annotations

from ..clock import moment, rfc3339
from ..core.kind import Kinds
from ..core.model import Json, Ref
from ..core.plan import masked
from . import bodies
from .db import Db
from .terms import PRESENT

PAGE = 200


def at(
    db: Db, kinds: Kinds, when: float, *, host: str, kind: str = "", name: str = "", after: str = "", limit: int = PAGE
) -> dict[str, Json]:
    """The resources of `host` at `when` (seconds since 1970 UTC), by kind and name. `looked` says whether anybody
    looked at the host around that moment: where nobody did, what is shown is older, and `seenAt` says how old."""
    then = moment(when)
    past = Ref.parse(after)
    values = {
        "host": host,
        "then": then,
        "kind": kind,
        "name": name,
        "ka": past.kind,
        "na": past.name,
        "limit": limit + 1,
    }
    rows = db.rows(
        """
        WITH spans AS (
            SELECT host_id, res_id, status, state, right_then, why, valid_from, NULL AS valid_to FROM observed
            UNION ALL SELECT host_id, res_id, status, state, right_then, why, valid_from, valid_to FROM observed_past
        )
        SELECT r.kind, r.name, s.status, s.state, s.right_then, s.why, s.valid_from, s.valid_to
        FROM spans s JOIN host h USING (host_id) JOIN resource r USING (res_id)
        WHERE h.name = $host AND s.valid_from <= $then AND (s.valid_to IS NULL OR s.valid_to > $then)
            AND ($kind = '' OR r.kind = $kind) AND ($name = '' OR r.name = $name)
            AND ($ka = '' OR (r.kind, r.name) > ($ka, $na))
        ORDER BY r.kind, r.name LIMIT $limit
        """,
        values,
    )
    texts = bodies.read(db, (row[3] for row in rows))
    more = len(rows) > limit
    resources: list[dict[str, Json]] = []
    for kind_, name_, status, state, right, why, valid_from, valid_to in rows[:limit]:
        sealed = kinds[kind_].sealed if kind_ in kinds else ()
        body = texts.get(state, {}) if status == PRESENT else {}
        resources.append(
            {
                "kind": kind_,
                "name": name_,
                "seen": ("unknown", "present", "absent")[status],
                "right": right,
                "why": why,
                "state": {path: masked(value, path in sealed) for path, value in body.items()},
                "from": rfc3339(valid_from),
                "to": rfc3339(valid_to),
            }
        )
    return {
        "format": 1,
        "host": host,
        "time": rfc3339(when),
        **_looks(db, host, when),
        "resources": resources,
        "next": f"{resources[-1]['kind']}/{resources[-1]['name']}" if more else "",
    }


def _looks(db: Db, host: str, when: float) -> dict[str, Json]:
    rows = db.rows(
        """
        SELECT max(CASE WHEN until >= $then THEN $then ELSE until END), bool_or(until >= $then) FROM (
            SELECT h.name, w.valid_from AS since, w.valid_to AS until FROM watched w JOIN host h USING (host_id)
            UNION ALL SELECT name, watched_from, seen_at FROM host WHERE seen_at IS NOT NULL
        ) WHERE name = $host AND since <= $then
        """,
        {"host": host, "then": moment(when)},
    )
    last, looked = rows[0]
    return {"looked": bool(looked), "seenAt": rfc3339(last)}
