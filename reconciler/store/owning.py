"""Ownership, as we recorded it and as each host tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import duckdb

from ..core.model import Key, Origin, Owned, Source, Untold
from . import bodies as bodies_
from . import rollbacks
from .arrays import numpy
from .bodies import Bodies
from .db import Db, moments, number, text, words
from .names import Names
from .terms import ABSENT, Taken


def hosts_say(con: duckdb.DuckDBPyConnection, names: Names, taken: Sequence[Taken], bodies: Bodies) -> None:
    """What the hosts' own files say is owned: both sides are shown, and only what both say may be deleted.

    What a file has and we don't is taken in (our file was lost, or a kill came before we wrote). What we have and it
    doesn't stays as not confirmed; when it isn't there any more either, nothing is left to remember. What was let go of
    is not taken in again, as long as the host has not been told.
    """
    told = [item for item in taken if item.report.owned is not None]
    if not told:
        return
    said = {
        (names.hosts[mine.key.host], names.refs[mine.key.ref]): (mine, item.report.ended or item.now)
        for item in told
        for mine in item.report.owned or ()
        if mine.key.host == item.report.host
    }
    con.register(
        "said",
        {
            "host_id": numpy.array([host for host, _ in said], dtype="int32"),
            "res_id": numpy.array([ref for _, ref in said], dtype="int32"),
            "digest": numpy.array([number(mine.digest) for mine, _ in said.values()], dtype="uint64"),
            "removal": words([mine.on_remove for mine, _ in said.values()]),
        },
    )
    con.register("told", {"host_id": numpy.array([names.hosts[item.report.host] for item in told], dtype="int32")})
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE heard AS
        SELECT o.host_id, o.res_id, s.host_id IS NOT NULL AS said, s.digest, s.removal,
               o.confirmed <> said OR o.told IS DISTINCT FROM s.digest OR o.told_removal IS DISTINCT FROM s.removal AS news
        FROM owned o SEMI JOIN told t ON t.host_id = o.host_id
        LEFT JOIN said s ON s.host_id = o.host_id AND s.res_id = o.res_id
        """
    )
    con.execute(
        "DELETE FROM let_go USING told t WHERE t.host_id = let_go.host_id "
        "AND NOT EXISTS (FROM said s WHERE s.host_id = let_go.host_id AND s.res_id = let_go.res_id)"
    )
    con.unregister("told")
    con.unregister("said")
    if con.execute("SELECT count(*) FROM heard WHERE news").fetchall()[0][0]:
        con.execute(
            "UPDATE owned SET confirmed = h.said, told = h.digest, told_removal = h.removal FROM heard h "
            "WHERE h.host_id = owned.host_id AND h.res_id = owned.res_id AND h.news"
        )
    con.execute(
        "DELETE FROM owned USING observed o WHERE NOT owned.confirmed "
        "AND o.host_id = owned.host_id AND o.res_id = owned.res_id AND o.status = ?",
        [ABSENT],
    )
    ours = set(con.execute("SELECT host_id, res_id FROM heard UNION ALL FROM let_go").fetchall())
    fresh = [found for place, found in said.items() if place not in ours]
    if fresh:
        write_owned(con, names, [mine for mine, _ in fresh], bodies, [at for _, at in fresh], told=True)


