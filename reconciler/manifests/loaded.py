"""The digests of what a resource refers to become part of its own meaning (`Kind.digests_of`), so that a service is
restarted because its file changed, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..core.kind import Kinds
from ..core.model import Meaning, Ref, Spread, digest
from .resolve import Item

FIELD = "loaded"


@dataclass(frozen=True, slots=True)
class _Index:
    """Spreads by what they declare."""

    by_ref: Mapping[Ref, Sequence[tuple[frozenset[str], Spread]]]

    def digest(self, ref: Ref, host: str) -> str:
        """Of `ref` on `host`; empty when nobody declares it there (an error elsewhere)."""
        for hosts, spread in self.by_ref.get(ref, ()):
            if host in hosts:
                return spread.meaning(host).digest
        return ""

    def uniform(self, ref: Ref, hosts: Iterable[str]) -> str | None:
        """The one digest of `ref` on all `hosts`; None when it differs from host to host."""
        for declared, spread in self.by_ref.get(ref, ()):
            if spread.same is not None and declared.issuperset(hosts):
                return spread.same.digest
        return None


def with_loaded(items: Sequence[Item], kinds: Kinds) -> list[Item]:
    """`items`, with `loaded` in the specs of the kinds that ask for it. What refers to such a resource sees it as it was before."""
    if not any(kinds[item.entry.kind].digests_of for item in items):
        return list(items)
    by_ref: dict[Ref, list[tuple[frozenset[str], Spread]]] = {}
    for item in items:
        by_ref.setdefault(item.entry.ref, []).append((frozenset(item.spread.hosts), item.spread))
    index = _Index(by_ref)
    return [_one(item, kinds[item.entry.kind].digests_of, index) for item in items]


def _one(item: Item, fields: tuple[str, ...], index: _Index) -> Item:
    refs = sorted({ref for name in fields for ref in references(item.own.get(name))})
    if not refs:
        return item
    spread = item.spread
    if spread.same is not None:
        together = {str(ref): index.uniform(ref, spread.hosts) for ref in refs}
        if None not in together.values():
            return replace(item, spread=replace(spread, same=_add(spread.same, together)))
    each = {
        host: _add(spread.meaning(host), {str(ref): index.digest(ref, host) for ref in refs}) for host in spread.hosts
    }
    if not each and spread.same is not None:
        return item
    return replace(item, spread=replace(spread, same=None, each=each))


def _add(meaning: Meaning, loaded: Mapping[str, str | None]) -> Meaning:
    spec = {**meaning.spec, FIELD: dict(loaded)}
    return replace(meaning, spec=spec, digest=digest(spec))


def references(value: object) -> list[Ref]:
    """The references of a field that holds a list of `Kind/name`; what has another form is left out (an error elsewhere)."""
    texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [ref for ref in (Ref.parse(str(text)) for text in texts) if ref.kind and ref.name]
