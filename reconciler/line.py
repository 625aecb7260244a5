"""The line, from a commit to a converged fleet. Read this file first; every way in walks it.

    finish  an open round, if a crash left one: read its hosts again
    look    commit → manifests → Desired; with Observed and the past: a Plan           (nothing is changed)
    act     for each wave: a trip, then the gate; what was read and owned is written down as each host ends
    tell    as it goes

`trueup plan`, the PR check and the hooks `look` and stop there: a dry run is not a mode. The daemon and `trueup apply`
`reconcile`. What decides is in core/; what touches the world is behind ports.py, in `world`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .core.model import Commit, Desired, Plan, Report
from .core.problem import Problem
from .world import World


@dataclass(frozen=True, kw_only=True)
class Look:
    """What `look` saw. `desired` and `plan` are None when the commit has errors."""

    commit: Commit
    problems: tuple[Problem, ...] = ()
    desired: Desired | None = None
    plan: Plan | None = None


def reconcile(world: World, hosts: Sequence[str] = ()) -> Look:
    """One walk of the line for the newest valid commit; `hosts` are looked at even if they aren't due.

    A commit whose plan a guard stops waits; the fleet stays held to the one before it, whose drift goes on being healed.
    """
    with world.turn:
        finish(world)
        before, newest = world.held(), look(world, world.newest())
        force = in_force(world, newest)
        asked = (*hosts, *world.worth_asking(force.plan, before))
        if force.desired is not None and observe(world, force.desired, world.due(force.desired, asked)):
            newest = look(world, newest.commit.id)
            force = in_force(world, newest)
        act(world, force)
    world.tell.say("looked", commit=newest.commit.id, plan=newest.plan.id if newest.plan else "")
    return newest


def look(world: World, rev: str) -> Look:
    """What `rev` would do now. Changes nothing, asks no host."""
    files, reading = world.read(rev)
    desired = world.store.meant(reading.desired) if reading.desired is not None else None
    plan = world.plan(desired) if desired is not None else None
    return Look(commit=files.commit, problems=reading.problems, desired=desired, plan=plan)


def in_force(world: World, newest: Look) -> Look:
    """The look that may run: the newest, or the one before it when a guard stops the newest."""
    plan, held = newest.plan, world.held()
    # What was in force once stays so: a guard that stops the rest of it doesn't take back what was done.
    runs = plan is not None and (not plan.stopped or held == newest.commit.id)
    world.store.holding(newest.commit, newest.commit.tree, newest.problems, world.now(), runs=runs)
    if plan is not None and plan.stopped and held not in ("", newest.commit.id):
        world.tell.say("stopped", commit=newest.commit.id, plan=plan.id)
        return look(world, held)
    return newest


def observe(world: World, desired: Desired, hosts: Sequence[str], *, whole: bool = False) -> bool:
    """Read these hosts, change nothing; True when there were any."""
    if hosts:
        world.tell.say("looking", hosts=len(hosts))
        world.look_at(desired, hosts, whole=whole)
    return bool(hosts)


def act(world: World, seen: Look) -> None:
    """Carry out a plan that nothing stops, wave by wave; a failed wave ends it."""
    desired, plan = seen.desired, seen.plan
    if desired is None or plan is None or plan.stopped:
        return
    world.record(desired, plan)
    waves = [world.may_run(desired, hosts) for hosts in plan.waves]
    if not any(waves):
        return
    round_id = world.store.open_round(plan, world.now())
    outcome = "done"
    for number, hosts in enumerate(waves, 1):
        world.say_wave(number, len(waves), hosts, plan)
        reports = trip(world, desired, plan, hosts, round_id)
        if world.stopping or world.wave_failed(desired, number, len(waves), len(hosts), reports):
            outcome = "stopping" if world.stopping else f"wave {number} failed"
            break
    world.store.close_round(round_id, outcome, world.now())
    world.tell.say("acted", round=round_id, plan=plan.id, outcome=outcome)


def trip(world: World, desired: Desired, plan: Plan, hosts: Sequence[str], round_id: str) -> list[Report]:
    """Visit the hosts of one wave with the plan's ops; what each brings back is written down as it ends."""
    reports: list[Report] = []

    def ended(report: Report) -> None:
        world.keep(desired, report, plan, round_id)
        reports.append(report)

    world.trip.go(world.visits(desired, hosts, plan), ended, world.progress)
    return reports


def finish(world: World) -> None:
    """After a crash: what was under way is unknown until it is read again; nothing is repeated blindly."""
    unfinished = world.store.unfinished()
    if unfinished is None:
        return
    round_id, hosts = unfinished
    desired = look(world, world.held() or world.newest()).desired
    if desired is not None:
        observe(world, desired, [host for host in hosts if host in desired.hosts])
    world.store.close_round(round_id, "cut short; its hosts were read again", world.now())
