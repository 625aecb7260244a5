"""Text of a commit → Desired, and every problem on the way, told together (house rule 4)."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.kind import Kind, Kinds
from ..core.model import Desired, State
from ..core.problem import Problem, in_order
from ..ports import Files, Outside
from . import documents, inventory, schema, validate
from .conflicts import Conflicts
from .loaded import with_loaded
from .memory import Memory, told
from .parts import alone, giving_way, needed
from .resolve import Cache, Resolver
from .sealing import Seal, Use


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What a commit says: `desired` is None when any of the problems is an error."""

    desired: Desired | None
    problems: tuple[Problem, ...]
    """In the one order of problems: by path, line, column."""
    files: int = 0
    """How many files were read as manifests."""
    uses: tuple[Use, ...] = ()
    """Every secret that a manifest uses on any host."""
    sources: tuple[State, ...] = ()
    """Every source outside the repository that a manifest names, also one that could not be had."""
    moment: str = ""
    """Of what is outside (ports.Outside), when there are sources: as it was before they were looked up."""
    memory: Memory | None = field(default=None, compare=False, repr=False)
    """What another process may know of this reading; None when there is no `desired`."""

    def told(self) -> str:
        """What another process may know of this reading, as text (memory.py); there has to be a `desired`."""
        assert self.memory is not None and self.desired is not None
        return told(self.memory, self.desired)

    @property
    def unchecked(self) -> tuple[str, ...]:
        """The secrets whose values are not at hand, in words, each once: they are not compared with what is on hosts."""
        return tuple(sorted({use.words for use in self.uses if not use.checked}))


def read(
    files: Files,
    kinds: Kinds,
    seal: Seal | None = None,
    *,
    cache: MutableMapping[str, Any] | None = None,
    outside: Outside | None = None,
    acts: bool = False,
) -> Reading:
    """Read all manifests of `files`.

    `seal(host, text)` and `seal(host, reference, form)` give the HMAC of a secret under the host's key; without it
    secrets are not compared. What rests on a reading is as old as the secrets that it sealed: secrets.Sealer.state.
    `cache` is any dict that the caller keeps between readings, with one set of kinds: files that are known by their blob
    ids are not read again, so that a push costs what it changed. `outside` knows what isn't in the repository: a source
    that it never heard of is asked first, all others are as they were when they were asked last. `acts`: hosts are made as
    what is read says, so that what nobody can know now (which branches there are) is an error. Raises nothing for what the
    files say.
    """
    cache = {} if cache is None else cache
    judges = cache.setdefault("judges", None) or validate.Judges(kinds)
    cache["judges"] = judges
    found = documents.gather(files, judges, cache.setdefault("files", {}))
    hosts = inventory.build(found, files.commit)
    resolver = Resolver(
        files=files,
        kinds=kinds,
        inventory=hosts,
        seal=seal,
        cache=cache.setdefault("resolved", Cache()),
        outside=outside,
    )
    entries = [entry for entry in found.entries if entry.kind not in schema.INVENTORY]
    sources, moment = _sources(entries, kinds), ""
    if outside is not None and sources:
        outside.ready(sources)
        moment = outside.moment()  # before anything is looked up: what changes meanwhile is found at the next reading
    parts = needed(entries, judges, found.problems, resolver.ask, acts=acts)
    if outside is not None and (more := _sources(parts, kinds)):
        outside.ready(more)
        sources += more
    items = alone(giving_way(resolver.all([*entries, *parts]), kinds, found.problems))
    broken = frozenset([lost.ref for lost in found.broken] + [item.entry.ref for item in items if not item.whole])
    for lost in found.broken:
        resolver.glance(lost)
    conflicts = Conflicts(items=items, kinds=kinds, inventory=hosts, broken=broken)
    problems = in_order([*found.problems, *hosts.problems, *resolver.problems, *conflicts.find()])
    read = Reading(
        desired=None,
        problems=problems,
        files=found.files,
        uses=tuple(resolver.uses),
        sources=tuple(sources),
        moment=moment,
    )
    if any(problem.severity == "error" for problem in problems):
        return read
    spreads = tuple(item.spread for item in with_loaded(items, kinds))
    desired = Desired(commit=files.commit, policy=hosts.policy, hosts=hosts.hosts, spreads=spreads)
    order = tuple((item.entry.doc.path, item.entry.blob, item.entry.index) for item in items)
    memory = Memory(files=found.by_file, items=resolver.cache.items, order=order)
    return replace(read, desired=desired, memory=memory)


def _sources(entries: Iterable[documents.Entry], kinds: Kinds) -> list[State]:
    """What manifests name outside the repository. A kind that fails here fails when it is resolved, and is told there."""
    bringing = {name: kind for name, kind in kinds.by_name.items() if type(kind).brings is not Kind.brings}
    found: list[State] = []
    for entry in entries:
        if entry.kind in bringing:
            with suppress(Exception):
                found += bringing[entry.kind].brings(entry.name, entry.own)
    return found
