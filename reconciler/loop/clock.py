"""When the next look is due: the moment at which world.due would name a host, or a pause ends, or a failure's wait is over."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.due import until_due
from ..core.model import HostPast, Plan

TOGETHER = 10.0
"""Seconds that a due host waits for others that are due soon: a look at many costs little more than a look at one."""


def next_look(
    hosts: Iterable[HostPast], plan: Plan | None, pauses_end: Iterable[float], now: float, every: float
) -> float:
    """Seconds until a round is worth walking, `every` at most. `pauses_end` are times, seconds since 1970 UTC."""
    due = sorted(until_due(past, now, every) for past in hosts)
    wait = every
    if due:
        # Hosts that come due close together are looked at together; a fleet falls into step by that.
        near = [after for after in due if after <= due[0] + min(TOGETHER, every / 20)]
        wait = min(every, near[-1])
    if plan is not None and plan.retry_at is not None:
        wait = min(wait, max(0.0, plan.retry_at - now))
    for end in pauses_end:
        wait = min(wait, max(0.0, end - now))
    # Rounded up: a look a moment too early finds nothing due, and would be walked again at once.
    return wait + 0.05


__all__ = ["TOGETHER", "next_look"]
