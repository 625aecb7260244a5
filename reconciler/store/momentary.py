"""What of a state is of the moment: split off as a reading comes in, kept as it was read last, and read by pages.

It differs at each look though nothing was changed on the host, so as a part of the state it would make history, and the
file would grow by it for ever. Here a resource of a host has one row, which the next look writes over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from ..clock import rfc3339
from ..core.kind import Kinds
from ..core.model import Json, State, canonical
from .arrays import numpy
from .db import Db, moments, words

MOST = 16 * 1024
"""Characters that one resource's may have: what a host says beyond is not kept at all."""


@dataclass
class Momentary:
    """What the readings of some visits have of it, by column."""

    host_id: list[int] = field(default_factory=list)
    res_id: list[int] = field(default_factory=list)
    read_at: list[float] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    """Empty: there is none any more."""

    def add(self, host_id: int, res_id: int, read_at: float, body: str) -> None:
        self.host_id.append(host_id)
        self.res_id.append(res_id)
        self.read_at.append(read_at)
        self.body.append(body)

    def write(self, con: duckdb.DuckDBPyConnection) -> None:
        if not self.host_id:
            return
        fresh = {
            "host_id": numpy.array(self.host_id, dtype="int32"),
            "res_id": numpy.array(self.res_id, dtype="int32"),
            "read_at": moments(self.read_at),
            "body": words(self.body),
        }
        con.register("fresh_moments", fresh)
        con.execute(
            "DELETE FROM moment USING fresh_moments f WHERE f.host_id = moment.host_id AND f.res_id = moment.res_id"
        )
        con.execute("INSERT INTO moment SELECT host_id, res_id, read_at, body FROM fresh_moments WHERE body <> ''")
        con.unregister("fresh_moments")


def split(kinds: Kinds, kind: str, body: State) -> tuple[State, str]:
    """The state without what is of the moment, and that as a text; empty when there is none, or too much."""
    names = of(kinds, kind)
    if not names:
        return body, ""
    passing = canonical({name: body[name] for name in names if name in body})
    lasting = {name: value for name, value in body.items() if name not in names}
    return lasting, passing if 2 < len(passing) <= MOST else ""


def of(kinds: Kinds, kind: str) -> tuple[str, ...]:
    """The fields of the kind's state that are of the moment."""
    return kinds[kind].moments if kind in kinds else ()


def read(db: Db, res_ids: Sequence[int], host_ids: Sequence[int] | None = None) -> dict[int, dict[int, dict[str, Any]]]:
    """Resource → host → what was read of it last, and `readAt`, by number; of these hosts only where they are named."""
    if not res_ids or host_ids == ():
        return {}
    among = "" if host_ids is None else f"AND host_id IN ({', '.join(str(int(one)) for one in host_ids)})"
    rows = db.rows(
        f"SELECT res_id, host_id, read_at, body FROM moment "
        f"WHERE res_id IN ({', '.join(str(int(one)) for one in res_ids)}) {among}"
    )
    found: dict[int, dict[int, dict[str, Any]]] = {}
    # Many in one go share the names of their fields.
    values = json.loads(f"[{','.join(body for _, _, _, body in rows)}]")
    for (res_id, host_id, read_at, _), value in zip(rows, values, strict=True):
        found.setdefault(res_id, {})[host_id] = {**value, "readAt": rfc3339(read_at)}
    return found


def one(db: Db, host: str, kind: str, name: str) -> Mapping[str, Json]:
    """The same of one resource of one host; empty when there is none."""
    rows = db.rows(
        "SELECT m.body FROM moment m JOIN host h USING (host_id) JOIN resource r USING (res_id) "
        "WHERE h.name = ? AND r.kind = ? AND r.name = ?",
        [host, kind, name],
    )
    return dict(json.loads(rows[0][0])) if rows else {}


__all__ = ["MOST", "Momentary", "of", "one", "read", "split"]
