"""Manifests that other manifests need (`Kind.parts`): made here, judged and resolved like those that stand in a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ..core.kind import Part
from ..core.model import Ref
from ..core.problem import Problem
from . import schema, validate
from .documents import Entry
from .reader import Document
from .resolve import Item

INDEX = 1_000
"""Documents of one file that are told apart by their index: its own lie below, those that they need above."""


def needed(entries: Iterable[Entry], judges: validate.Judges, problems: list[Problem]) -> list[Entry]:
    """What `entries` need, each as if it stood where the one stands that needs it. A part that its schema refuses is a
    problem of the manifest that asked for it."""
    made: list[Entry] = []
    for entry in entries:
        kind = judges.kinds[entry.kind]
        try:
            parts = list(kind.parts(entry.name, entry.own))
        except Exception as error:
            problems.append(entry.failed("parts", error))
            continue
        for number, part in enumerate(parts):
            doc = _document(entry, part)
            told = validate.document(doc, judges)
            problems += [
                replace(one, message=f"{Ref(part.kind, part.name)}, which {entry.ref} needs: {one.message}")
                for one in told
            ]
            if not told:
                index = INDEX * (entry.index + 1) + number
                made.append(
                    Entry(doc=doc, kind=part.kind, name=part.name, blob=entry.blob, index=index, needed_by=entry.ref)
                )
    return made


def _document(entry: Entry, part: Part) -> Document:
    spec = {"hosts": entry.spec["hosts"], **part.spec}
    value = {"apiVersion": schema.API_VERSION, "kind": part.kind, "metadata": {"name": part.name}, "spec": spec}
    return entry.doc.standing_for(value)


def alone(items: Sequence[Item]) -> list[Item]:
    """`items` in which a needed resource is left out on hosts where an equal one is declared, or needed by another."""
    needed_ones = {item.entry.ref for item in items if item.entry.needed_by is not None}
    if not needed_ones:
        return list(items)
    before: dict[Ref, list[Item]] = {ref: [] for ref in needed_ones}
    for item in items:
        if item.entry.needed_by is None and item.entry.ref in needed_ones:
            before[item.entry.ref].append(item)
    made: list[Item] = []
    for item in items:
        if item.entry.needed_by is None:
            made.append(item)
            continue
        others = before[item.entry.ref]
        here = _without(item, others)
        others.append(here)
        made.append(here)
    return [item for item in made if item.spread.hosts or item.entry.needed_by is None]


def _without(item: Item, others: Sequence[Item]) -> Item:
    taken = {host for other in others for host in _alike(item, other)}
    if not taken:
        return item
    spread = item.spread
    hosts = tuple(host for host in spread.hosts if host not in taken)
    each = {host: meaning for host, meaning in spread.each.items() if host not in taken}
    return replace(item, spread=replace(spread, hosts=hosts, each=each), facts={})


def _alike(item: Item, other: Item) -> Iterator[str]:
    """Hosts of both on which they mean the same."""
    if not (item.whole and other.whole):
        return
    theirs = frozenset(other.spread.hosts)
    for host in item.spread.hosts:
        if host in theirs and item.spread.meaning(host).digest == other.spread.meaning(host).digest:
            yield host


__all__ = ["alone", "needed"]
