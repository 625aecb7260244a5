"""What comes before what on one host.

Two sources, and no optional rules: *sentences* of kinds/order.txt ("Group before User") give kinds a rank, which orders
but doesn't bind: a failed group doesn't stop a user that never named it. *References* (a spec's own, dependsOn) bind:
what fails stops those that refer to it. Removals come first, in the opposite order, and after the changes of whatever
used to refer to them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from .kind import Kinds
from .model import Action, Change, Key, Ref, State


class Cycle(ValueError):
    """Things that wait for each other; `path` begins and ends with the same one."""

    def __init__(self, path: Sequence[str]) -> None:
        super().__init__(" → ".join(path))
        self.path = tuple(path)


def read_sentences(text: str) -> tuple[tuple[str, str], ...]:
    """order.txt: `A before B` a line, `#` starts a why. Raises ValueError with the line and the grammar."""
    pairs = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 3 or words[1] != "before":
            raise ValueError(f"order.txt:{number}: expected `KIND before KIND`, found `{line.strip()}`")
        pairs.append((words[0], words[2]))
    return tuple(pairs)


def ranks(names: Iterable[str], sentences: Iterable[tuple[str, str]]) -> dict[str, int]:
    """The length of the longest chain of sentences that leads to each kind. Raises Cycle."""
    before: dict[str, set[str]] = {name: set() for name in sorted(names)}
    for first, then in sentences:
        if first in before and then in before:
            before[then].add(first)
    rank: dict[str, int] = {}
    trail: list[str] = []

    def visit(name: str) -> int:
        if name in trail:
            raise Cycle([*trail[trail.index(name) :], name])
        if name not in rank:
            trail.append(name)
            rank[name] = 1 + max((visit(first) for first in sorted(before[name])), default=-1)
            trail.pop()
        return rank[name]

    for name in before:
        visit(name)
    return rank


@lru_cache(maxsize=4)
def _ranks(names: tuple[str, ...], sentences: tuple[tuple[str, str], ...]) -> Mapping[str, int]:
    """The same for each of ten thousand hosts."""
    return ranks(names, sentences)


def references(kinds: Kinds, ref: Ref, spec: State, depends_on: Iterable[Ref] = ()) -> frozenset[Ref]:
    """Everything that a resource refers to on its host."""
    kind = kinds[ref.kind]
    return frozenset([*kind.refs(ref.name, spec), *(need for _, need in kind.needs(ref.name, spec)), *depends_on]) - {
        ref
    }


def arrange(kinds: Kinds, changes: Sequence[Change], wave: int = 0) -> tuple[Change, ...]:
    """The changes of ONE host in the order they run, each with the keys it must wait for, and its wave."""
    if len(changes) == 1:  # on most hosts, of most plans
        return (replace(changes[0], wave=wave, after=()),)
    rank = _ranks(tuple(kinds.by_name), kinds.order)
    by_ref = {change.key.ref: change for change in changes}
    waits: dict[Ref, set[Ref]] = {ref: set() for ref in by_ref}
    removes = any(change.action is Action.DELETE for change in changes)
    for ref, change in by_ref.items():
        if change.want is not None and change.action is not Action.DELETE:
            for other in references(kinds, ref, change.want.spec, change.want.depends_on):
                if other in by_ref and by_ref[other].action is not Action.DELETE:
                    waits[ref].add(other)
        if removes and change.owned is not None:
            for other in references(kinds, ref, change.owned.spec):
                if other in by_ref and by_ref[other].action is Action.DELETE:
                    waits[other].add(ref)

    def priority(ref: Ref) -> tuple[int, int, Ref]:
        change = by_ref[ref]
        if change.action is Action.DELETE:
            return (0, -rank[ref.kind], ref)
        return (1, rank[ref.kind], ref)

    host = changes[0].key.host if changes else ""
    return tuple(
        replace(by_ref[ref], wave=wave, after=tuple(Key(host, other.kind, other.name) for other in sorted(waits[ref])))
        for ref in (_sorted(waits, priority) if any(waits.values()) else sorted(waits, key=priority))
    )


def _sorted(waits: Mapping[Ref, set[Ref]], priority: object) -> list[Ref]:
    """Kahn's algorithm with a heap, so that equal graphs give equal orders. A cycle (which `check` refuses, but the
    past may hold) is cut at its first member in priority order rather than losing changes."""
    assert callable(priority)
    open_waits = {ref: set(others) for ref, others in waits.items()}
    freed: dict[Ref, list[Ref]] = {}
    for ref, others in waits.items():
        for other in others:
            freed.setdefault(other, []).append(ref)
    ready = [(priority(ref), ref) for ref, others in open_waits.items() if not others]
    heapq.heapify(ready)
    result: list[Ref] = []
    done: set[Ref] = set()
    while len(done) < len(waits):
        if not ready:
            ready = [min((priority(ref), ref) for ref in waits if ref not in done)]
        _, ref = heapq.heappop(ready)
        if ref in done:
            continue
        done.add(ref)
        result.append(ref)
        for waiting in freed.get(ref, ()):
            open_waits[waiting].discard(ref)
            if not open_waits[waiting] and waiting not in done:
                heapq.heappush(ready, (priority(waiting), waiting))
    return result
