"""What hosts said of sites, as columns beside the file in memory: each text is read once, and what a look changed is read anew.

What comes from hosts may be of any form: DuckDB's json_transform gives NULL for what isn't as it is asked for.
"""

from __future__ import annotations

import threading
from weakref import WeakKeyDictionary

from reconciler.store import troubles
from reconciler.store.counting import MANY
from reconciler.store.db import SHEETS, Cursor, Db

STATUS = ("2xx", "3xx", "4xx", "5xx")
HOURS = 24
MOST = 2**53
"""A number of a host's that is greater is none."""
LATEST = 32_503_680_000
"""And a time after the year 3000, in seconds since 1970."""

STATES = f"{SHEETS}.site_states"
"""digest (of a body), release, files, bytes, certificates."""
ASKED = f"{SHEETS}.site_asked"
"""res_id, host_id, read_at, since, whole, requests, bytes, of 2xx, …, hour 0, …, missing."""
NUMBERS = ("requests", "bytes", *(f"of_{word}" for word in STATUS), *(f"hour_{hour}" for hour in range(HOURS)))

_LOCK = threading.Lock()
_SEEN: WeakKeyDictionary[Db, tuple[int, int]] = WeakKeyDictionary()
"""Which opening of a file, and up to which of its writes, the tables are of."""
_STATE = (
    '{"release": "VARCHAR", "files": "BIGINT", "bytes": "BIGINT", "certificates": [{"path": "VARCHAR", '
    '"notAfter": "TIMESTAMP", "issuer": "VARCHAR", "trouble": "VARCHAR", "names": ["VARCHAR"]}]}'
)
_CLASSES = ", ".join(f'"{word}": "BIGINT"' for word in STATUS)
_MOMENT = (
    f'{{"traffic": {{"requests": "BIGINT", "bytes": "BIGINT", "from": "BIGINT", "whole": "BOOLEAN", "hours": ["BIGINT"], '
    f'"status": {{{_CLASSES}}}, "missing": [{{"path": "VARCHAR", "count": "BIGINT"}}]}}}}'
)
_PLACES = (
    "t.requests",
    "t.bytes",
    *(f't.status."{word}"' for word in STATUS),
    *(f"t.hours[{hour + 1}]" for hour in range(HOURS)),
)


def _number(place: str) -> str:
    return f"CASE WHEN {place} BETWEEN 0 AND {MOST} THEN {place} END"


_NUMBERED = ", ".join(f"coalesce({_number(place)}, 0) AS {name}" for name, place in zip(NUMBERS, _PLACES, strict=True))

_STATES_OF = f"""
    SELECT digest, left(coalesce(has.release, ''), 64) AS release, {_number("has.files")} AS files,
        {_number("has.bytes")} AS bytes, has.certificates AS certificates
    FROM (
        SELECT digest, json_transform(text, '{_STATE}') AS has FROM body WHERE digest IN (
            SELECT s.state FROM observed s JOIN resource r USING (res_id) WHERE r.kind = $kind AND s.state <> 0 AND %s)
    )
"""
_ASKED_OF = f"""
    SELECT res_id, host_id, read_at, CASE WHEN t."from" BETWEEN 0 AND {LATEST} THEN t."from" END AS since,
        coalesce(t.whole, false) AS whole, t.requests IS NOT NULL AS counted, {_NUMBERED}, t.missing AS missing
    FROM (
        SELECT m.res_id, m.host_id, m.read_at, json_transform(m.body, '{_MOMENT}').traffic AS t
        FROM moment m JOIN resource r USING (res_id) WHERE r.kind = $kind AND %s
    )
"""


def fresh(db: Db, kind: str) -> None:
    """Bring both tables to what the file says now, of hosts that a write was about since."""
    with _LOCK, troubles.told(db.path), db.cursor() as cursor:
        opening, generation = _SEEN.get(db, (0, -1))
        now = db.generation
        touched = db.touched_since(generation) if opening == db.openings else None
        cursor.execute("BEGIN")  # who counts meanwhile sees all as it was; what fails ends with the cursor
        if opening != db.openings:
            for table, made in ((STATES, _STATES_OF), (ASKED, _ASKED_OF)):
                cursor.execute(f"CREATE OR REPLACE TABLE {table} AS {made % 'false'}", {"kind": kind})
        if touched is None or len(touched) > MANY:
            cursor.execute(f"DELETE FROM {STATES}")
            cursor.execute(f"DELETE FROM {ASKED}")
            _read(cursor, kind, "true")
        elif touched:
            some = f"host_id IN ({', '.join(map(str, sorted(touched)))})"
            cursor.execute(f"DELETE FROM {ASKED} WHERE {some}")
            _read(cursor, kind, some)
        cursor.execute("COMMIT")
        _SEEN[db] = (db.openings, now)


def _read(cursor: Cursor, kind: str, which: str) -> None:
    # A state that no host has any more stays until all is read anew: nobody asks for it.
    cursor.execute(
        f"INSERT INTO {STATES} FROM ({_STATES_OF % which}) n ANTI JOIN {STATES} t USING (digest)", {"kind": kind}
    )
    cursor.execute(f"INSERT INTO {ASKED} {_ASKED_OF % which}", {"kind": kind})


__all__ = ["ASKED", "MOST", "NUMBERS", "STATES", "STATUS", "fresh"]
