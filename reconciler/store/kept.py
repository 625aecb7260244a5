"""What the newest reading of the repository came to, kept in the file: a plan of the same files only joins.

Kept under a key of everything that it follows from, so it can't be stale: another key is another reading. What comes
back is a `Desired` like any other whose hosts and templated meanings are fetched when somebody asks for them, and whose
sheet is a table of the file already.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..clock import moment
from ..core.codec import decode, encode
from ..core.model import Commit, Desired, Host, Manifest, Meaning, Policy, Ref, Source, Spread, canonical
from ..core.problem import Problem
from .arrays import numpy
from .db import Db, number, words
from .each import WANT, Each
from .late import Late
from .names import Names
from .sheet import Sheet, columns

MEMORY = "memory "
"""With this before it, the key of what is remembered piece by piece."""


class Hosts(Mapping[str, Host]):
    """The inventory: its names at hand, each Host when it is asked for."""

    def __init__(self, ids: Mapping[str, int], commit: Commit, load: Callable[[], Mapping[int, str]]) -> None:
        self._ids = ids
        self._commit = commit
        self._texts: Mapping[int, str] = Late(load)
        self._made: dict[str, Host] = {}

    def __getitem__(self, name: str) -> Host:
        made = self._made.get(name)
        if made is None:
            said = json.loads(self._texts[self._ids[name]])
            source = Source(commit=self._commit.id, **said.pop("source"))
            made = self._made[name] = Host(host_keys=tuple(said.pop("host_keys")), source=source, **said)
        return made

    def __contains__(self, name: object) -> bool:
        return name in self._ids

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A reading as it was kept."""

    desired: Desired
    problems: tuple[Problem, ...]
    sheet: Sheet


def keep(
    db: Db,
    names: Names,
    key: str,
    desired: Desired,
    problems: Sequence[Problem],
    now: float,
    memory: tuple[str, Callable[[], str]] | None = None,
) -> bool:
    """Write a reading down in place of the one before; False when it is there already. One transaction. Raises Refused.

    `memory`: what it came to piece by piece, and of what code and secrets that is true (manifests.ground_of, told).
    """
    if db.rows("SELECT key FROM reading WHERE key = ?", [key]):
        return False
    with db.writing() as con:
        names.learn(con, desired.hosts, (_ref(spread) for spread in desired.spreads))
        ids = {name: names.hosts[name] for name in desired.hosts}
        refs = {ref: names.refs[ref] for ref in map(_ref, desired.spreads)}
        want, removals = columns(desired, ids, refs)
        specs = {
            number(meaning.digest): canonical(dict(meaning.spec))
            for spread in desired.spreads
            for meaning in spread.each.values()
        }
        hosts = [_host_text(host) for host in desired.hosts.values()]
        for table in ("reading", "reading_host", "reading_want", "reading_spec"):
            con.execute(f"DELETE FROM {table}")
        con.execute("INSERT INTO reading VALUES (?, ?, ?)", [key, _document(desired, problems, removals), moment(now)])
        if memory is not None:
            con.execute("INSERT INTO reading VALUES (?, ?, ?)", [MEMORY + memory[0], memory[1](), moment(now)])
        fresh: Mapping[str, Mapping[str, Any]] = {
            "reading_host": {"host_id": numpy.array(list(ids.values()), dtype="int32"), "document": words(hosts)},
            WANT: {name: want[name] for name in ("host_id", "res_id", "digest", "aim", "spread", "removal")},
            "reading_spec": {"digest": numpy.array(list(specs), dtype="uint64"), "text": words(list(specs.values()))},
        }
        for table, rows in fresh.items():
            con.register("fresh_rows", rows)
            con.execute(f"INSERT INTO {table} SELECT * FROM fresh_rows")
            con.unregister("fresh_rows")
    return True


def find(db: Db, names: Names, key: str, commit: Commit) -> Kept | None:
    """The reading of `key`, said to be of `commit`; None when another one is kept, or none. Reads only. Raises Refused."""
    found = db.rows("SELECT document FROM reading WHERE key = ?", [key])
    return _made(db, names, found[0][0], commit) if found else None


