"""When a host is due for another look."""

from __future__ import annotations

from .model import HostPast

RETRY_UNREACHABLE = 60.0
"""Seconds until a host that did not answer is tried again, while it is away for less than five minutes; then five."""


def until_due(past: HostPast, now: float, every: float) -> float:
    """Seconds until a host is due, 0 when it is: never tried, `every` seconds ago, or away and due for another try."""
    tried = past.tried_at if past.tried_at is not None else past.seen_at
    if tried is None:
        return 0.0
    wait = every
    if past.trouble:
        away = now - (past.trouble_since if past.trouble_since is not None else now)
        wait = RETRY_UNREACHABLE if away < 300 else min(300.0, every)
    return max(0.0, wait - (now - tried))
