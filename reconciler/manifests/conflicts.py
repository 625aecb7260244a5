"""What only shows when all manifests are seen together: two that want the same, and references that lead nowhere or in a circle.

Cost follows manifests: hosts are compared as sets, and only for manifests that meet in a key, a claim or a reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.kind import Claim, Kinds
from ..core.model import NOTHING, Host, Json, Ref, State
from ..core.order import references
from ..core.passage import passages
from ..core.problem import Problem
from . import schema, words
from .codes import problem
from .inventory import Inventory, counted
from .marks import Mark
from .reader import Document, Field
from .resolve import Item

_CLAIM_CODES = {"path": "same-path", "uid": "same-id", "gid": "same-id"}


@dataclass(kw_only=True)
class Conflicts:
    """Looks at the items of one reading."""

    items: Sequence[Item]
    kinds: Kinds
    inventory: Inventory
    broken: frozenset[Ref]
    """Declared, but with errors of their own: nothing is said about references to them."""
    problems: list[Problem] = field(default_factory=list)

    def find(self) -> list[Problem]:
        """All problems, in no particular order."""
        self._by_ref: dict[Ref, list[Item]] = {}
        for item in self.items:
            self._by_ref.setdefault(item.entry.ref, []).append(item)
        self._hosts = {id(item): frozenset(item.spread.hosts) for item in self.items}
        self._faulty: set[int] = set()
        """Items on which a kind's code failed: nothing is remembered of them, so that it is told again."""
        self._keys()
        self._claims()
        self._dangling()
        self._cycles()
        self._access()
        return self.problems

    # ---- one key, one claim

    def _keys(self) -> None:
        for ref, items in self._by_ref.items():
            for index, item in enumerate(items):
                for other in items[:index]:
                    both = self._hosts[id(item)] & self._hosts[id(other)]
                    if both:
                        self._say("same-key", f"{item.entry.about}{ref} is declared twice on {counted(both)}, first at {other.entry.at}", item,
                                  item.entry.doc.at(["metadata", "name"]), "remove one, rename one, or narrow a selector")  # fmt: skip
                        break

    def _claims(self) -> None:
        holders: dict[tuple[str, str], list[tuple[Claim, Item, frozenset[str]]]] = {}
        for item in self.items:
            for claim, hosts in self._claimed(item).items():
                holders.setdefault((claim.space, claim.value), []).append((claim, item, hosts))
        for held in holders.values():
            if len(held) < 2 or (held[0][0].shared and len({claim for claim, _, _ in held}) == 1):
                continue
            for index, (claim, item, hosts) in enumerate(held):
                for other_claim, other, other_hosts in held[:index]:
                    if claim.shared and claim == other_claim:
                        continue
                    both = hosts & other_hosts
                    if both and item.entry.ref != other.entry.ref:
                        self._fight(claim, item, other_claim, other, both)
                        break

    def _claimed(self, item: Item) -> Mapping[Claim, frozenset[str]]:
        """What an item claims, and on which hosts."""
        known: Mapping[Claim, frozenset[str]] | None = item.facts.get("claims")
        if known is not None:
            return known
        claims = self._claims_of(item)
        if id(item) not in self._faulty:
            item.facts["claims"] = claims
        return claims

    def _claims_of(self, item: Item) -> Mapping[Claim, frozenset[str]]:
        kind, name, spread = self.kinds[item.entry.kind], item.entry.name, item.spread
        if spread.same is not None:
            return dict.fromkeys(self._asked(item, kind.claims, name, spread.same.spec), self._hosts[id(item)])
        found: dict[Claim, set[str]] = {}
        known: dict[int, list[Claim]] = {}
        for host, meaning in spread.each.items():
            claims = known.get(id(meaning))
            if claims is None:
                claims = known[id(meaning)] = self._asked(item, kind.claims, name, meaning.spec)
            for claim in claims:
                found.setdefault(claim, set()).add(host)
        return {claim: frozenset(hosts) for claim, hosts in found.items()}

    def _asked(self, item: Item, method: Callable[..., Iterable[Claim]], *args: object) -> list[Claim]:
        try:
            return list(method(*args))
        except Exception as error:
            self._failed(item, "claims", error)
            return []

    def _failed(self, item: Item, step: str, error: Exception) -> None:
        """A failure of a kind's code is a problem, not the end of the reading. What could not be resolved may well make it fail."""
        self._faulty.add(id(item))
        if item.whole:
            self.problems.append(item.entry.failed(step, error))

    def _fight(self, claim: Claim, item: Item, other_claim: Claim, other: Item, both: Iterable[str]) -> None:
        what = f"the path {claim.value}" if claim.space == "path" else f"{claim.space} {claim.value}"
        code = _CLAIM_CODES.get(claim.space, "same-claim")
        theirs = f" for {other_claim.shared}" if other_claim.shared else ""
        mine = f", and can't be for {claim.shared} too" if claim.shared else ""
        self._say(code, f"{what} on {counted(both)} is taken by {other.entry.ref} already{theirs}, at {other.entry.at}{mine}", item,
                  _holding(item, claim.value), "keep one of the two, or narrow a selector")  # fmt: skip

    # ---- references

    def _dangling(self) -> None:
        for item in self.items:
            for where, ref in self._needed(item):
                if ref in self.broken:
                    continue
                declared: frozenset[str] = frozenset().union(
                    *(self._hosts[id(other)] for other in self._by_ref.get(ref, ()))
                )
                missing = self._hosts[id(item)] - declared
                nowhere = ref not in self._by_ref
                if not missing and not (nowhere and not item.spread.hosts):
                    continue
                guess = (
                    words.near(ref.name, [other.name for other in self._by_ref if other.kind == ref.kind])
                    if nowhere
                    else ""
                )
                message = f"nobody declares {ref}" if nowhere else f"nobody declares {ref} on {counted(missing)}"
                self._say("dangling-reference", message, item, item.entry.doc.place(["spec", *where]), "declare it there, correct the name, or narrow the selector",
                          f"did you mean `{ref.kind}/{guess}`?" if guess else "")  # fmt: skip

    def _needed(self, item: Item) -> Iterator[tuple[Field, Ref]]:
        """What an item refers to, and the field of its spec that says so: a place costs more than all else here."""
        for index, text in enumerate(item.entry.spec.get("dependsOn", ())):
            ref = Ref.parse(text)
            if ref.kind in self.kinds and ref.name:
                yield ("dependsOn", index), ref
        try:
            yield from self.kinds[item.entry.kind].needs(item.entry.name, item.own)
        except Exception as error:
            self._failed(item, "needs", error)

    def _cycles(self) -> None:
        graph: dict[Ref, set[Ref]] = {ref: set() for ref in self._by_ref}
        for item in self.items:
            meaning = item.spread.same or next(iter(item.spread.each.values()), None)
            if meaning is None:
                continue
            try:
                found = references(self.kinds, item.entry.ref, meaning.spec, meaning.depends_on)
            except Exception:  # told by the same method elsewhere
                found = frozenset(meaning.depends_on)
            # A resource that depends on itself is left out by `references`: that is told here.
            itself = {item.entry.ref} & set(meaning.depends_on)
            graph[item.entry.ref] |= {ref for ref in found | itself if ref in graph}
        for cycle in circles(graph):
            self._circle(cycle)

    def _circle(self, cycle: Sequence[Ref]) -> None:
        """A circle of references is one of resources only where one host has them all."""
        together: frozenset[str] | None = None
        for ref in cycle:
            hosts = frozenset().union(*(self._hosts[id(item)] for item in self._by_ref[ref]))
            together = hosts if together is None else together & hosts
        if not together:
            return
        item = next(
            (item for ref in cycle for item in self._by_ref[ref] if item.entry.spec.get("dependsOn")),
            self._by_ref[cycle[0]][0],
        )
        start = cycle.index(item.entry.ref)
        path = [*cycle[start:], *cycle[:start], item.entry.ref]
        self._say("dependency-cycle", "these wait for one another: " + " → ".join(map(str, path)), item,
                  item.entry.doc.place(["spec", "dependsOn"]), "remove one of the dependencies")  # fmt: skip

    # ---- trueup's own way in

    def _access(self) -> None:
        self._through = passages(self.inventory.hosts)
        ways = ways_in(self.inventory.hosts, self._through)
        for item in self.items:
            here = [ways[host] for host in item.spread.hosts]
            known = item.facts.get("access")
            found = known[1] if known is not None and known[0] == here else self._cut(item, ways)
            if id(item) not in self._faulty:
                item.facts["access"] = (here, found)
            if found:
                host, cut = found
                self._say("own-access", f"this could cut trueup's own way in to {host}: {cut}", item, _protected(item),
                          f"leave it out, or give the reason in the annotation {schema.OWN_ACCESS}; the plan then asks for an approval")  # fmt: skip

    def _cut(self, item: Item, ways: Mapping[str, tuple[object, ...]]) -> tuple[str, str] | None:
        """The first host to which the item would cut the way in, and what it would cut."""
        kind, spread = self.kinds[item.entry.kind], item.spread
        tried: set[tuple[object, int]] = set()
        for host in spread.hosts:
            meaning = spread.meaning(host)
            # Hosts with one way in get one answer for one meaning: ask once.
            if meaning.own_access or (ways[host], id(meaning)) in tried:
                continue
            tried.add((ways[host], id(meaning)))
            try:
                entered = (self.inventory.hosts[host], *self._through.get(host, ()))
                found = (kind.protects(item.entry.name, meaning.spec, way) for way in entered)
                cut = next(filter(None, found), "")
            except Exception as error:
                self._failed(item, "protects", error)
                return None
            if cut:
                return host, cut
        return None

    def _say(self, code: str, message: str, item: Item, mark: Mark, hint: str, label: str = "") -> None:
        self.problems.append(problem(code, message, path=item.entry.doc.path, mark=mark, hint=hint, label=label))


