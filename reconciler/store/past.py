"""What a plan needs of the past, in one go: one join over all keys, then bodies only for those that don't agree.

core.select.rows says the same in plain Python; tests/store holds both equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

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
from ..core.select import NEVER_SEEN
from . import bodies, people, troubles
from .db import Db, seconds
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
    coalesce(w.host_id, o.host_id) AS host_id, coalesce(w.res_id, o.res_id) AS res_id, w.spread,
    s.status, s.state, s.why,
    o.origin, o.digest, o.spec, o.commit_id, o.on_remove, o.path, o.line
"""

_JOIN = """
    FROM {want} w
    FULL JOIN (SELECT * FROM owned WHERE confirmed) o ON o.host_id = w.host_id AND o.res_id = w.res_id
    JOIN {place} p ON p.host_id = coalesce(w.host_id, o.host_id)
    JOIN host h ON h.host_id = p.host_id AND h.seen_at IS NOT NULL
    LEFT JOIN observed s ON s.host_id = coalesce(w.host_id, o.host_id) AND s.res_id = coalesce(w.res_id, o.res_id)
"""

_DIFFERS = f"""
    WHERE w.host_id IS NULL OR o.host_id IS NULL OR o.digest <> w.digest
       OR o.on_remove <> list_extract($removals, w.removal + 1)
       OR s.status IS DISTINCT FROM {PRESENT} OR s.seen_as <> w.aim
"""


def past(db: Db, names: Names, sheets: Sheets, desired: Desired) -> PastOf:
    """Join `desired` with what is observed and owned. Rows only of hosts that were looked at; of the others, and of
    those that can't be reached, `hosts` tells. Reads only. Raises Refused."""
    sheet = sheets.of(desired)
    join = _JOIN.format(want=sheet.want, place=sheet.place)
    # A list of no text can't be typed by itself; no row is then declared, and no row asks for it.
    found = db.rows(f"SELECT {_COLUMNS} {join} {_DIFFERS}", {"removals": list(sheet.removals) or [""]})
    by_kind, by_host = _owned_counts(db, names, sheet)
    known = hosts(db)
    seen = [host.seen_at for name, host in known.items() if host.seen_at is not None and name in desired.hosts]
    return PastOf(
        rows=_rows(db, names, sheet, found),
        owned_by_kind=by_kind,
        owned_by_host=by_host,
        hosts=known,
        pauses=people.pauses(db),
        approvals=people.approvals(db, desired.commit.id),
        backoffs=people.backoffs(db, names),
        wave_runs=people.wave_runs(db, names, desired.commit.id),
        unmanaged=_unmanaged(db, sheet),
        observed_at=min(seen, default=None),
    )


def rows_for(db: Db, names: Names, sheets: Sheets, desired: Desired, keys: Sequence[Key]) -> tuple[Row, ...]:
    """Rows of `keys`, whether they agree or not; keys that nobody declares, owns or was shown are left out."""
    sheet = sheets.of(desired)
    known = [
        (sheet.hosts[key.host], sheet.refs.get(key.ref, names.refs.get(key.ref)))
        for key in keys
        if key.host in sheet.hosts
    ]
    pairs = [(host, ref) for host, ref in known if ref is not None]
    if not pairs:
        return ()
    asked = {
        "host_id": numpy.array([host for host, _ in pairs], dtype="int32"),
        "res_id": numpy.array([ref for _, ref in pairs], dtype="int32"),
    }
    join = _JOIN.format(want=sheet.want, place=sheet.place)
    with troubles.told(db.path), db.cursor() as cursor:
        cursor.register("asked", asked)
        found = cursor.execute(
            f"SELECT DISTINCT {_COLUMNS} {join} SEMI JOIN asked a "
            "ON a.host_id = coalesce(w.host_id, o.host_id) AND a.res_id = coalesce(w.res_id, o.res_id)"
        ).fetchall()
    return _rows(db, names, sheet, found)


def _rows(db: Db, names: Names, sheet: Sheet, found: Sequence[tuple[Any, ...]]) -> tuple[Row, ...]:
    wanted = {row[4] for row in found if row[4]} | {row[8] for row in found if row[8]}
    texts = bodies.read(db, wanted)
    made = []
    for host_id, res_id, spread, status, state, why, *owned in found:
        host = sheet.host_names[host_id]
        ref = sheet.ref_names[res_id] if res_id in sheet.ref_names else names.ref(res_id)
        key = Key(host, ref.kind, ref.name)
        mine: Owned | None = None if owned[0] is None else owned_of(key, owned, texts)
        made.append(
            Row(
                key=key,
                desired=None if spread is None else sheet.resource(spread, host),
                seen=observation(status, state, why, texts),
                owned=mine,
            )
        )
    return tuple(sorted(made, key=lambda row: row.key))


def observation(status: int | None, state: int, why: str, texts: Mapping[int, Any]) -> Observation:
    """From the columns of `observed`; a key that has none was never looked at."""
    if status is None:
        return NEVER_SEEN
    if status == PRESENT:
        return Present(texts[state]) if state in texts else Unknown("its state is not in the file: look again")
    return Absent() if status == ABSENT else Unknown(why)


def _owned_counts(db: Db, names: Names, sheet: Sheet) -> tuple[dict[str, int], dict[str, int]]:
    by_kind: dict[str, int] = {}
    source = f"FROM owned o SEMI JOIN {sheet.place} p ON p.host_id = o.host_id WHERE o.confirmed"
    for res_id, count in db.rows(f"SELECT o.res_id, count(*) {source} GROUP BY o.res_id"):
        kind = names.ref(res_id).kind
        by_kind[kind] = by_kind.get(kind, 0) + count
    by_host = {
        names.host(host_id): count
        for host_id, count in db.rows(f"SELECT o.host_id, count(*) {source} GROUP BY o.host_id")
    }
    return dict(sorted(by_kind.items())), dict(sorted(by_host.items()))


def _unmanaged(db: Db, sheet: Sheet) -> int:
    rows = db.rows(
        f"SELECT count(*) FROM observed s SEMI JOIN {sheet.place} p ON p.host_id = s.host_id "
        f"ANTI JOIN {sheet.want} w ON w.host_id = s.host_id AND w.res_id = s.res_id "
        f"ANTI JOIN owned o ON o.host_id = s.host_id AND o.res_id = s.res_id WHERE s.status = {PRESENT}"
    )
    return int(rows[0][0])


def hosts(db: Db) -> dict[str, HostPast]:
    """What is remembered of every host, by name."""
    return {
        name: HostPast(
            seen_at=seconds(seen_at),
            tried_at=seconds(tried_at),
            trouble=trouble,
            trouble_code=code,
            trouble_since=seconds(since),
            machine_id=machine_id,
        )
        for name, seen_at, tried_at, trouble, code, since, machine_id in db.rows(
            "SELECT name, seen_at, tried_at, trouble, trouble_code, trouble_since, machine_id FROM host ORDER BY name"
        )
    }
