"""What a plan needs of the past, in one go: one join over all keys, then bodies only for those that don't agree.

core.select.rows says the same in plain Python; tests/store holds both equal.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any

import duckdb

from ..core.model import (
    Absent,
    Approval,
    Backoff,
    Desired,
    HostPast,
    Key,
    Observation,
    Owned,
    Pause,
    Present,
    Row,
    Unknown,
    WaveRun,
)
from ..core.model.observed import NEVER_SEEN
from . import bodies, people, troubles
from .arrays import numpy
from .db import Db
from .late import Late
from .names import Names
from .owning import owned_of
from .sheet import Sheet, Sheets
from .terms import ABSENT, PRESENT


@dataclass(frozen=True, kw_only=True)
class PastOf:
    """`ports.Past`, gathered."""

    rows: tuple[Row, ...]
    owned_by_kind: Mapping[str, int]
    owned_by_host: Mapping[str, int]
    hosts: Mapping[str, HostPast]
    pauses: tuple[Pause, ...]
    approvals: tuple[Approval, ...]
    backoffs: tuple[Backoff, ...]
    wave_runs: tuple[WaveRun, ...]
    unmanaged: int
    observed_at: float | None


_COLUMNS = """
    d.host_id, d.res_id, d.spread,
    s.status, s.state, s.why,
    o.origin, o.digest, o.spec, o.commit_id, o.on_remove, o.path, o.line
"""

# Per host, sums of hashes over its rows, worked out at each plan: where they are equal, so are the rows (64 bits, as
# core.model.digest). The join of every row, and the memory that it takes, is only for the other hosts. What is
# unmanaged was seen through nobody's eyes (0), so it makes no host another one.
_SUMS = f"""
    CREATE TEMP TABLE sums AS
    WITH w AS (
        SELECT host_id, sum(hash(xor(hash($salt, res_id, digest, removal), $salt))) AS kept,
            sum(hash(xor(hash($salt, res_id, aim), $salt))) AS seen
        FROM {{want}} GROUP BY host_id
    ), o AS (
        SELECT host_id,
            sum(hash(xor(hash($salt, res_id, digest, (list_position($removals, on_remove) - 1)::INTEGER), $salt))) AS kept
        FROM owned WHERE confirmed GROUP BY host_id
    ), s AS (
        SELECT host_id, count(*) AS present,
            sum(hash(xor(hash($salt, res_id, seen_as), $salt))) FILTER (seen_as <> 0) AS seen
        FROM observed WHERE status = {PRESENT} GROUP BY host_id
    )
    SELECT coalesce(w.host_id, o.host_id, s.host_id) AS host_id, coalesce(s.present, 0) AS present,
        (w.kept IS DISTINCT FROM o.kept OR w.seen IS DISTINCT FROM s.seen)
            AND (w.host_id IS NOT NULL OR o.host_id IS NOT NULL) AS unequal
    FROM w FULL JOIN o ON o.host_id = w.host_id FULL JOIN s ON s.host_id = coalesce(w.host_id, o.host_id)
"""

_UNEQUAL = "SEMI JOIN (SELECT host_id FROM sums WHERE unequal) u USING (host_id)"

_JOIN = f"""
    FROM (SELECT * FROM {{want}} {_UNEQUAL}) w
    FULL JOIN (SELECT host_id, res_id, digest, on_remove FROM owned {_UNEQUAL} WHERE confirmed) o
        ON o.host_id = w.host_id AND o.res_id = w.res_id
    LEFT JOIN (SELECT host_id, res_id, status, seen_as FROM observed {_UNEQUAL}) s
        ON s.host_id = coalesce(w.host_id, o.host_id) AND s.res_id = coalesce(w.res_id, o.res_id)
"""

_DIFFERS = f"""
    WHERE w.host_id IS NULL OR o.host_id IS NULL OR o.digest <> w.digest
       OR o.on_remove <> list_extract($removals, w.removal + 1)
       OR s.status IS DISTINCT FROM {PRESENT} OR s.seen_as <> w.aim
"""

# Only numbers go through the join of everything; texts are fetched for what it leaves.
_PAIRS = (
    "SELECT coalesce(w.host_id, o.host_id) AS host_id, coalesce(w.res_id, o.res_id) AS res_id, "
    "coalesce(w.spread, -1) AS spread, coalesce(s.status::TINYINT, -1) AS status"
)

_TEXTS = """
    FROM found d
    JOIN host h ON h.host_id = d.host_id AND h.seen_at IS NOT NULL
    LEFT JOIN owned o ON o.host_id = d.host_id AND o.res_id = d.res_id AND o.confirmed
    LEFT JOIN observed s ON s.host_id = d.host_id AND s.res_id = d.res_id
