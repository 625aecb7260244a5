"""What hosts serve of sites, over all hosts of each: counted where it lies, so that it costs what a site has of hosts.

States and what is of the moment come from hosts, so everything here may be of any form: what is no number counts as none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from reconciler.clock import rfc3339
from reconciler.core.model import Json
from reconciler.store.db import Db
from reconciler.store.view import RIGHT, VERDICTS, View

STATUS = ("2xx", "3xx", "4xx", "5xx")
HOURS = 24
MOST_MISSING = 10
COUNTABLE = 2**53
"""A number of a host's that is greater is none."""


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
        f"SELECT one.res_id, one.what, one.state, count(*), min(one.applied_at) FROM ({one}) one GROUP BY ALL",
        view.values,
    )
    texts = {
        digest: (release or "", files, size)
        for digest, release, files, size in view.db.rows(
            f"SELECT digest, text->>'release', TRY_CAST(text->>'files' AS BIGINT), TRY_CAST(text->>'bytes' AS BIGINT) "
            f"FROM body WHERE digest IN ({_listed({row[2] for row in rows if row[2]})})"
        )
    }
    for res_id, what, state, count, applied in rows:
        site = found[res_id]
        site.counts[VERDICTS[what].value] += count
        if applied is not None:
            site.applied_at = min(site.applied_at or "~", str(rfc3339(applied)))
        if state in texts:
            release, files, size = texts[state]
            site.releases[release] = site.releases.get(release, 0) + count
            if what == RIGHT:
                site.files, site.bytes = files, size
    return found


def certificates(view: View, res_ids: Sequence[int]) -> dict[int, list[dict[str, Json]]]:
    """Each site → its certificates on its hosts, alike ones together, the one that ends first on top; one that can't be
    read stands above all."""
    rows = view.db.rows(
        f"""
        WITH said AS (
            SELECT s.res_id, h.name AS host, unnest(json_extract(b.text, '$.certificates[*]')) AS one
            FROM observed s JOIN body b ON b.digest = s.state JOIN host h USING (host_id)
            WHERE s.res_id IN ({_listed(res_ids)}) AND s.state <> 0
        ), read AS (
            SELECT res_id, host, coalesce(one->>'path', '') AS path, TRY_CAST(one->>'notAfter' AS TIMESTAMP) AS ends,
                coalesce(one->>'issuer', '') AS issuer, coalesce(one->>'trouble', '') AS why,
                json_extract_string(one, '$.names[*]') AS names
            FROM said WHERE json_type(one) = 'OBJECT'
        )
        SELECT res_id, path, CASE WHEN ends BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31' THEN ends END AS ends,
            issuer, why, names, count(DISTINCT host), min(host)
        FROM read GROUP BY res_id, path, ends, issuer, why, names ORDER BY why = '', ends NULLS FIRST, path, names
        """
    )
    found: dict[int, list[dict[str, Json]]] = {res_id: [] for res_id in res_ids}
    for res_id, path, ends, issuer, trouble, names, hosts, host in rows:
        found[res_id].append(
            {
                "path": path[:300],
                "ends": rfc3339(ends),
                "issuer": issuer[:200],
                "names": [name[:253] for name in (names or [])[:100] if name],
                "trouble": trouble[:300],
                "hosts": hosts,
                "host": host,
            }
        )
    return found


