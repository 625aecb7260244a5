"""The rows that a plan decides on, picked in plain Python: the reference that the store's SQL join must equal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from . import diff
from .kind import Kinds
from .model import Desired, Key, Manifest, Observation, Owned, Ref, Row, Spread, Unknown
from .model.observed import NEVER_SEEN


def rows(
    kinds: Kinds, desired: Desired, observed: Mapping[Key, Observation], owned: Mapping[Key, Owned]
) -> tuple[Row, ...]:
    """Every key on which desired, observed and owned don't obviously agree, in key order.

    Obvious: declared, owned with the same digest and removal, and nothing differs (for a state: its view has the digest of what is wanted).
    Hosts that are not in the inventory have no rows: nothing is sent to them.
    """
    found: dict[Key, Row] = {}
    for resource in desired.resources():
        key, want = resource.key, resource.meaning
        seen, mine = observed.get(key, NEVER_SEEN), owned.get(key)
        kept = mine is not None and mine.digest == want.digest and mine.on_remove == want.on_remove
        right = not isinstance(seen, Unknown) and not diff.fields(kinds[key.kind], want, seen)
        if not (kept and right):
            found[key] = Row(key=key, desired=resource, seen=seen, owned=mine)
    for key, mine in owned.items():
        if key.host in desired.hosts and key not in found and desired.get(key) is None:
            found[key] = Row(key=key, desired=None, seen=observed.get(key, NEVER_SEEN), owned=mine)
    return tuple(found[key] for key in sorted(found))


def row(desired: Desired, key: Key, observed: Mapping[Key, Observation], owned: Mapping[Key, Owned]) -> Row:
    """The row of one key, whether it agrees or not."""
    return Row(key=key, desired=desired.get(key), seen=observed.get(key, NEVER_SEEN), owned=owned.get(key))


def triggered(kinds: Kinds, desired: Desired, keys: Collection[Key]) -> tuple[Key, ...]:
    """Keys of resources that must be looked at because something they have loaded is among `keys` (a service whose
    file is healed). Cost follows the manifests that have `loaded` and the rows, not the fleet."""
    by_ref: dict[Ref, list[tuple[Manifest, frozenset[str], Spread]]] = {}
    for spread in desired.spreads:
        if not kinds[spread.manifest.kind].digests_of:
            continue
        hosts = frozenset(spread.hosts)
        for ref in _loaded_refs(spread):
            by_ref.setdefault(ref, []).append((spread.manifest, hosts, spread))
    found = set()
    for key in keys:
        for manifest, hosts, _ in by_ref.get(key.ref, ()):
            if key.host in hosts:
                found.add(Key(key.host, manifest.kind, manifest.name))
    return tuple(sorted(found - set(keys)))


def _loaded_refs(spread: Spread) -> Iterable[Ref]:
    meanings = [spread.same] if spread.same is not None else list(spread.each.values())
    names = {name for meaning in meanings for name in meaning.spec.get("loaded", {})}
    return sorted(Ref.parse(name) for name in names)
