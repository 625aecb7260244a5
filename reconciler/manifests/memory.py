"""What reading remembers, as text and back: so that a process that never read these files reads what changed alone.

It holds nothing that is not found again by blob id, and no secret: manifests with secrets are sealed at each reading.
It is worth nothing under another `ground_of` (key.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from ..core.codec import encode
from ..core.kind import Claim
from ..core.model import Desired, Json
from ..core.problem import Problem
from ..ports import Files
from . import reader
from .conflicts import ways_in
from .documents import Entry, File
from .reader import Document
from .resolve import Cache, Item, Known, Resolved

Place: TypeAlias = tuple[str, str, int]
"""Path, blob id and index of a document."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """What a reading came to, piece by piece."""

    files: Mapping[tuple[str, str], File]
    """By path and blob id."""
    items: Mapping[Place, Known]
    order: Sequence[Place]
    """The manifest of each of `Desired.spreads`."""


def told(memory: Memory, desired: Desired) -> str:
    """`memory` of a reading that came to `desired`, as JSON; what `desired` holds already is left out."""
    place = {name: index for index, name in enumerate(desired.hosts)}
    ways: dict[tuple[object, ...], int] = {}
    way = [ways.setdefault(one, len(ways)) for one in ways_in(desired.hosts).values()]
    contexts = [""] * len(place)
    items = []
    for index, (key, spread) in enumerate(zip(memory.order, desired.spreads, strict=True)):
        known = memory.items.get(key)
        if known is None or not known.item.whole or known.item.entry.needed_by is not None:
            continue
        item = known.item
        if item.spread.same is not spread.same or item.spread.each is not spread.each:
            continue  # what it has loaded was added: that is worked out anew
        for host, context in zip(known.hosts, known.contexts, strict=False):
            contexts[place[host]] = context
        claims = item.facts.get("claims") if spread.same is None else None
        items.append(
            {
                "spread": index,
                "at": key,
                "drift": known.on_drift,
                "alike": not known.contexts,
                "files": dict(known.files),
                "problems": [encode(one) for one in known.problems],
                "claims": claims and list(_claims_told(claims, spread.hosts, place)),
                "access": item.facts.get("access", ((), ""))[1] is None,
            }
        )
    files = [told for (path, blob), file in memory.files.items() if (told := _file_told(path, blob, file)) is not None]
    return json.dumps(
        {"files": files, "contexts": contexts, "ways": list(ways), "way": way, "items": items}, ensure_ascii=False
    )


def _file_told(path: str, blob: str, file: File) -> Json:
    if file.broken or any(entry.doc.offset for entry in file.entries):
        return None
    entries = [[entry.index, entry.doc.index, entry.doc.line, entry.doc.value] for entry in file.entries]
    return [path, blob, entries, [encode(one) for one in file.problems]]


def _claims_told(
    claims: Mapping[Claim, frozenset[str]], hosts: Sequence[str], place: Mapping[str, int]
) -> Iterator[Json]:
    for claim, there in claims.items():
        yield [
            claim.space,
            claim.value,
            claim.shared,
            None if len(there) == len(hosts) else sorted(place[host] for host in there),
        ]


# ---------------------------------------------------------------- and back


def recalled(text: str, kept: Desired, files: Files) -> dict[str, Any]:
    """What `told` wrote, as the cache of a reading of `files`; `kept` is what that reading came to."""
    said = json.loads(text)
    paths = files.paths()
    parsed = {
        (path, blob): _file(path, blob, entries, problems, files)
        for path, blob, entries, problems in said["files"]
        if paths.get(path) == blob
    }
    names = tuple(kept.hosts)
    contexts = dict(zip(names, said["contexts"], strict=True))
    ways = [tuple(way) for way in said["ways"]]
    way = {name: ways[index] for name, index in zip(names, said["way"], strict=True)}
    shared: dict[int, tuple[tuple[str, ...], list[tuple[object, ...]]]] = {}
    items: dict[Place, Known] = {}
    for one in said["items"]:
        path, blob, index = one["at"]
        file = parsed.get((path, blob))
        if file is None:
            continue
        spread = kept.spreads[one["spread"]]
        if id(spread.hosts) not in shared:  # selectors share their hosts
            shared[id(spread.hosts)] = (
                tuple(contexts[host] for host in spread.hosts),
                [way[host] for host in spread.hosts],
            )
        seen, here = shared[id(spread.hosts)]
        entry = next(entry for entry in file.entries if entry.index == index)
        facts: dict[str, Any] = {}
        if one["access"]:
            facts["access"] = (here, None)
        if one["claims"] is not None:
            everywhere = frozenset(spread.hosts)
            facts["claims"] = {
                Claim(space, value, shared): everywhere if there is None else frozenset(names[index] for index in there)
                for space, value, shared, there in one["claims"]
            }
        items[path, blob, index] = Known(
            item=Item(entry=entry, spread=spread, own=entry.own, facts=facts),
            problems=tuple(Problem(**problem) for problem in one["problems"]),
            hosts=spread.hosts,
            on_drift=one["drift"],
            contexts=() if one["alike"] else seen,
            files=one["files"],
        )
    return {"files": parsed, "resolved": Cache(items=items, older=Older(items))}


def _file(
    path: str, blob: str, entries: Sequence[Sequence[Any]], problems: Sequence[dict[str, Any]], files: Files
) -> File:
    text = partial(_text, path, files)
    return File(
        entries=tuple(
            Entry(
                doc=Document(path, value, line, text, within, 0),
                kind=value["kind"],
                name=value["metadata"]["name"],
                blob=blob,
                index=index,
            )
            for index, within, line, value in entries
        ),
        problems=tuple(Problem(**problem) for problem in problems),
    )


def _text(path: str, files: Files) -> str:
    return reader.text_of(files.read(path), path)


class Older:
    """What a manifest came to on a host by what its templates saw there: for those hosts that nothing changed for, when
    something changed for others."""

    def __init__(self, items: Mapping[Place, Known]) -> None:
        self._items = items
        self._hosts: dict[Place, Mapping[str, str]] = {}

    def __call__(self, path: str, blob: str, index: int, context: str) -> Resolved | None:
        """None when it isn't known."""
        place = (path, blob, index)
        known = self._items.get(place)
        if known is None or not known.contexts:
            return None
        if place not in self._hosts:
            self._hosts[place] = dict(zip(known.contexts, known.hosts, strict=True))
        host = self._hosts[place].get(context)
        if host is None:
            return None
        meaning = known.item.spread.meaning(host)
        return Resolved(files=known.files, spec=meaning.spec, digest=meaning.digest, failure=None)


__all__ = ["Memory", "recalled", "told"]
