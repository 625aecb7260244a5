"""How the fleet stands after a round, in a few facts: what `trueup apply`, `trueup wait`, `git push -o wait` and the log are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..core import visits
from ..core.model import Plan
from ..line import Look
from ..tell import hold

SHOWN = 20
"""Hosts named one by one; the counts tell of all."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """After a round. `outcome` is one word: `converged`, `failed`, `unknown` (hosts answer, and
    something on them can't be read), `away` (all that answer are right), `stopped`, `observe` (the fleet's mode lets
    nothing run), `running` (more is to be done), `refused` (no commit is valid)."""

    tip: str
    """The branch's tip that the round saw."""
    commit: str
    """The newest valid commit; another than the tip when that one has errors; empty when none is valid."""
    held: str
    plan: str
    outcome: str
    hosts: int
    converged: int
    failed: int
    away: int
    pending: int
    """Changes still to be done."""
    why: tuple[Mapping[str, Any], ...] = ()
    """Hosts that aren't right, {host, why}; the first SHOWN."""
    guards: tuple[Mapping[str, str], ...] = ()
    unknown: int = 0
    """Hosts that answer and hold something that can't be read."""
    hold: Mapping[str, Any] | None = None
    """Why a wave that failed holds others (tell/hold.py); None when none does."""
    backoffs: int = 0
    """Resources that failed and wait for their next try."""
    at: float = 0.0

    def json(self) -> dict[str, Any]:
        return asdict(self)


def standing(tip: str, held: str, after: Look, now: float) -> Standing:
    """From the look that follows a round's acts."""
    plan, desired = after.plan, after.desired
    assert plan is not None and desired is not None, "a round that ended well saw a valid commit"
    failed = _first(plan, ("backoff", "refused"))
    away = {host: why for host, why in silent(plan).items() if host not in failed}
    changing = {change.key.host for change in plan.changes} - failed.keys() - away.keys()
    enforced = {host for host in changing if visits.enforced(desired, host)}
    unsure = {host: why for host, why in _first(plan, ("unknown",)).items() if host not in failed and host not in away}
    open_ones = changing | unsure.keys() | {left.key.host for left in plan.left if left.kind_of in ("report", "held")}
    wrong = failed.keys() | away.keys() | open_ones
    told = [{"host": host, "why": why} for some in (failed, unsure, away) for host, why in sorted(some.items())]
    return Standing(
        tip=tip,
        commit=after.commit.id,
        held=held,
        plan=plan.id,
        outcome=_word(plan, bool(failed or plan.hold), bool(unsure), bool(away), bool(enforced), bool(changing)),
        hosts=plan.hosts_total,
        converged=plan.hosts_total - len(wrong),
        failed=len(failed),
        away=len(away),
        pending=len(plan.changes),
        why=tuple(told[:SHOWN]),
        guards=tuple({"rule": hit.rule, "message": hit.message} for hit in plan.stopped),
        unknown=len(unsure),
        hold=hold.of_plan(plan),
        backoffs=sum(left.kind_of == "backoff" for left in plan.left),
        at=now,
    )


def nothing_valid(tip: str, held: str, now: float) -> Standing:
    """When no commit of the branch is valid: nothing can be planned, and nothing is known of the hosts."""
    return Standing(
        tip=tip,
        commit="",
        held=held,
        plan="",
        outcome="refused",
        hosts=0,
        converged=0,
        failed=0,
        away=0,
        pending=0,
        at=now,
    )


def silent(plan: Plan) -> dict[str, str]:
    """Host → why nobody knows how it is now: it does not answer, or was never looked at."""
    return {**dict.fromkeys(plan.never_seen, "not looked at yet"), **plan.unreachable}


def _first(plan: Plan, kinds_of: tuple[str, ...]) -> dict[str, str]:
    """Host → the first thing there that is left for one of these reasons, and why."""
    found: dict[str, str] = {}
    for left in plan.left:
        if left.kind_of in kinds_of:
            found.setdefault(left.key.host, f"{left.key.kind} {left.key.name}: {left.why}")
    return found


def _word(plan: Plan, failed: bool, unsure: bool, away: bool, running: bool, changing: bool) -> str:
    if plan.stopped:
        return "stopped"
    if running:
        return "running"
    if failed:
        return "failed"
    if unsure:
        return "unknown"
    if changing:
        return "observe"
    return "away" if away else "converged"


__all__ = ["Standing", "nothing_valid", "silent", "standing"]
