"""Lists of hosts: the fleet page's head, and pages of hosts by verdict, name or selector."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from typing import Any

from ..clock import rfc3339
from ..core.model import Desired, Json, Verdict
from .db import Db
from .view import RANK, HostRow, Stand, View

PAGE = 50
FACETS = 10
"""Values of one label that are told apart; the others are one number."""


def row_json(row: HostRow) -> dict[str, Json]:
    return {
        "host": row.host,
        "verdict": row.verdict.value,
        "why": row.why,
        "since": rfc3339(row.since),
        "seenAt": rfc3339(row.seen_at),
        "commit": row.commit,
    }


def counts(rows: Sequence[HostRow]) -> dict[str, int]:
    """Hosts by verdict, every verdict named, worst first."""
    found = dict.fromkeys((verdict.value for verdict in Verdict), 0)
    for row in rows:
        found[row.verdict.value] += 1
    return found


def page(
    view: View,
    stand: Stand,
    *,
    verdict: str = "",
    find: str = "",
    only: Collection[str] | None = None,
    after: str = "",
    limit: int = PAGE,
) -> dict[str, Json]:
    """One page: worst first, then by name. `after` is `next` of the page before, so rows that moved lose nobody."""
    wanted, text = verdict.lower(), find.lower()
    matching = [
        row
        for row in stand.rows
        if (not wanted or row.verdict.value.lower() == wanted)
        and (not text or text in row.host.lower())
        and (only is None or row.host in only)
    ]
    begin = _place(after)
    rest = (row for row in matching if (RANK[row.verdict], row.host) > begin) if after else iter(matching)
    shown = list(itertools.islice(rest, limit + 1))
    more = len(shown) > limit
    shown = shown[:limit]
    return {
        "format": 1,
        "hosts": [row_json(row) for row in view.explain(stand, shown)],
        "matching": len(matching),
        "counts": counts(stand.rows),
        "total": len(stand.rows),
        "next": f"{RANK[shown[-1].verdict]}:{shown[-1].host}" if more else "",
    }


def _place(after: str) -> tuple[int, str]:
    rank, _, host = after.partition(":")
    return (int(rank) if rank.isascii() and rank.isdigit() and len(rank) < 3 else -1, host)


def facets(desired: Desired, stand: Stand, labels: Sequence[str] = ("site", "role", "env")) -> dict[str, Json]:
    """Verdicts by the values of these labels, where hosts carry them: the ten most frequent, then the rest as one."""
    made: dict[str, Json] = {}
    for label in labels:
        by_value: dict[str, list[HostRow]] = {}
        for row in stand.rows:
            value = desired.hosts[row.host].labels.get(label)
            if value is not None:
                by_value.setdefault(value, []).append(row)
        if by_value:
            order = sorted(by_value.items(), key=lambda item: (-len(item[1]), item[0]))
            made[label] = {
                "values": [
                    {"value": value, "counts": counts(rows), "total": len(rows)} for value, rows in order[:FACETS]
                ],
                "more": len(order[FACETS:]),
            }
    return made


def left_the_fleet(db: Db, desired: Desired) -> list[str]:
    """Hosts that are no longer in Git and on which something is still owned."""
    rows = db.rows("SELECT DISTINCT h.name FROM host h SEMI JOIN owned o ON o.host_id = h.host_id ORDER BY h.name")
    return [row[0] for row in rows if row[0] not in desired.hosts]


def facts(db: Db, host: str) -> dict[str, Any]:
    """What the last visit read of the host as a whole; empty when none did."""
    import json

    rows = db.rows("SELECT facts, facts_at, machine_id FROM host WHERE name = ?", [host])
    if not rows:
        return {"facts": {}, "at": None, "machineId": ""}
    return {"facts": json.loads(rows[0][0]), "at": rfc3339(rows[0][1]), "machineId": rows[0][2]}