def write_owned(
    con: duckdb.DuckDBPyConnection,
    names: Names,
    owned: Sequence[Owned],
    bodies: Bodies,
    at: Sequence[float],
    *,
    told: bool = False,
    history: Iterable[str] = (),
) -> None:
    """Insert or replace ownership, each `at` its moment; `owned_since` stays, `applied_at` moves only with the digest.
    `told`: the hosts' own files say so themselves. `history`: kinds of which is kept what was applied before."""
    specs = [bodies.put(dict(mine.spec)) for mine in owned]
    fresh: dict[str, Any] = {
        "host_id": numpy.array([names.hosts[mine.key.host] for mine in owned], dtype="int32"),
        "res_id": numpy.array([names.refs[mine.key.ref] for mine in owned], dtype="int32"),
        "digest": numpy.array([number(mine.digest) for mine in owned], dtype="uint64"),
        "spec": numpy.array(specs, dtype="uint64"),
        "line": numpy.array([mine.source.line for mine in owned], dtype="int32"),
        "kept_at": moments(at),
        "origin": words([mine.origin.value for mine in owned]),
        "commit_id": words([mine.commit for mine in owned]),
        "on_remove": words([mine.on_remove for mine in owned]),
        "path": words([mine.source.path for mine in owned]),
    }
    con.register("fresh_owned", fresh)
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE kept AS
        SELECT f.host_id, f.res_id, f.origin, f.digest, f.spec, f.commit_id, f.on_remove, f.path, f.line,
               coalesce(o.owned_since, f.kept_at) AS owned_since,
               CASE WHEN o.digest = f.digest THEN o.applied_at ELSE f.kept_at END AS applied_at, true AS confirmed,
               CASE WHEN NOT $told THEN o.told WHEN f.digest <> 0 THEN f.digest END AS told,
               CASE WHEN $told THEN f.on_remove ELSE o.told_removal END AS told_removal
        FROM fresh_owned f LEFT JOIN owned o ON o.host_id = f.host_id AND o.res_id = f.res_id
        """,
        {"told": told},
    )
    con.unregister("fresh_owned")
    if history:
        rollbacks.replaced(con, history)
    con.execute("DELETE FROM owned USING kept k WHERE k.host_id = owned.host_id AND k.res_id = owned.res_id")
    con.execute("DELETE FROM let_go USING kept k WHERE k.host_id = let_go.host_id AND k.res_id = let_go.res_id")
    con.execute("INSERT INTO owned FROM kept")
    bodies.write(con, specs)


def drop_owned(con: duckdb.DuckDBPyConnection, names: Names, keys: Iterable[Key]) -> None:
    """End ownership of these keys; what was never owned is passed over. The hosts that still say otherwise will be told."""
    known = [
        (names.hosts[key.host], names.refs[key.ref])
        for key in keys
        if key.host in names.hosts and key.ref in names.refs
    ]
    if not known:
        return
    gone = {
        "host_id": numpy.array([host for host, _ in known], dtype="int32"),
        "res_id": numpy.array([ref for _, ref in known], dtype="int32"),
    }
    con.register("gone", gone)
    con.execute(
        "INSERT INTO let_go SELECT host_id, res_id FROM owned SEMI JOIN gone USING (host_id, res_id) WHERE told IS NOT NULL"
    )
    con.execute("DELETE FROM owned USING gone g WHERE g.host_id = owned.host_id AND g.res_id = owned.res_id")
    con.unregister("gone")


def owned_on(db: Db, names: Names, hosts: Sequence[str]) -> Mapping[str, tuple[Owned, ...]]:
    """What is owned on each of `hosts`, by us or by the host's word, in key order."""
    return _owned(db, names, hosts, "true")


def untold(db: Db, names: Names, hosts: Sequence[str]) -> Mapping[str, Untold]:
    """What the own file of each of `hosts` did not say when it was heard last. What it said once and says no longer is
    not told again: only what both say may be deleted."""
    own = _owned(
        db, names, hosts,
        "o.confirmed AND (o.told IS DISTINCT FROM o.digest OR o.told_removal IS DISTINCT FROM o.on_remove)",
    )  # fmt: skip
    gone: dict[str, list[Key]] = {}
    ids = [names.hosts[name] for name in hosts if name in names.hosts]
    for host_id, res_id in (
        db.rows("FROM let_go WHERE host_id IN (SELECT unnest(?)) ORDER BY ALL", [ids]) if ids else ()
    ):
        key = Key(names.host(host_id), *ref_parts(names, res_id))
        gone.setdefault(key.host, []).append(key)
    return {
        host: Untold(own=own.get(host, ()), disown=tuple(sorted(gone.get(host, ())))) for host in sorted({*own, *gone})
    }


def _owned(db: Db, names: Names, hosts: Sequence[str], where: str) -> Mapping[str, tuple[Owned, ...]]:
    ids = [names.hosts[name] for name in hosts if name in names.hosts]
    if not ids:
        return {}
    rows = db.rows(
        "SELECT o.host_id, o.res_id, o.origin, o.digest, o.spec, o.commit_id, o.on_remove, o.path, o.line "
        f"FROM owned o WHERE o.host_id IN (SELECT unnest(?)) AND {where}",
        [ids],
    )
    specs = bodies_.read(db, (row[4] for row in rows))
    found: dict[str, list[Owned]] = {}
    for host_id, res_id, *rest in rows:
        key = Key(names.host(host_id), *ref_parts(names, res_id))
        found.setdefault(key.host, []).append(owned_of(key, rest, specs))
    return {host: tuple(sorted(mine, key=lambda one: one.key)) for host, mine in sorted(found.items())}


def ref_parts(names: Names, res_id: int) -> tuple[str, str]:
    ref = names.ref(res_id)
    return ref.kind, ref.name


def owned_of(key: Key, columns: Sequence[Any], specs: Mapping[int, Any]) -> Owned:
    """From the columns origin, digest, spec, commit_id, on_remove, path, line."""
    origin, digest, spec, commit, on_remove, path, line = columns
    return Owned(
        key=key,
        origin=Origin(origin),
        spec=specs.get(spec, {}),
        digest=text(digest),
        commit=commit,
        on_remove=on_remove,
        source=Source(path=path, line=line, commit=commit if path else ""),
    )