def traffic(db: Db, res_ids: Sequence[int]) -> dict[int, dict[str, Json]]:
    """Each site that a host has told of → what was asked of it in the last day, all its hosts together."""
    paths = ["$.traffic.requests", "$.traffic.bytes", *(f"$.traffic.status.{word}" for word in STATUS)]
    paths += [f"$.traffic.hours[{hour}]" for hour in range(HOURS)]
    numbers = ", ".join(
        f"sum(CASE WHEN n[{place}] BETWEEN 0 AND {COUNTABLE} THEN n[{place}] ELSE 0 END)"
        for place in range(1, len(paths) + 1)
    )
    rows = db.rows(
        f"""
        WITH said AS (
            SELECT res_id, TRY_CAST(body->>'$.traffic.from' AS BIGINT) AS since, body->>'$.traffic.whole' AS whole, read_at,
                list_transform(json_extract_string(body, [{", ".join(f"'{path}'" for path in paths)}]),
                    lambda x: TRY_CAST(x AS BIGINT)) AS n
            FROM moment WHERE res_id IN ({_listed(res_ids)}) AND json_type(body, '$.traffic') = 'OBJECT'
        )
        SELECT res_id, count(*), count(*) FILTER (whole IS DISTINCT FROM 'true'),
            max(since) FILTER (since BETWEEN 0 AND 32503680000 AND whole IS DISTINCT FROM 'true'), min(read_at), {numbers}
        FROM said GROUP BY res_id
        """
    )
    made: dict[int, dict[str, Json]] = {}
    for res_id, hosts, cut, since, read_at, requests, size, *rest in rows:
        made[res_id] = {
            "hosts": hosts,
            "cut": cut,
            "since": rfc3339(float(since)) if since is not None else None,
            "readAt": rfc3339(read_at),
            "requests": requests,
            "bytes": size,
            "status": dict(zip(STATUS, rest[: len(STATUS)], strict=True)),
            "hours": list(rest[len(STATUS) :]),
        }
    return made


def missing(db: Db, res_id: int) -> list[dict[str, Json]]:
    """What was asked for most and is not there, over the site's hosts."""
    rows = db.rows(
        f"""
        WITH said AS (
            SELECT host_id, unnest(json_extract(body, '$.traffic.missing[*]')) AS one FROM moment WHERE res_id = {int(res_id)}
        )
        SELECT left(one->>'path', 200) AS path, sum(TRY_CAST(one->>'count' AS BIGINT)) AS times, count(DISTINCT host_id)
        FROM said WHERE json_type(one) = 'OBJECT' AND one->>'path' <> ''
            AND TRY_CAST(one->>'count' AS BIGINT) BETWEEN 1 AND {COUNTABLE}
        GROUP BY 1 ORDER BY times DESC, path LIMIT {MOST_MISSING}
        """
    )
    return [{"path": path, "count": int(times), "hosts": hosts} for path, times, hosts in rows]


NOTHING: dict[str, Json] = {"release": "", "altered": [], "traffic": None}
"""Of a host that has not said anything."""


def on_hosts(db: Db, res_id: int, host_ids: Sequence[int]) -> dict[int, dict[str, Json]]:
    """What each of these hosts serves, which files of it are altered, and what it was asked for in the last day."""
    status = ", ".join(f"TRY_CAST(m.body->>'$.traffic.status.{word}' AS BIGINT)" for word in STATUS)
    rows = db.rows(
        f"""
        SELECT s.host_id, coalesce(b.text->>'release', ''), json_extract_string(b.text, '$.altered[*]'), m.read_at,
            json_type(m.body, '$.traffic') = 'OBJECT', m.body->>'$.traffic.whole' = 'true',
            TRY_CAST(m.body->>'$.traffic.from' AS BIGINT), TRY_CAST(m.body->>'$.traffic.requests' AS BIGINT), {status}
        FROM observed s LEFT JOIN body b ON b.digest = s.state LEFT JOIN moment m
            ON m.host_id = s.host_id AND m.res_id = s.res_id
        WHERE s.res_id = {int(res_id)} AND s.host_id IN ({_listed(set(host_ids))})
        """
    )
    return {
        host_id: {
            "release": release[:64],
            "altered": [path[:300] for path in (altered or []) if path],
            "traffic": {
                "readAt": rfc3339(read_at),
                "since": rfc3339(float(since)) if since is not None and 0 <= since < 32_503_680_000 else None,
                "whole": bool(whole),
                "requests": _count(requests),
                "status": dict(zip(STATUS, map(_count, classes), strict=True)),
            }
            if counted
            else None,
        }
        for host_id, release, altered, read_at, counted, whole, since, requests, *classes in rows
    }


def _count(number: int | None) -> int:
    return number if number is not None and 0 <= number <= COUNTABLE else 0


def _listed(numbers: Sequence[int] | set[int]) -> str:
    return ", ".join(str(int(one)) for one in sorted(numbers)) or "NULL"


__all__ = ["NOTHING", "STATUS", "Standing", "certificates", "missing", "on_hosts", "standing", "traffic"]
