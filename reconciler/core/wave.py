"""Which hosts go first. Canaries, then a tenth, then the rest, by default; in the order of a hash of the name, so that
the same hosts don't lead every time for being called web-001, and so that the order needs no state."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence

from .model import Backoff, Change, Hold, Key, Policy, Reason, WaveRule, WaveRun


def shuffled(hosts: Collection[str]) -> list[str]:
    """Hosts by BLAKE2b of their names: arbitrary, and the same everywhere."""
    return sorted(hosts, key=lambda name: (hashlib.blake2b(name.encode(), digest_size=8).digest(), name))


def of_the_commit(change: Change) -> bool:
    """Whether a failed wave of a commit holds it back: not what heals, nor what was there before."""
    return change.reason not in (Reason.DRIFTED, Reason.ROLLED_BACK)


def waves(
    policy: Policy,
    changes: Sequence[Change],
    fleet_size: int,
    matches: Mapping[str, Collection[str]],
    reached: Collection[str] = (),
) -> tuple[tuple[str, ...], ...]:
    """The hosts of each wave, sorted by name inside; waves that would be empty are left out.

    A rule takes the hosts that its selector matches (`matches`: selector → host names); when none of the plan's hosts
    do, its percentage of the plan's hosts, at least one. The last rule takes all that are left.

    What is put back goes to all its hosts at once: it was there before.

    `reached` are the hosts that a wave which failed got to (`hold`): they have the commit already. So a retry there and
    a little drift elsewhere are one wave, and no drift waits for a retry's gate.
    """
    hosts = {change.key.host for change in changes}
    if not hosts:
        return ()
    new = [change for change in changes if change.key.host not in reached and change.reason is not Reason.ROLLED_BACK]
    only_drift = all(change.reason is Reason.DRIFTED for change in new)
    drifted = {change.key.host for change in new}
    if only_drift and len(drifted) <= max(1, fleet_size * policy.heal_without_waves_percent / 100):
        return (tuple(sorted(hosts)),)
    left = shuffled(hosts)
    found: list[tuple[str, ...]] = []
    for number, rule in enumerate(policy.waves, 1):
        last = number == len(policy.waves)
        taken = left if last else _taken(rule, left, len(hosts), matches)
        if taken:
            found.append(tuple(sorted(taken)))
            gone = set(taken)
            left = [name for name in left if name not in gone]
    return tuple(found)


def _taken(rule: WaveRule, left: list[str], total: int, matches: Mapping[str, Collection[str]]) -> list[str]:
    if rule.selector:
        chosen = [name for name in left if name in matches.get(rule.selector, ())]
        if chosen:
            return chosen
    return left[: max(1, int(total * rule.percent / 100))]


# ---------------------------------------------------------------- the gate after a wave


def max_failed(policy: Policy, number: int, of: int) -> float:
    """Percent of a wave's hosts that may fail: the first wave is the canaries', later ones as the policy says."""
    rules = policy.waves
    return rules[min(number - 1, len(rules) - 1)].max_failed_percent if of > 1 or not rules else 5.0


def too_many(percent: float, failed: int, counted: int) -> bool:
    """The gate: True when more than `percent` of the hosts that count failed."""
    return failed * 100 > percent * counted


def hold(
    policy: Policy, runs: Sequence[WaveRun], failing: Mapping[Key, Backoff], now: float
) -> tuple[Hold, frozenset[str]] | None:
    """What waves that failed hold back, and the hosts that they reached, which go on; None when the gate is open.

    `failing` are the failures of this commit that are still wanted and did not succeed since. The gate is judged anew
    with them alone: one that succeeds at its retry opens it, and one that alone is within the policy does not close it.
    """
    shut: list[WaveRun] = []
    keys: set[Key] = set()
    for run in sorted(runs, key=lambda run: (run.number, run.hosts)):
        still = [key for key in run.failed if key in failing]
        # Another wave follows, so there is more than one.
        if too_many(max_failed(policy, run.number, of=2), len({key.host for key in still}), run.counted):
            shut.append(run)
            keys.update(still)
    if not shut:
        return None
    until = min(failing[key].until for key in keys)
    why = Hold(
        wave=shut[0].number, hosts=tuple(sorted({key.host for key in keys})), until=until if until > now else None
    )
    return why, frozenset(host for run in shut for host in run.hosts)
