"""Lists of hosts: the fleet page's head, and pages of hosts by verdict, name or selector."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..clock import rfc3339
from ..core.model import Desired, Json, Verdict
from .db import Db
from .standing import RANK, HostRow, Stand
from .view import View

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


def none() -> dict[str, int]:
    """Hosts by verdict, where there is none: every verdict named, worst first."""
    return dict.fromkeys((verdict.value for verdict in Verdict), 0)


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
    matching = stand.pick(verdict=verdict, find=find, only=only)
    rest = matching.after(*_place(after)) if after else matching
    shown = rest.rows(0, limit)
    return {
        "format": 1,
        "hosts": [row_json(row) for row in view.explain(stand, shown)],
        "matching": len(matching),
        "counts": stand.all.counts,
        "total": len(stand.all),
        "next": f"{RANK[shown[-1].verdict]}:{shown[-1].host}" if len(rest) > limit else "",
    }


def _place(after: str) -> tuple[int, str]:
    rank, _, host = after.partition(":")
    return (int(rank) if rank.isascii() and rank.isdigit() and len(rank) < 3 else -1, host)


def facets(stand: Stand, labels: Sequence[str] = ("site", "role", "env")) -> dict[str, Json]:
    """Verdicts by the values of these labels, where hosts carry them: the ten most frequent, then the rest as one."""
    made: dict[str, Json] = {}
    for label in labels:
        found = [(value, counts, sum(counts.values())) for value, counts in stand.by_label(label)]
        if found:
            order = sorted(found, key=lambda one: (-one[2], one[0]))
            made[label] = {
                "values": [
                    {"value": value, "counts": counts, "total": total} for value, counts, total in order[:FACETS]
                ],
                "more": len(order[FACETS:]),
            }
    return made


def left_the_fleet(db: Db, known: Mapping[str, int], desired: Desired) -> list[str]:
    """Of the `known` hosts (by name), those that are no longer in Git and on which something is still owned."""
    left = {known[name]: name for name in known.keys() - desired.hosts.keys()}
    if not left:
        return []
    rows = db.rows(f"SELECT DISTINCT host_id FROM owned WHERE host_id IN ({', '.join(map(str, left))})")
    return sorted(left[row[0]] for row in rows)


def facts(db: Db, host: str) -> dict[str, Any]:
    """What the last visit read of the host as a whole; empty when none did."""
    import json

    rows = db.rows("SELECT facts, facts_at, machine_id FROM host WHERE name = ?", [host])
    if not rows:
        return {"facts": {}, "at": None, "machineId": ""}
    return {"facts": json.loads(rows[0][0]), "at": rfc3339(rows[0][1]), "machineId": rows[0][2]}
