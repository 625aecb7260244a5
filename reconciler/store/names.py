"""Names → the small integers that stand for them in every table. They are given once and never reused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb

from ..core.model import Desired, Ref
from .arrays import numpy
from .db import Db, words


class Names:
    """All hosts and resources by name, in memory: 100,000 hosts and as many names are a few tens of MB."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self.hosts: dict[str, int] = dict(db.rows("SELECT name, host_id FROM host"))
        self.refs: dict[Ref, int] = {
            Ref(kind, name): number for kind, name, number in db.rows("SELECT kind, name, res_id FROM resource")
        }
        self._host_names: dict[int, str] = {}
        self._ref_names: dict[int, Ref] = {}

    def host(self, host_id: int) -> str:
        if len(self._host_names) != len(self.hosts):
            self._host_names = {number: name for name, number in self.hosts.items()}
        return self._host_names[host_id]

    def ref(self, res_id: int) -> Ref:
        if len(self._ref_names) != len(self.refs):
            self._ref_names = {number: ref for ref, number in self.refs.items()}
        return self._ref_names[res_id]

    def missing(self, desired: Desired) -> bool:
        """Whether `desired` names something that has no number yet."""
        return any(name not in self.hosts for name in desired.hosts) or any(
            Ref(spread.manifest.kind, spread.manifest.name) not in self.refs for spread in desired.spreads
        )

    def learn(self, con: duckdb.DuckDBPyConnection, hosts: Iterable[str], refs: Iterable[Ref]) -> None:
        """Give numbers to the names that have none, within the caller's transaction."""
        new_hosts = sorted({name for name in hosts if name not in self.hosts})
        new_refs = sorted({ref for ref in refs if ref not in self.refs})
        if new_hosts:
            first = max(self.hosts.values(), default=0) + 1
            fresh_hosts = {
                "host_id": numpy.arange(first, first + len(new_hosts), dtype="int32"),
                "name": words(new_hosts),
            }
            con.register("fresh_hosts", fresh_hosts)
            con.execute(
                "INSERT INTO host (host_id, name, trouble, trouble_code, trouble_next, machine_id, on_commit, facts) "
                "SELECT host_id, name, '', '', '', '', '', '{}' FROM fresh_hosts"
            )
            con.unregister("fresh_hosts")
            self.hosts.update(zip(new_hosts, range(first, first + len(new_hosts)), strict=True))
        if new_refs:
            first = max(self.refs.values(), default=0) + 1
            fresh_refs = {
                "res_id": numpy.arange(first, first + len(new_refs), dtype="int32"),
                "kind": words([ref.kind for ref in new_refs]),
                "name": words([ref.name for ref in new_refs]),
            }
            con.register("fresh_refs", fresh_refs)
            con.execute("INSERT INTO resource SELECT res_id, kind, name FROM fresh_refs")
            con.unregister("fresh_refs")
            self.refs.update(zip(new_refs, range(first, first + len(new_refs)), strict=True))

    def forget_unsaved(self) -> None:
        """After a transaction that was rolled back: what it had learned is not in the file."""
        self.__init__(self._db)  # type: ignore[misc]


def lent(known: Mapping[str, int] | Mapping[Ref, int]) -> int:
    """The first number that is surely free: names that nobody wrote down yet borrow from here."""
    return max(known.values(), default=0) + 1
