"""What a templated manifest means on each of its hosts, fetched from a kept reading when somebody asks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..core.model import Meaning
from .arrays import numpy
from .bodies import aim
from .db import Db, number, text
from .names import Names

WANT = "reading_want"


class Each(Mapping[str, Meaning]):
    """Meanings by host; equal ones are one object. `frame` is the first host's."""

    def __init__(self, db: Db, names: Names, index: int, hosts: Sequence[str], frame: Meaning) -> None:
        self._db = db
        self._names = names
        self._index = index
        """Of the manifest in the kept reading."""
        self._hosts = hosts
        self._frame = frame
        self._found: tuple[dict[str, int], dict[int, str]] | None = None
        self._made: dict[int, Meaning] = {number(frame.digest): frame}

    @property
    def on_remove(self) -> str:
        """The same on all hosts."""
        return self._frame.on_remove

    def columns(self, ids: Any) -> tuple[Any, Any]:
        """Digests and aims, as arrays, of the hosts with the numbers `ids`."""
        found = self._db.columns(f"SELECT host_id, digest FROM {WANT} WHERE spread = ? ORDER BY host_id", [self._index])
        digests = numpy.asarray(found["digest"])[numpy.searchsorted(numpy.asarray(found["host_id"]), ids)]
        if not self._frame.ignore:
            return digests, digests
        aims = {int(one): aim(replace(self._frame, digest=text(int(one)))) for one in set(digests.tolist())}
        return digests, numpy.array([aims[one] for one in digests.tolist()], dtype="uint64")

    def _load(self) -> tuple[dict[str, int], dict[int, str]]:
        rows = self._db.rows(f"SELECT host_id, digest FROM {WANT} WHERE spread = ?", [self._index])
        texts = self._db.rows(
            f"SELECT s.digest, s.text FROM reading_spec s SEMI JOIN (SELECT digest FROM {WANT} WHERE spread = ?) w USING (digest)",
            [self._index],
        )
        return {self._names.host(host_id): key for host_id, key in rows}, dict(texts)

    def __getitem__(self, host: str) -> Meaning:
        if self._found is None:
            if host == self._hosts[0]:
                return self._frame
            self._found = self._load()
        digests, texts = self._found
        key = digests[host]
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = replace(self._frame, spec=json.loads(texts[key]), digest=text(key))
        return made

    def __contains__(self, host: object) -> bool:
        return host in self._hosts

    def __iter__(self) -> Iterator[str]:
        return iter(self._hosts)

    def __len__(self) -> int:
        return len(self._hosts)


__all__ = ["WANT", "Each"]