"""


def past(db: Db, names: Names, sheets: Sheets, desired: Desired) -> PastOf:
    """Join `desired` with what is observed and owned. Rows only of hosts that were looked at; of the others, and of
    those that can't be reached, `hosts` tells. Reads only. Raises Refused."""
    sheet = sheets.of(desired)
    rows, unmanaged = _found(db, names, sheet)
    known = hosts(db)
    seen = [host.seen_at for name, host in known.items() if host.seen_at is not None and name in desired.hosts]
    return PastOf(
        rows=rows,
        owned_by_kind=Late(lambda: _owned_by_kind(db, names, sheet)),
        owned_by_host=Late(lambda: _owned_by_host(db, names, sheet)),
        hosts=known,
        pauses=people.pauses(db),
        approvals=people.approvals(db, desired.commit.id),
        backoffs=people.backoffs(db, names),
        wave_runs=people.wave_runs(db, names, desired.commit.id),
        unmanaged=unmanaged,
        observed_at=min(seen, default=None),
    )


def _found(db: Db, names: Names, sheet: Sheet) -> tuple[tuple[Row, ...], int]:
    """The rows that don't obviously agree, and how many things are unmanaged. One moment of the file."""
    with troubles.told(db.path), db.cursor() as cursor:
        cursor.execute("BEGIN")
        # A list of no text can't be typed by itself; no row is then declared, and no row asks for it.
        removals = {"removals": list(sheet.removals) or [""]}
        # Another salt each time: nobody can look for other rows with the same sum.
        cursor.execute(_SUMS.format(want=sheet.want).replace("$salt", f"{secrets.randbits(63)}::UBIGINT"), removals)
        many = cursor.execute(
            "CREATE TEMP TABLE found AS SELECT p.* REPLACE (nullif(spread, -1) AS spread) "
            f"FROM ({_PAIRS} {_JOIN.format(want=sheet.want)} {_DIFFERS}) p SEMI JOIN {sheet.place} q USING (host_id)",
            removals,
        ).fetchall()[0][0]
        unmanaged = _unmanaged(cursor, sheet)
        rows: tuple[Row, ...] = ()
        if many:
            cursor.execute(f"SELECT DISTINCT unnest([s.state, o.spec]) {_TEXTS}")
            texts = bodies.read(db, (body for (body,) in _parts(cursor) if body))
            cursor.execute(f"SELECT {_COLUMNS} {_TEXTS}")
            rows = _rows(names, sheet, _parts(cursor), texts)
            del texts
        cursor.execute("ROLLBACK")
    return rows, unmanaged


