"""Which hosts go first. Canaries, then a tenth, then the rest, by default; in the order of a hash of the name, so that
the same hosts don't lead every time for being called web-001, and so that the order needs no state."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence

from .model import Change, Policy, Reason, WaveRule


def shuffled(hosts: Collection[str]) -> list[str]:
    """Hosts by BLAKE2b of their names: arbitrary, and the same everywhere."""
    return sorted(hosts, key=lambda name: (hashlib.blake2b(name.encode(), digest_size=8).digest(), name))


def waves(
    policy: Policy, changes: Sequence[Change], fleet_size: int, matches: Mapping[str, Collection[str]]
) -> tuple[tuple[str, ...], ...]:
    """The hosts of each wave, sorted by name inside; waves that would be empty are left out.

    A rule takes the hosts that its selector matches (`matches`: selector → host names); when none of the plan's hosts
    do, its percentage of the plan's hosts, at least one. The last rule takes all that are left.
    """
    hosts = {change.key.host for change in changes}
    if not hosts:
        return ()
    only_drift = all(change.reason is Reason.DRIFTED for change in changes)
    if only_drift and len(hosts) <= max(1, fleet_size * policy.heal_without_waves_percent / 100):
        return (tuple(sorted(hosts)),)
    left = shuffled(hosts)
    found: list[tuple[str, ...]] = []
    for number, rule in enumerate(policy.waves, 1):
        last = number == len(policy.waves)
        taken = left if last else _taken(rule, left, len(hosts), matches)
        if taken:
            found.append(tuple(sorted(taken)))
            left = [name for name in left if name not in set(taken)]
    return tuple(found)


def _taken(rule: WaveRule, left: list[str], total: int, matches: Mapping[str, Collection[str]]) -> list[str]:
    if rule.selector:
        chosen = [name for name in left if name in matches.get(rule.selector, ())]
        if chosen:
            return chosen
    return left[: max(1, int(total * rule.percent / 100))]