def ways_in(
    hosts: Mapping[str, Host], through: Mapping[str, Sequence[Host]] = NOTHING
) -> dict[str, tuple[object, ...]]:
    """What of each host decides how trueup comes in: `Kind.protects` may look at nothing else of it. Equal ways are one
    object, so that ten thousand of them compare at once."""
    one: dict[tuple[object, ...], tuple[object, ...]] = {}
    ways = {}
    for name, host in hosts.items():
        passing = tuple((one.user, one.port) for one in through.get(name, ()))
        way = (host.user, host.become, host.become_user, host.port, host.proxy_jump, passing)
        ways[name] = one.setdefault(way, way)
    return ways


def _holding(item: Item, value: str) -> Mark:
    """Where the manifest says `value`, else its name."""
    doc: Document = item.entry.doc
    for name, said in item.entry.spec.items():
        if not isinstance(said, bool) and isinstance(said, (str, int)) and str(said) == value:
            return doc.at(["spec", name])
    return doc.at(["metadata", "name"])


def _protected(item: Item) -> Mark:
    spec: State = item.entry.spec
    path: Json = spec.get("path")
    return item.entry.doc.at(["spec", "path"] if isinstance(path, str) else ["metadata", "name"])


def circles(graph: Mapping[Ref, set[Ref]]) -> list[list[Ref]]:
    """One circle of each group of nodes that wait for one another, each as the shortest way round from its least member."""
    found: list[list[Ref]] = []
    for group in _components(graph):
        start = min(group)
        if len(group) == 1 and start not in graph[start]:
            continue
        back: dict[Ref, Ref] = {}
        front = [start]
        while start not in back:
            reached: list[Ref] = []
            for node in front:
                for other in sorted(graph[node] & group):
                    if other not in back:
                        back[other] = node
                        reached.append(other)
            front = reached
        way = [back[start]]
        while way[-1] != start:
            way.append(back[way[-1]])
        found.append(way[::-1])
    return found


def _components(graph: Mapping[Ref, set[Ref]]) -> list[set[Ref]]:
    """Strongly connected components (Tarjan 1972), without recursion: a chain may be as long as a repository."""
    index: dict[Ref, int] = {}
    low: dict[Ref, int] = {}
    stack: list[Ref] = []
    on_stack: set[Ref] = set()
    result: list[set[Ref]] = []
    for root in sorted(graph):
        if root in index:
            continue
        work: list[tuple[Ref, Iterator[Ref]]] = []
        entering: Ref | None = root
        while entering is not None or work:
            if entering is not None:
                index[entering] = low[entering] = len(index)
                stack.append(entering)
                on_stack.add(entering)
                work.append((entering, iter(sorted(graph[entering]))))
                entering = None
            node, others = work[-1]
            for other in others:
                if other not in index:
                    entering = other
                    break
                if other in on_stack:
                    low[node] = min(low[node], index[other])
            if entering is not None:
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[node])
            if low[node] == index[node]:
                group: set[Ref] = set()
                while node not in group:
                    group.add(stack[-1])
                    on_stack.discard(stack.pop())
                result.append(group)
    return result
