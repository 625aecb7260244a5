"""A host leaves the fleet: what trueup made there goes, what it found stays, and so does the memory of it: none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core import order
from ..core.diff import RELEASE, removal
from ..core.kind import Kinds, OpContext
from ..core.model import (
    Absent,
    Action,
    Change,
    Host,
    Json,
    Key,
    Look,
    Observation,
    Outcome,
    Owned,
    Reason,
    Report,
    Result,
    Unknown,
    Visit,
)
from ..core.problem import Problem, Refused

if TYPE_CHECKING:
    from ..world import World
    from . import AnsibleTrip

HISTORY = 200
"""Commits that are searched for a host that has left Git."""


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """What happens to each owned thing, and what came of it."""

    report: Report
    how: Mapping[Key, str]
    failed: tuple[Outcome, ...] = ()


def forget(world: World, name: str, yes: bool) -> dict[str, Json]:
    """What trueup owns on host `name`, and with `yes`: remove what it made, and the host's own file.

    Raises Refused when no commit knows a way in to the host.
    """
    host, fleet, declared = _find(world, name)
    trip: AnsibleTrip = world.trip  # type: ignore[assignment]
    left = leave(trip, host, fleet, world.sealer.host_key(name), yes)
    done = yes and left.report.trouble is None and not left.failed
    return {
        "format": 1,
        "host": name,
        "trouble": left.report.trouble.why if left.report.trouble else "",
        "things": [{"kind": key.kind, "name": key.name, "how": how} for key, how in sorted(left.how.items())],
        "done": done,
        "declared": declared,
        "failed": [f"{outcome.key.ref}: {outcome.message}" for outcome in left.failed],
    }


def leave(trip: AnsibleTrip, host: Host, fleet: str, secrets_key: str, yes: bool) -> Leaving:
    """One visit to read what is owned there, one to look at it, and with `yes` one that removes it."""
    kinds, ctx = trip.kinds, OpContext(host=host, fleet=fleet, secrets_key=secrets_key)
    first = trip.read_own([host], fleet)[host.name]
    owned = first.owned or ()
    how = {mine.key: _how(kinds, mine) for mine in owned}
    if first.trouble is not None or not yes:
        return Leaving(report=first, how=how)
    going = [mine for mine in owned if how[mine.key] != "stays"]
    looks = tuple(
        Look(key=mine.key, request=kinds[mine.key.kind].look(mine.key.name, mine.spec, ctx)) for mine in going
    )
    seen = _visit(trip, Visit(host=host, looks=looks, fleet=fleet))
    if seen.trouble is not None:
        return Leaving(report=seen, how=how)
    there = {reading.key: reading.seen for reading in seen.readings}
    unread = tuple(
        Outcome(key=key, result=Result.FAILED, message=f"it can't be read: {found.why}")
        for key, found in there.items()
        if isinstance(found, Unknown)
    )
    if unread:
        return Leaving(report=seen, how=how, failed=unread)
    changes = order.arrange(kinds, list(_deletes(going, there, how)))
    last = _visit(
        trip,
        Visit(
            host=host,
            changes=changes,
            ops={change.key: kinds[change.key.kind].ops(change, ctx) for change in changes},
            looks=looks,
            fleet=fleet,
        ),
        forget=True,
    )
    return Leaving(
        report=last, how=how, failed=tuple(outcome for outcome in last.outcomes if outcome.result is not Result.OK)
    )


def _how(kinds: Kinds, mine: Owned) -> str:
    """The kind's word for what becomes of it: only what trueup made goes, unless the manifest said otherwise."""
    how = removal(kinds[mine.key.kind], mine) if mine.key.kind in kinds else RELEASE
    return "stays" if how == RELEASE else how


def _deletes(going: Iterable[Owned], there: Mapping[Key, Observation], how: Mapping[Key, str]) -> Iterable[Change]:
    for mine in going:
        if not isinstance(there[mine.key], Absent):
            yield Change(
                key=mine.key,
                action=Action.DELETE,
                reason=Reason.REMOVED_FROM_GIT,
                fields=(),
                have=there[mine.key],
                owned=mine,
                on_remove=how[mine.key],
            )


def _visit(trip: AnsibleTrip, visit: Visit, **adds: Json) -> Report:
    found: list[Report] = []
    trip.batch.go([visit], found.append, lambda host, words: None, adds=lambda _: adds)
    return found[0]


def _find(world: World, name: str) -> tuple[Host, str, bool]:
    """The host as the newest commit that has it says, its fleet, and whether the newest valid one has it still."""
    newer = False
    for commit in world.repo.first_parents(world.repo.tip(), HISTORY):
        desired = world.read(commit)[1].desired
        if desired is not None and name in desired.hosts:
            return desired.hosts[name], desired.policy.name, not newer
        newer = newer or desired is not None
    raise Refused(
        Problem(
            code="no-host",
            message=f"none of the last {HISTORY} commits has a Host {name}",
            hint="give its manifest back for the time being: trueup needs its address",
        )
    )
