"""Bodies (states, specs, field changes) once each by their digest, and states as manifests see them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import duckdb

from ..core import diff
from ..core.kind import Kinds
from ..core.model import Json, Meaning, canonical, digest
from . import troubles
from .arrays import numpy
from .db import Db, number, words


@dataclass
class Bodies:
    """Bodies met on the way, by digest; those that the file doesn't have yet are written at the end."""

    texts: dict[int, str] = field(default_factory=dict)

    def put(self, value: Any) -> int:
        """Keep a JSON value; its digest as a number."""
        whole = canonical(value)
        # core.model.digest of it, without writing the text twice.
        kept = int.from_bytes(hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        self.texts[kept] = whole
        return kept

    def write(self, con: duckdb.DuckDBPyConnection, only: Iterable[int] | None = None) -> None:
        chosen = self.texts if only is None else {key: self.texts[key] for key in only if key in self.texts}
        if not chosen:
            return
        fresh = {"digest": numpy.array(list(chosen), dtype="uint64"), "text": words(list(chosen.values()))}
        con.register("fresh_bodies", fresh)
        con.execute(
            "INSERT INTO body SELECT f.digest, f.text FROM fresh_bodies f ANTI JOIN body b ON b.digest = f.digest"
        )
        con.unregister("fresh_bodies")


def aim(want: Meaning) -> int:
    """What `seen_as` equals when nothing differs: the wanted digest, with the ignored fields where there are some. So a
    manifest that stops ignoring a field is compared anew."""
    return number(digest([want.digest, list(want.ignore)]) if want.ignore else want.digest)


class Eyes:
    """Sees states as manifests mean them; remembers, since most hosts are alike."""

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds
        self._known: dict[tuple[str, str, tuple[str, ...], int], int] = {}

    def seen_as(self, kind: str, want: Meaning, state: int, body: Any) -> int:
        """`aim(want)` when nothing differs, else the digest of the state's view; 0 where presence itself is wrong."""
        if kind not in self.kinds or self.kinds[kind].wants_absence(want.spec):
            return 0
        key = (kind, want.digest, want.ignore, state)
        known = self._known.get(key)
        if known is None:
            view = digest(diff.view(self.kinds[kind], want, body))
            known = aim(want) if view == want.digest else number(view)
            if len(self._known) > 200_000:
                self._known.clear()
            self._known[key] = known
        return known

    def absence_is_right(self, kind: str, want: Meaning) -> bool:
        return kind in self.kinds and self.kinds[kind].wants_absence(want.spec)


def read(db: Db, digests: Iterable[int]) -> dict[int, Json]:
    """Bodies by digest; each is parsed once, and shared: nobody changes one. Those not in the file are left out."""
    chosen = sorted(set(digests) - {0})
    if not chosen:
        return {}
    wanted = numpy.array(chosen, dtype="uint64")
    del chosen  # as objects they are many times as large
    made: dict[int, Json] = {}
    with troubles.told(db.path), db.cursor() as cursor:
        cursor.register("wanted", {"digest": wanted})
        cursor.execute("SELECT b.digest, b.text FROM body b SEMI JOIN wanted w ON w.digest = b.digest")
        while part := cursor.fetchmany(2048):
            # Many in one go share the names of their fields, which are else there once a body.
            values = json.loads(f"[{','.join(whole for _, whole in part)}]")
            made.update(zip((key for key, _ in part), values, strict=True))
    return made