def _parts(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    """What a query gives, some at a time: as tuples, all of it would be the most room that a plan takes."""
    while part := cursor.fetchmany(2048):
        yield from map(_shared, part)


def _shared(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row whose texts are those of other rows, where they are equal: few commits and files own what there is."""
    return tuple([intern(value) if type(value) is str else value for value in row])


def rows_for(db: Db, names: Names, sheets: Sheets, desired: Desired, keys: Sequence[Key]) -> tuple[Row, ...]:
    """Rows of `keys`, whether they agree or not; keys that nobody declares, owns or was shown are left out."""
    sheet = sheets.of(desired)
    known = [
        (sheet.hosts[key.host], sheet.refs.get(key.ref, names.refs.get(key.ref)))
        for key in keys
        if key.host in sheet.hosts
    ]
    pairs = sorted({(host, ref) for host, ref in known if ref is not None})
    if not pairs:
        return ()
    asked = {
        "host_id": numpy.array([host for host, _ in pairs], dtype="int32"),
        "res_id": numpy.array([ref for _, ref in pairs], dtype="int32"),
    }
    with troubles.told(db.path), db.cursor() as cursor:
        cursor.register("asked", asked)
        found = cursor.execute(
            f"WITH found AS (SELECT a.host_id, a.res_id, w.spread FROM asked a LEFT JOIN {sheet.want} w USING (host_id, res_id)) "
            f"SELECT {_COLUMNS} {_TEXTS} WHERE d.spread IS NOT NULL OR o.host_id IS NOT NULL"
        ).fetchall()
    return _rows(names, sheet, found, bodies.read(db, {body for row in found for body in (row[4], row[8]) if body}))


def _rows(names: Names, sheet: Sheet, found: Iterable[tuple[Any, ...]], texts: Mapping[int, Any]) -> tuple[Row, ...]:
    made = []
    for host_id, res_id, spread, status, state, why, *owned in found:
        host = sheet.host_names[host_id]
        ref = sheet.ref_names[res_id] if res_id in sheet.ref_names else names.ref(res_id)
        key = Key(host, ref.kind, ref.name)
        mine: Owned | None = None if owned[0] is None else owned_of(key, owned, texts)
        made.append(
            Row(
                key=key,
                desired=None if spread is None else sheet.resource(spread, host, key),
                seen=observation(status, state, why, texts),
                owned=mine,
            )
        )
    del texts  # before the sort takes room of its own
    # By the texts, not by Key's own comparing: tuples of them compare without a call.
    made.sort(key=lambda row: (row.key.host, row.key.kind, row.key.name))
    return tuple(made)


def observation(status: int | None, state: int, why: str, texts: Mapping[int, Any]) -> Observation:
    """From the columns of `observed`; a key that has none was never looked at."""
    if status is None:
        return NEVER_SEEN
    if status == PRESENT:
        return Present(texts[state]) if state in texts else Unknown("its state is not in the file: look again")
    return Absent() if status == ABSENT else Unknown(why)


_OWNED = "FROM owned o SEMI JOIN {place} p ON p.host_id = o.host_id WHERE o.confirmed"


def _owned_by_kind(db: Db, names: Names, sheet: Sheet) -> dict[str, int]:
    by_kind: dict[str, int] = {}
    for res_id, count in db.rows(f"SELECT o.res_id, count(*) {_OWNED.format(place=sheet.place)} GROUP BY o.res_id"):
        kind = names.ref(res_id).kind
        by_kind[kind] = by_kind.get(kind, 0) + count
    return dict(sorted(by_kind.items()))


def _owned_by_host(db: Db, names: Names, sheet: Sheet) -> dict[str, int]:
    rows = db.rows(f"SELECT o.host_id, count(*) {_OWNED.format(place=sheet.place)} GROUP BY o.host_id")
    return dict(sorted((names.host(host_id), count) for host_id, count in rows))


def _unmanaged(cursor: duckdb.DuckDBPyConnection, sheet: Sheet) -> int:
    """Things that are there on hosts of the inventory, and that nobody declares or owns.

    Counted from what the join left: of what is declared or owned, all is there but what `found` says otherwise of.
    """
    lost = int(cursor.execute("SELECT count(*) FROM owned WHERE NOT confirmed").fetchall()[0][0])
    if lost:
        rows = cursor.execute(
            f"SELECT count(*) FROM observed s SEMI JOIN {sheet.place} p ON p.host_id = s.host_id "
            f"ANTI JOIN {sheet.want} w ON w.host_id = s.host_id AND w.res_id = s.res_id "
            f"ANTI JOIN owned o ON o.host_id = s.host_id AND o.res_id = s.res_id WHERE s.status = {PRESENT}"
        ).fetchall()
        return int(rows[0][0])
    sql = f"""
        SELECT (SELECT coalesce(sum(present), 0) FROM sums SEMI JOIN {sheet.place} p USING (host_id))
            - (SELECT count(*) FROM {sheet.want})
            + (SELECT count(*) FROM found WHERE spread IS NOT NULL AND status <> {PRESENT})
            - (SELECT count(*) FROM found WHERE spread IS NULL AND status = {PRESENT})
    """
    return int(cursor.execute(sql).fetchall()[0][0])


def hosts(db: Db, only: str = "") -> dict[str, HostPast]:
    """What is remembered of every host, or of one, by name."""
    return {
        name: HostPast(
            seen_at=seen_at,
            tried_at=tried_at,
            trouble=trouble,
            trouble_code=code,
            trouble_since=since,
            machine_id=machine_id,
        )
        for name, seen_at, tried_at, trouble, code, since, machine_id in db.rows(
            "SELECT name, epoch_us(seen_at) / 1e6, epoch_us(tried_at) / 1e6, trouble, trouble_code, "
            "epoch_us(trouble_since) / 1e6, machine_id FROM host WHERE $only = '' OR name = $only ORDER BY name",
            {"only": only},
        )
    }