def older(db: Db, names: Names, ground: str, commit: Commit) -> tuple[Kept, str] | None:
    """The reading that is kept, of whatever files, and what is remembered of it piece by piece; None when it is of other
    code or other secrets. Reads only. Raises Refused."""
    memory = db.rows("SELECT document FROM reading WHERE key = ?", [MEMORY + ground])
    found = db.rows(f"SELECT document FROM reading WHERE NOT starts_with(key, '{MEMORY}')") if memory else []
    made = _made(db, names, found[0][0], commit) if found else None
    return (made, memory[0][0]) if made is not None else None


def _made(db: Db, names: Names, document: str, commit: Commit) -> Kept | None:
    said = json.loads(document)
    ids = dict(
        db.rows("SELECT h.name, h.host_id FROM reading_host r JOIN host h USING (host_id) ORDER BY encode(h.name)")
    )
    if len(ids) != said["count"] or list(ids) != sorted(ids):
        return None  # a host was renamed in the file since: its names are those of another reading
    every = tuple(ids)
    chosen = [every if one is None else tuple(every[index] for index in one) for one in said["chosen"]]
    spreads = tuple(_spread(db, names, commit, index, one, chosen) for index, one in enumerate(said["spreads"]))
    policy: Policy = decode(Policy, said["policy"])
    desired = Desired(
        commit=commit,
        policy=replace(policy, source=replace(policy.source, commit=commit.id)) if policy.source.path else policy,
        hosts=Hosts(ids, commit, lambda: dict(db.rows("SELECT host_id, document FROM reading_host"))),
        spreads=spreads,
    )
    sheet = Sheet(
        desired=desired,
        want=WANT,
        place="(SELECT r.host_id, h.name FROM reading_host r JOIN host h USING (host_id))",
        hosts=ids,
        refs={ref: names.refs[ref] for ref in map(_ref, spreads)},
        removals=tuple(said["removals"]),
        counts=Late(lambda: dict(db.rows(f"SELECT host_id, count(*) FROM {WANT} GROUP BY host_id"))),
    )
    return Kept(desired=desired, problems=tuple(Problem(**one) for one in said["problems"]), sheet=sheet)


def _ref(spread: Spread) -> Ref:
    return Ref(spread.manifest.kind, spread.manifest.name)


def _host_text(host: Host) -> str:
    said: dict[str, Any] = encode(host)
    del said["source"]["commit"]
    return canonical(said)


def _document(desired: Desired, problems: Sequence[Problem], removals: Sequence[str]) -> str:
    place = {name: index for index, name in enumerate(desired.hosts)}
    chosen: dict[tuple[str, ...], int] = {}
    spreads = []
    for spread in desired.spreads:
        frame = spread.same or (spread.each[spread.hosts[0]] if spread.hosts else None)
        said: dict[str, Any] = encode(spread.manifest)
        del said["source"]["commit"]
        meaning = encode(frame) if frame is not None else None
        hosts = chosen.setdefault(spread.hosts, len(chosen))
        spreads.append({"manifest": said, "hosts": hosts, "meaning": meaning, "same": spread.same is not None})
    return json.dumps(
        {
            "policy": encode(desired.policy),
            "count": len(place),
            "chosen": [None if len(one) == len(place) else [place[name] for name in one] for one in chosen],
            "spreads": spreads,
            "removals": list(removals),
            "problems": [encode(one) for one in problems],
        }
    )


def _spread(
    db: Db, names: Names, commit: Commit, index: int, said: Mapping[str, Any], chosen: Sequence[tuple[str, ...]]
) -> Spread:
    manifest: dict[str, Any] = said["manifest"]
    source = Source(commit=commit.id, **manifest.pop("source"))
    hosts = chosen[said["hosts"]]
    frame = None if said["meaning"] is None else decode(Meaning, said["meaning"])

    return Spread(
        manifest=Manifest(source=source, **manifest),
        hosts=hosts,
        same=frame if said["same"] else None,
        each=Each(db, names, index, hosts, frame) if frame is not None and not said["same"] else {},
    )


__all__ = ["Kept", "find", "keep", "older"]
