"""What hosts serve of sites, over all hosts of each: counted where it lies, so that it costs what a site has of hosts.

It reads what parsed.py made of the hosts' words: call its `fresh` first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from reconciler.clock import rfc3339
from reconciler.core.model import Json
from reconciler.store.db import Db
from reconciler.store.view import RIGHT, VERDICTS, View

from .parsed import ASKED, MOST, NUMBERS, STATES, STATUS

MOST_MISSING = 10


@dataclass
class Standing:
    """How the hosts of one site stand."""

    counts: dict[str, int] = field(default_factory=lambda: {verdict.value: 0 for verdict in VERDICTS.values()})
    releases: dict[str, int] = field(default_factory=dict)
    """Release → how many hosts serve it, those that answered."""
    files: int | None = None
    bytes: int | None = None
    applied_at: str | None = None
    """When it was last brought to a host, as far as it is remembered."""

    @property
    def hosts(self) -> int:
        return sum(self.counts.values())


def standing(view: View, res_ids: Sequence[int]) -> dict[int, Standing]:
    """Each site → how its hosts stand."""
    found = {res_id: Standing() for res_id in res_ids}
    if not res_ids:
        return found
    one = view.resources(f"w.res_id IN ({_listed(res_ids)})")
    rows = view.db.rows(
        f"SELECT one.res_id, one.what, coalesce(b.release, ''), count(*), min(one.applied_at), max(b.files), max(b.bytes) "
        f"FROM ({one}) one LEFT JOIN {STATES} b ON b.digest = one.state GROUP BY 1, 2, 3",
        view.values,
    )
    for res_id, what, release, count, applied, files, size in rows:
        site = found[res_id]
        site.counts[VERDICTS[what].value] += count
        site.releases[release] = site.releases.get(release, 0) + count
        if applied is not None:
            site.applied_at = min(site.applied_at or "~", str(rfc3339(applied)))
        if what == RIGHT:
            site.files, site.bytes = files, size
    return found


def certificates(db: Db, res_ids: Sequence[int], most: int) -> dict[int, list[dict[str, Json]]]:
    """Each site → at most so many of its certificates on its hosts, alike ones together, the one that ends first on top; one
    that can't be read stands above all. Each knows how many there are."""
    rows = db.rows(
        f"""
        WITH said AS (
            SELECT s.res_id, s.host_id, unnest(b.certificates) AS one FROM observed s JOIN {STATES} b ON b.digest = s.state
            WHERE s.res_id IN ({_listed(res_ids)})
        ), alike AS (
            SELECT res_id, coalesce(one.path, '') AS path, coalesce(one.issuer, '') AS issuer, coalesce(one.trouble, '') AS why,
                CASE WHEN one.notAfter BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31' THEN one.notAfter END AS ends,
                one.names AS names, count(DISTINCT host_id) AS hosts, min(host_id) AS example
            FROM said WHERE one IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6
        ), ranked AS (
            SELECT *, row_number() OVER (PARTITION BY res_id ORDER BY why = '', ends NULLS FIRST, path, example) AS place,
                count(*) OVER (PARTITION BY res_id) AS total
            FROM alike
        )
        SELECT f.res_id, left(f.path, 300), f.ends, left(f.issuer, 200), left(f.why, 300), f.names[:100], f.hosts, h.name, f.total
        FROM ranked f JOIN host h ON h.host_id = f.example WHERE f.place <= {int(most)} ORDER BY f.res_id, f.place
        """
    )
    found: dict[int, list[dict[str, Json]]] = {res_id: [] for res_id in res_ids}
    for res_id, path, ends, issuer, trouble, names, hosts, host, total in rows:
        found[res_id].append(
            {
                "path": path,
                "ends": rfc3339(ends),
                "issuer": issuer,
                "names": [name[:253] for name in names or [] if name],
                "trouble": trouble,
                "hosts": hosts,
                "host": host,
                "total": total,
            }
        )
    return found


def traffic(db: Db, res_ids: Sequence[int]) -> dict[int, dict[str, Json]]:
    """Each site that a host has told of → what was asked of it in the last day, all its hosts together."""
    rows = db.rows(
        f"SELECT res_id, count(*), count(*) FILTER (NOT whole), max(since) FILTER (NOT whole), min(read_at), "
        f"{', '.join(f'sum({name})' for name in NUMBERS)} FROM {ASKED} "
        f"WHERE counted AND res_id IN ({_listed(res_ids)}) GROUP BY res_id"
    )
    made: dict[int, dict[str, Json]] = {}
    for res_id, hosts, cut, since, read_at, requests, size, *rest in rows:
        made[res_id] = {
            "hosts": hosts,
            "cut": cut,
            "since": rfc3339(float(since)) if since is not None else None,
            "readAt": rfc3339(read_at),
            "requests": int(requests),
            "bytes": int(size),
            "status": dict(zip(STATUS, map(int, rest), strict=False)),
            "hours": [int(many) for many in rest[len(STATUS) :]],
        }
    return made


def missing(db: Db, res_id: int) -> list[dict[str, Json]]:
    """What was asked for most and is not there, over the site's hosts."""
    rows = db.rows(
        f"""
        WITH said AS (SELECT host_id, unnest(missing) AS one FROM {ASKED} WHERE res_id = {int(res_id)})
        SELECT left(one.path, 200) AS path, sum(one.count) AS times, count(DISTINCT host_id)
        FROM said WHERE one.path <> '' AND one.count BETWEEN 1 AND {MOST}
        GROUP BY 1 ORDER BY times DESC, path LIMIT {MOST_MISSING}
        """
    )
    return [{"path": path, "count": int(times), "hosts": hosts} for path, times, hosts in rows]


NOTHING: dict[str, Json] = {"release": "", "altered": [], "traffic": None}
"""Of a host that has not said anything."""


def on_hosts(db: Db, res_id: int, host_ids: Sequence[int]) -> dict[int, dict[str, Json]]:
    """What each of these hosts serves, which files of it are altered, and what it was asked for in the last day."""
    rows = db.rows(
        f"""
        SELECT s.host_id, coalesce(p.release, ''), json_extract_string(b.text, '$.altered[*]'), a.counted, a.read_at,
            a.whole, a.since, a.requests, {", ".join(f"a.of_{word}" for word in STATUS)}
        FROM observed s LEFT JOIN body b ON b.digest = s.state LEFT JOIN {STATES} p ON p.digest = s.state
        LEFT JOIN {ASKED} a ON a.host_id = s.host_id AND a.res_id = s.res_id
        WHERE s.res_id = {int(res_id)} AND s.host_id IN ({_listed(set(host_ids))})
        """
    )
    return {
        host_id: {
            "release": release,
            "altered": [path[:300] for path in (altered or []) if path],
            "traffic": {
                "readAt": rfc3339(read_at),
                "since": rfc3339(float(since)) if since is not None else None,
                "whole": whole,
                "requests": requests,
                "status": dict(zip(STATUS, classes, strict=True)),
            }
            if counted
            else None,
        }
        for host_id, release, altered, counted, read_at, whole, since, requests, *classes in rows
    }


def _listed(numbers: Sequence[int] | set[int]) -> str:
    return ", ".join(str(int(one)) for one in sorted(numbers)) or "NULL"


__all__ = ["NOTHING", "Standing", "certificates", "missing", "on_hosts", "standing", "traffic"]
