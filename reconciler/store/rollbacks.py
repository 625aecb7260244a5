"""What was applied before, and who went back to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from ..clock import moment
from ..core.kind import Kinds
from ..core.model import Applied, GoneTo, Ref, Rollback
from . import bodies
from .arrays import numpy
from .bodies import Bodies
from .db import Db, number, seconds, text
from .names import Names

MOST = 1000
_HISTORY = """
    SELECT host_id, digest, spec, commit_id, valid_from, valid_to FROM applied_past WHERE res_id = $res
    UNION ALL SELECT host_id, digest, spec, commit_id, applied_at, NULL FROM owned WHERE res_id = $res AND confirmed
    ORDER BY ALL
"""


def replaced(con: duckdb.DuckDBPyConnection, kinds: Iterable[str]) -> None:
    """Keep what is about to be written over in `owned` by the temporary table `kept`, of these kinds (owning.write_owned)."""
    con.execute(
        "INSERT INTO applied_past SELECT o.host_id, o.res_id, o.digest, o.spec, o.commit_id, o.applied_at, k.applied_at "
        "FROM owned o JOIN kept k ON k.host_id = o.host_id AND k.res_id = o.res_id AND k.digest <> o.digest "
        "SEMI JOIN (SELECT res_id FROM resource WHERE kind IN (SELECT unnest($kinds::VARCHAR[]))) r ON r.res_id = o.res_id "
        "SEMI JOIN body b ON b.digest = o.spec",
        {"kinds": sorted(kinds)},
    )


def applied(db: Db, names: Names, kinds: Kinds, kind: str, name: str) -> tuple[Applied, ...]:
    """Every version of a resource that was applied on any host, and is remembered."""
    found = db.rows("SELECT res_id FROM resource WHERE kind = ? AND name = ?", [kind, name])
    if not found:
        return ()
    rows = db.rows(_HISTORY, {"res": found[0][0]})
    specs = bodies.read(db, (row[2] for row in rows))
    return tuple(
        Applied(
            host=names.host(host_id),
            version=kinds[kind].version(specs[spec]),
            spec=specs[spec],
            digest=text(digest),
            commit=commit,
            began=seconds(began) or 0.0,
            ended=seconds(ended),
        )
        for host_id, digest, spec, commit, began, ended in rows
        if specs.get(spec)  # empty of what only a host told of, since our own file was lost
    )


def in_force(db: Db, names: Names) -> tuple[Rollback, ...]:
    """Those that nobody ended, in the order in which they were made."""
    rows = db.rows(
        "SELECT rollback_id, res_id, away, version, commit_id, why, who, made_at FROM rollback "
        "WHERE ended_at IS NULL ORDER BY rollback_id"
    )
    if not rows:
        return ()
    hosts = db.rows("SELECT h.* FROM rollback_host h JOIN rollback r USING (rollback_id) WHERE r.ended_at IS NULL")
    specs = bodies.read(db, (row[3] for row in hosts))
    each: dict[int, dict[str, GoneTo]] = {}
    for rollback_id, host_id, digest, spec in hosts:
        back = GoneTo(spec=specs[spec], digest=text(digest))
        each.setdefault(rollback_id, {})[names.host(host_id)] = back
    made = []
    for rollback_id, res_id, away, version, commit, why, who, at in rows:
        ref = names.ref(res_id)
        made.append(
            Rollback(
                kind=ref.kind,
                name=ref.name,
                away=away,
                version=version,
                commit=commit,
                why=why,
                who=who,
                at=seconds(at) or 0.0,
                hosts=dict(sorted(each.get(rollback_id, {}).items())),
                number=rollback_id,
            )
        )
    return tuple(made)


def roll_back(db: Db, names: Names, asked: Rollback, now: float) -> int:
    """Remember it, in place of one of the same resource that holds; gives its number."""
    with db.writing() as con:
        ref = Ref(asked.kind, asked.name)
        names.learn(con, asked.hosts, [ref])
        res_id = names.refs[ref]
        con.execute(
            "UPDATE rollback SET ended_at = ?, ended_by = ? WHERE res_id = ? AND ended_at IS NULL",
            [moment(now), f"{asked.who}, by another rollback", res_id],
        )
        rollback_id = int(con.execute("SELECT coalesce(max(rollback_id), 0) + 1 FROM rollback").fetchall()[0][0])
        con.execute(
            "INSERT INTO rollback VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, '')",
            [rollback_id, res_id, asked.away, asked.version, asked.commit, asked.why, asked.who, moment(now)],
        )
        kept = Bodies()
        fresh = {
            "host_id": numpy.array([names.hosts[host] for host in asked.hosts], dtype="int32"),
            "digest": numpy.array([number(back.digest) for back in asked.hosts.values()], dtype="uint64"),
            "spec": numpy.array([kept.put(dict(back.spec)) for back in asked.hosts.values()], dtype="uint64"),
        }
        con.register("fresh_back", fresh)
        con.execute("INSERT INTO rollback_host SELECT ?, host_id, digest, spec FROM fresh_back", [rollback_id])
        con.unregister("fresh_back")
        kept.write(con)
        return rollback_id


def end(db: Db, numbers: Iterable[int], by: str, now: float) -> int:
    """End these; gives how many held until now."""
    with db.writing() as con:
        ended = con.execute(
            "UPDATE rollback SET ended_at = $now, ended_by = $by "
            "WHERE ended_at IS NULL AND rollback_id IN (SELECT unnest($numbers::INTEGER[])) RETURNING rollback_id",
            {"now": moment(now), "by": by, "numbers": sorted(numbers)},
        ).fetchall()
        return len(ended)


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """That somebody went back."""

    kind: str
    name: str
    who: str
    why: str
    at: float


def made(db: Db) -> list[Made]:
    """Rollbacks, those that are over too, newest first; the last MOST."""
    rows = db.rows(
        "SELECT r.kind, r.name, b.who, b.why, b.made_at FROM rollback b JOIN resource r USING (res_id) "
        "ORDER BY b.rollback_id DESC LIMIT ?",
        [MOST],
    )
    return [Made(kind=kind, name=name, who=who, why=why, at=seconds(at) or 0.0) for kind, name, who, why, at in rows]


def why_of(known: list[Made], kind: str, name: str, at: float) -> str:
    """By whom and why a resource was put back by a change of that time; empty when nobody remembers."""
    found = next((one for one in known if (one.kind, one.name) == (kind, name) and one.at <= at), None)
    return f"put back by {found.who}: {found.why}" if found is not None else ""
