"""What people ask a fleet's World to do, by name: each takes plain JSON and gives plain JSON.

The daemon serves these over its socket, a command without a daemon calls them on a World of its own: one code for both.
Every act that visits hosts holds `world.turn`, so there is one round at a time however many people ask.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from .. import line
from ..clock import rfc3339
from ..core.codec import decode, encode
from ..core.model import Approval, Desired, GuardHit, HostPast, Json, Left, Pause, Plan
from ..core.problem import Problem, Refused
from ..manifests import selector
from ..world import World
from . import rollback
from .outside import renew
from .standing import Standing, silent, standing

Args: TypeAlias = Mapping[str, Json]
Act: TypeAlias = Callable[[World, Args], dict[str, Json]]

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def plan(world: World, args: Args) -> dict[str, Json]:
    """`desired` (core.codec) or `rev` → the plan, encoded."""
    if "desired" in args:
        try:
            desired: Desired = decode(Desired, args["desired"])
        except ValueError as error:
            raise Refused(
                Problem(
                    code="door-bad-argument",
                    message=f"what was sent to be planned can't be read: {str(error)[:200]}",
                    hint="the daemon and the command may be of different versions: restart the daemon",
                )
            ) from None
        return {"format": 1, "plan": encode(world.plan(desired))}
    seen = line.look(world, str(args.get("rev") or world.newest()))
    if seen.plan is None:
        raise Refused(*seen.problems)
    return {"format": 1, "plan": encode(seen.plan)}


def accept(world: World, args: Args) -> dict[str, Json]:
    """Record a human's yes to the guards `accept` of the plan `plan`, as it was shown."""
    guards = [str(guard) for guard in args["accept"]]
    with world.turn:
        _accept(world, str(args["plan"]), guards, str(args.get("who", "")))
    return {"format": 1, "plan": str(args["plan"]), "accepted": guards}


def apply(world: World, args: Args) -> dict[str, Json]:
    """Accept guards of a plan, if asked; then walk the line once."""
    with world.turn:
        if args.get("accept"):
            accept(world, args)
        renew(world)
        before = line.reconcile(world)
        after = line.look(world, before.commit.id)
        stands = standing(world.repo.tip(), world.store.held(), after, world.now())
    assert before.plan is not None and after.plan is not None, "reconcile gives valid commits only"
    return {"format": 1, "commit": before.commit.id, **_outcome(before.plan, after.plan, stands)}


def _outcome(before: Plan, after: Plan, stands: Standing) -> dict[str, Json]:
    """`outcome` is the word that `trueup wait` would end with; `nothing` where it is converged and was so before."""
    nothing = stands.outcome == "converged" and not (before.changes or after.left)
    return {
        "outcome": "nothing" if nothing else stands.outcome,
        "plan": after.id,
        "hosts": stands.hosts,
        "converged": stands.converged,
        "changed": len(before.changes) - len(after.changes),
        "pending": len(after.changes),
        "left": [{**left.key.json(), "why": left.why, "left": left.kind_of} for left in _worst_first(after)[:100]],
        "hold": stands.hold,
        "unreachable": silent(after),
        "guards": [{"rule": hit.rule, "message": hit.message} for hit in after.stopped],
    }


def _worst_first(plan: Plan) -> list[Left]:
    """What waits for others comes last: there may be much of it, and it has one cause."""
    return sorted(plan.left, key=lambda left: left.kind_of == "held")


def _accept(world: World, plan_id: str, rules: list[str], who: str) -> None:
    """Record a human's yes to guards of the newest plan. Raises Refused when it is not the plan that was shown."""
    seen = line.look(world, world.newest())
    assert seen.plan is not None
    if len(plan_id) < 8 or not seen.plan.id.startswith(plan_id):
        raise Refused(
            Problem(
                code="plan-changed",
                message=f"the plan is now {seen.plan.id[:8]}, not {plan_id}: what was shown is not what would run",
                hint="trueup plan shows it; accept that one if it is meant",
            )
        )
    for rule in rules:
        met = [hit for hit in seen.plan.guards if hit.rule == rule]
        if not met:
            known = ", ".join(sorted({hit.rule for hit in seen.plan.guards})) or "none"
            raise Refused(
                Problem(
                    code="no-such-guard",
                    message=f"guard {rule} does not stop this plan; those that do: {known}",
                    hint=f"trueup plan shows what stops it; then: trueup apply {seen.plan.id[:8]} --accept GUARD"
                    if seen.plan.guards
                    else "nothing is to be accepted: trueup apply carries it out",
                )
            )
        if any(hit.final for hit in met):
            raise Refused(
                Problem(
                    code="guard-final",
                    message=f"guard {rule} can't be accepted: it would remove trueup's own way in",
                    hint="give the manifest back",
                )
            )
        world.store.approve(_approval(met, rule, seen.commit.id, who, world.now()))


