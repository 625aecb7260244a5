"""When the next look is due: the moment at which world.due would name a host, or a pause ends, or a failure's wait is over."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.model import HostPast, Plan
from ..world import RETRY_UNREACHABLE

TOGETHER = 10.0
"""Seconds that a due host waits for others that are due soon: a look at many costs little more than a look at one."""
BACKOFF_STEP = 60.0
"""Seconds between two rounds while a failure waits for its next try (1, 5, 30 minutes: the first step is the smallest)."""


def until_due(past: HostPast, now: float, every: float) -> float:
    """Seconds until a host is due, 0 when it is. The same rule as the world's, told as a time."""
    tried = past.tried_at if past.tried_at is not None else past.seen_at
    if tried is None:
        return 0.0
    wait = every
    if past.trouble:
        away = now - (past.trouble_since if past.trouble_since is not None else now)
        wait = RETRY_UNREACHABLE if away < 300 else min(300.0, every)
    return max(0.0, wait - (now - tried))


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
    if plan is not None and any(left.kind_of == "backoff" for left in plan.left):
        wait = min(wait, BACKOFF_STEP)
    for end in pauses_end:
        wait = min(wait, max(0.0, end - now))
    # Rounded up: a look a moment too early finds nothing due, and would be walked again at once.
    return wait + 0.05


__all__ = ["BACKOFF_STEP", "TOGETHER", "next_look", "until_due"]
