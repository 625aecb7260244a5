"""Manifests that other manifests need (`Kind.parts`) or bring with them (`Kind.beside`): made here, judged and resolved like
those that stand in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from ..core.kind import Claim, Kind, Kinds, Part, Unresolved
from ..core.model import Ref
from ..core.problem import Problem
from . import schema, validate
from .ask import Ask
from .codes import problem
from .documents import Entry
from .reader import Document
from .resolve import Item

INDEX = 1_000
"""Documents of one file that are told apart by their index: its own lie below, those that they need above."""


def needed(
    entries: Iterable[Entry],
    judges: validate.Judges,
    problems: list[Problem],
    ask: Callable[[Entry], Ask],
    *,
    acts: bool,
) -> list[Entry]:
    """What `entries` need and bring, each as if it stood where the one stands that asked for it. A part that its schema
    refuses is a problem of the manifest that asked for it, and, where the reader `acts`, what can't be known now: nothing is
    to be removed because nobody could ask what there is."""
    made: list[Entry] = []
    todo = list(entries)
    for entry in todo:
        kind = judges.kinds[entry.kind]
        try:
            parts = [*_needs(kind, entry), *_brings(kind, entry, ask(entry), problems if acts else [])]
        except Exception as error:
            problems.append(entry.failed("parts", error))
            continue
        for number, (part, gives_way) in enumerate(parts):
            doc = _document(entry, part)
            told = validate.document(doc, judges)
            ref = Ref(part.kind, part.name)
            about = f"{ref} is left out" if gives_way else f"{ref}, which {entry.ref} needs"
            problems += [
                replace(one, message=f"{about}: {one.message}", severity="warning" if gives_way else one.severity)
                for one in told
            ]
            if not told:
                index = INDEX * (entry.index + 1) + number
                made.append(
                    Entry(
                        doc=doc,
                        kind=part.kind,
                        name=part.name,
                        blob=entry.blob,
                        index=index,
                        needed_by=entry.ref,
                        gives_way=gives_way,
                    )
                )
                if gives_way:
                    todo.append(made[-1])  # it has needs of its own
    return made


def _needs(kind: Kind, entry: Entry) -> Iterator[tuple[Part, bool]]:
    for part in kind.parts(entry.name, entry.own):
        yield part, False


def _brings(kind: Kind, entry: Entry, ask: Ask, unknown: list[Problem]) -> Iterator[tuple[Part, bool]]:
    if entry.gives_way or type(kind).beside is Kind.beside:
        return
    try:
        for part in kind.beside(entry.name, entry.own, ask):
            yield part, True
    except Unresolved:
        if ask.failure is not None:
            unknown.append(ask.failure)


def giving_way(items: Sequence[Item], kinds: Kinds, problems: list[Problem]) -> list[Item]:
    """`items` without those that give way: where they could not be resolved, or take what another one has."""
    if not any(item.entry.gives_way for item in items):
        return list(items)
    taken: dict[Ref | tuple[str, str], list[tuple[Claim | Ref, Item]]] = {}
    for item in items:
        if not item.entry.gives_way:
            _take(item, _claims(item, kinds), taken)
    lost: set[Ref] = set()
    for item in items:
        if not item.entry.gives_way:
            continue
        claims = _claims(item, kinds) if item.whole else ()
        fights = [
            (claim, other)
            for claim in claims
            for theirs, other in taken.get(_what(claim), ())
            if not _share(claim, theirs) and _meet(item, other)
        ]
        if fights:
            problems.append(_gave_way(item, *fights[0]))
        if fights or not item.whole:
            lost.add(item.entry.ref)
        else:
            _take(item, claims, taken)
    return [
        item
        for item in items
        if not (item.entry.gives_way and item.entry.ref in lost) and item.entry.needed_by not in lost
    ]


def _take(
    item: Item, claims: Iterable[Claim | Ref], taken: dict[Ref | tuple[str, str], list[tuple[Claim | Ref, Item]]]
) -> None:
    for claim in claims:
        taken.setdefault(_what(claim), []).append((claim, item))


def _what(claim: Claim | Ref) -> Ref | tuple[str, str]:
    return (claim.space, claim.value) if isinstance(claim, Claim) else claim


def _share(claim: Claim | Ref, theirs: Claim | Ref) -> bool:
    return isinstance(claim, Claim) and bool(claim.shared) and claim == theirs


def _claims(item: Item, kinds: Kinds) -> Sequence[Claim | Ref]:
    """What it takes on its hosts, its own name first. What fails here fails in conflicts.py, and is told there."""
    spread, kind = item.spread, kinds[item.entry.kind]
    meanings = {id(one): one for one in ([spread.same] if spread.same is not None else spread.each.values())}
    found: list[Claim | Ref] = [item.entry.ref]
    for meaning in meanings.values():
        with suppress(Exception):
            found += kind.claims(item.entry.name, meaning.spec)
    return found


def _meet(one: Item, other: Item) -> bool:
    return not frozenset(one.spread.hosts).isdisjoint(other.spread.hosts)


def _gave_way(item: Item, claim: Claim | Ref, other: Item) -> Problem:
    what = f"{claim.space} {claim.value}" if isinstance(claim, Claim) else str(claim)
    doc = item.entry.doc
    return problem(
        "gave-way",
        f"{item.entry.about}{what} is taken by {other.entry.ref}, at {other.entry.at}",
        path=doc.path,
        mark=doc.at(["metadata", "name"]),
        hint="rename what it is made of, or leave it out there",
    )


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


__all__ = ["alone", "giving_way", "needed"]