def _approval(met: list[GuardHit], rule: str, commit: str, who: str, now: float) -> Approval:
    allowed = frozenset(digest for hit in met for digest in hit.changes)
    return Approval(guard=rule, commit=commit, allowed=allowed, who=who or "somebody", at=now)


def _newest(world: World) -> Desired:
    desired = world.read(world.newest())[1].desired
    assert desired is not None, "the newest valid commit has no errors"
    return world.store.meant(desired)


def observe(world: World, args: Args) -> dict[str, Json]:
    """Read the hosts that `selector` picks, all by content where it is to be `whole`."""
    with world.turn:
        desired = _newest(world)
        hosts = selector.hosts(str(args.get("selector") or "all"), desired.hosts)
        line.observe(world, desired, hosts, whole=bool(args.get("whole")))
        known = world.store.past_of_hosts()
        after = line.look(world, desired.commit.id)
    assert after.plan is not None
    return {
        "format": 1,
        "hosts": list(hosts),
        "troubles": {host: known[host].trouble for host in hosts if host in known and known[host].trouble},
        "changes": len(after.plan.changes),
        "plan": after.plan.id,
    }


def span(text: str) -> float:
    """`90s`, `30m`, `2h`, `3d` → seconds. Raises Refused."""
    found = _SPAN.fullmatch(text.strip())
    if found is None or float(found[1]) <= 0:
        raise Refused(Problem(code="bad-span", message=f"{text!r} is no span of time", hint="write 90s, 30m, 2h or 3d"))
    return float(found[1]) * _SECONDS[found[2]]


def pause(world: World, args: Args) -> dict[str, Json]:
    """Leave the hosts of `selector` alone `for` a while; `why` is shown."""
    text, why = str(args["selector"]), str(args.get("why") or "").strip()
    if not why:
        raise Refused(Problem(code="why-missing", message="a pause needs a reason", hint='--why "moving rack 4"'))
    until = world.now() + span(str(args.get("for") or "2h"))
    made = Pause(selector=text, why=why, who=str(args.get("who") or "somebody"), until=until)
    hosts = selector.hosts(text, _newest(world).hosts)
    world.store.pause(made, world.now())
    world.tell.say("paused", selector=text, until=until)
    return {"format": 1, "selector": text, "why": why, "until": rfc3339(until, whole=True), "hosts": list(hosts)}


def resume(world: World, args: Args) -> dict[str, Json]:
    """End the pauses that were given with `selector`, or all."""
    text = str(args["selector"])
    ended = world.store.resume("" if text == "all" else text, str(args.get("who") or "somebody"), world.now())
    world.tell.say("resumed", selector=text)
    return {"format": 1, "selector": text, "ended": ended}


def forget(world: World, args: Args) -> dict[str, Json]:
    """What trueup made on `host`, and with `yes`: remove it and the host's own file."""
    from ..trip import forget as leaving

    host = str(args["host"])
    with world.turn:
        answer = leaving.forget(world, host, bool(args.get("yes")))
        if answer["done"]:
            world.store.forget(host, world.now())
    return answer


def reborn(world: World, args: Args) -> dict[str, Json]:
    """`host` is another machine now, on purpose: with `yes` nothing is owned there any more, and its key is pinned anew.

    What the old machine had is not removed anywhere; the next look starts from nothing.
    """
    host, yes = str(args["host"]), bool(args.get("yes"))
    with world.turn:
        desired = _newest(world)
        selector.known(host, desired.hosts)
        owned = len(world.store.owned_on([host]).get(host, ()))
        trouble = world.store.past_of_hosts().get(host, HostPast()).trouble
        pins = 0
        if yes:
            world.store.forget(host, world.now())
            pins = world.trip.unpin(host)
    committed = bool(desired.hosts[host].host_keys)
    return {
        "format": 1,
        "host": host,
        "owned": owned,
        "trouble": trouble,
        "pins": pins,
        "committed": committed,
        "done": yes,
    }


ACTS: Mapping[str, Act] = {
    **rollback.ACTS,
    "plan": plan,
    "accept": accept,
    "apply": apply,
    "observe": observe,
    "pause": pause,
    "resume": resume,
    "forget": forget,
    "reborn": reborn,
}

__all__ = ["ACTS", "Act", "Any", "Args"]
