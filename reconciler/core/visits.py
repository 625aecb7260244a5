"""From a wave of a plan to visits: which ops go to which host, and what is read there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from .kind import Kinds, OpContext
from .model import (
    NOTHING,
    Absent,
    Action,
    Change,
    Desired,
    Host,
    HostPast,
    Key,
    Look,
    Op,
    Origin,
    Owned,
    Plan,
    Present,
    Report,
    Result,
    Untold,
    Visit,
)
from .predict import owned_after
from .wave import too_many


def enforced(desired: Desired, host: str) -> bool:
    """False where mode observe holds: looked at, planned, shown, and left."""
    own = desired.hosts[host].mode if host in desired.hosts else ""
    return (own or desired.policy.mode) == "enforce"


def context(desired: Desired, host: Host, secrets_key: str, whole: bool = False) -> OpContext:
    return OpContext(host=host, fleet=desired.policy.name, secrets_key=secrets_key, whole=whole)


def looks(
    kinds: Kinds, desired: Desired, owned: Iterable[Owned], ctx: OpContext, changes: Iterable[Change] = ()
) -> tuple[Look, ...]:
    """What to read on one host: all that is declared for it, and all that is owned there."""
    name = ctx.host.name
    wanted: dict[Key, Look] = {}
    known = {change.key: replace(ctx, seen=change.have.state) for change in changes if isinstance(change.have, Present)}
    for mine in owned:
        if mine.key.kind in kinds:
            request = kinds[mine.key.kind].look(mine.key.name, mine.spec, known.get(mine.key, ctx))
            if kinds[mine.key.kind].secrets(mine.spec):
                known[mine.key] = replace(known.get(mine.key, ctx), before=mine.spec)
            wanted[mine.key] = Look(key=mine.key, request=request)
    for spread in desired.on_host(name):
        key = Key(name, spread.manifest.kind, spread.manifest.name)
        request = kinds[key.kind].look(key.name, spread.meaning(name).spec, known.get(key, ctx))
        wanted[key] = Look(key=key, request=request)
    return tuple(wanted[key] for key in sorted(wanted))


def ops(kinds: Kinds, change: Change, ctx: OpContext) -> tuple[Op, ...]:
    """The ops of one change; a replace is the removal of the old and the creation of the new."""
    kind = kinds[change.key.kind]
    if change.action is not Action.REPLACE:
        return kind.ops(change, ctx)
    gone = replace(change, action=Action.DELETE, want=None, fields=(), on_remove=kind.default_on_remove)
    made = replace(change, action=Action.CREATE, have=Absent(), owned=None)
    return (*kind.ops(gone, ctx), *kind.ops(made, ctx))


def visits(
    kinds: Kinds,
    desired: Desired,
    hosts: Sequence[str],
    owned: Mapping[str, Sequence[Owned]],
    past: Mapping[str, HostPast],
    secrets_key: Callable[[str], str],
    plan: Plan | None = None,
    untold: Mapping[str, Untold] = NOTHING,
    *,
    whole: bool = False,
) -> tuple[Visit, ...]:
    """One visit a host, in the order given: with the plan's changes for it, or only to look when there is no plan.
    Either brings what is `untold` there, but of what it changes: a change tells for itself. `whole`: read all by content."""
    wanted = set(hosts)
    by_host: dict[str, list[Change]] = {}
    for change in plan.changes if plan is not None else ():
        if change.key.host in wanted:
            by_host.setdefault(change.key.host, []).append(change)
    made = []
    for name in hosts:
        host = desired.hosts[name]
        if host.bootstrap and not enforced(desired, name):
            host = replace(host, bootstrap=False)  # nothing is installed where nothing is to be changed
        ctx = context(desired, host, secrets_key(name), whole)
        changes = tuple(by_host.get(name, ()))
        changing, news = {change.key for change in changes}, untold.get(name, Untold())
        made.append(
            Visit(
                host=host,
                changes=changes,
                ops={change.key: ops(kinds, change, ctx) for change in changes},
                looks=looks(kinds, desired, owned.get(name, ()), ctx, changes),
                own=tuple(mine for mine in news.own if mine.key not in changing),
                disown=tuple(key for key in news.disown if key not in changing),
                machine_id=past[name].machine_id if name in past else "",
                fleet=desired.policy.name,
            )
        )
    return tuple(made)


def adoptions(desired: Desired, keys: Iterable[Key], owned: Mapping[str, Sequence[Owned]]) -> tuple[Owned, ...]:
    """The memory of what is declared and already right: found there, unless trueup made it before."""
    before = {mine.key: mine for group in owned.values() for mine in group}
    made = []
    for key in keys:
        resource = desired.get(key)
        if resource is None:
            continue
        made.append(
            Owned(
                key=key,
                origin=before[key].origin if key in before else Origin.FOUND,
                spec=resource.spec,
                digest=resource.meaning.digest,
                commit=desired.commit.id,
                on_remove=resource.meaning.on_remove,
                source=replace(resource.source, commit=desired.commit.id),
            )
        )
    return tuple(made)


def settled(changes: Iterable[Change], report: Report, commit: str) -> tuple[tuple[Owned, ...], tuple[Key, ...]]:
    """What is owned now, and what no longer, after the outcomes of one report."""
    ok = {outcome.key for outcome in report.outcomes if outcome.result is Result.OK}
    kept: list[Owned] = []
    gone: list[Key] = []
    for change in changes:
        if change.key in ok:
            mine = owned_after(change, commit)
            if mine is None:
                gone.append(change.key)
            else:
                kept.append(mine)
    return tuple(kept), tuple(gone)


def unasked(report: Report) -> bool:
    """Whether the host's own file says that something is owned there of which the visit read nothing."""
    return bool({mine.key for mine in report.owned or ()} - {reading.key for reading in report.readings})


def wave_failed(policy_percent: float, hosts: int, reports: Iterable[Report]) -> bool:
    """The gate: True when more than the allowed share of a wave's hosts failed.

    A host that can't be reached is unknown, not failed, and leaves the wave: the share is of those that answered. A
    stale op is planned anew.
    """
    failed = away = 0
    for report in reports:
        if any(outcome.result is Result.FAILED for outcome in report.outcomes):
            failed += 1
        elif report.trouble is not None:
            away += 1
    return too_many(policy_percent, failed, hosts - away)
