"""The verdict of a host: an ordered table of (condition, verdict, why); the first match wins.

Worked out whenever it is read, never stored: silence turns into Unknown by itself. "Converged" comes only from
readings that were taken after the last change.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .model import Pause, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class HostView:
    """What is known of one host when somebody asks; counts are of resources."""

    now: float
    seen_at: float | None = None
    observe_every: float = 600.0
    trouble: str = ""
    trouble_since: float | None = None
    trouble_code: str = ""
    paused: Pause | None = None
    failed: int = 0
    """Whose last op failed, for the state that is wanted now."""
    failed_why: str = ""
    pending: int = 0
    """That differ from the held commit and are to be changed (edited, new, removed)."""
    held: str = ""
    """Why what is pending waits for a wave that failed elsewhere; empty: it doesn't."""
    drifted: int = 0
    drifted_why: str = ""
    unknown: int = 0
    unknown_why: str = ""
    running: bool = False
    running_since: float | None = None
    running_limit: float = 1800.0
    enforced: bool = True
    """False in mode observe: differences are shown and left."""
    was: str = ""
    """The verdict by the last readings, for `was Converged`."""


def age(seconds: float) -> str:
    """`40 s`, `3 min`, `2 h`, `5 d`: one unit, rounded down."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


Row = tuple[Callable[[HostView], bool], Verdict, Callable[[HostView], str]]

CODES_THAT_FAIL = frozenset({"host-key-changed", "reborn", "renamed", "leased"})
"""Troubles that are not mere silence: the host answers, and something is wrong that only a human can settle."""

TABLE: tuple[Row, ...] = (
    (
        lambda v: v.paused is not None and v.paused.until > v.now,
        Verdict.PAUSED,
        lambda v: f"by {v.paused.who}: {v.paused.why}" if v.paused else "",
    ),
    (lambda v: v.trouble_code in CODES_THAT_FAIL, Verdict.FAILED, lambda v: v.trouble),
    (
        lambda v: v.running and v.running_since is not None and v.now - v.running_since > 2 * v.running_limit,
        Verdict.FAILED,
        lambda v: f"stuck for {age(v.now - (v.running_since or v.now))}",
    ),
    (lambda v: v.running, Verdict.PROGRESSING, lambda v: "being changed now"),
    (lambda v: bool(v.trouble), Verdict.UNKNOWN, lambda v: v.trouble + (f"; was {v.was}" if v.was else "")),
    (lambda v: v.seen_at is None, Verdict.UNKNOWN, lambda v: "never looked at"),
    (
        lambda v: v.seen_at is not None and v.now - v.seen_at > 3 * v.observe_every,
        Verdict.UNKNOWN,
        lambda v: f"not looked at for {age(v.now - (v.seen_at or v.now))}",
    ),
    (lambda v: v.failed > 0, Verdict.FAILED, lambda v: v.failed_why or f"{v.failed} failed"),
    (lambda v: v.unknown > 0, Verdict.UNKNOWN, lambda v: v.unknown_why or f"{v.unknown} can't be read"),
    (lambda v: v.drifted > 0, Verdict.DRIFTED, lambda v: v.drifted_why or f"{v.drifted} drifted"),
    (
        lambda v: v.pending > 0 and not v.enforced,
        Verdict.DRIFTED,
        lambda v: f"{v.pending} differ; mode observe changes nothing",
    ),
    (lambda v: v.pending > 0 and bool(v.held), Verdict.PROGRESSING, lambda v: f"{v.pending} held: {v.held}"),
    (lambda v: v.pending > 0, Verdict.PROGRESSING, lambda v: f"{v.pending} to change"),
    (lambda v: True, Verdict.CONVERGED, lambda v: "as Git says"),
)


def verdict(view: HostView) -> tuple[Verdict, str]:
    """The verdict of a host and the reason for the page."""
    for holds, word, why in TABLE:
        if holds(view):
            return word, why(view)
    raise AssertionError("the last row of TABLE always holds")


def holds_until(view: HostView) -> float:
    """Seconds since 1970: before this moment `verdict` says the same of `view`, whatever its `now`, as long as nothing
    else of it changes. It may come to say the same afterwards too. Infinite when time changes nothing."""
    ends = []
    if view.paused is not None and view.paused.until > view.now:
        ends.append(view.paused.until)
    if view.running and view.running_since is not None:
        ends.append(_until_older(view.now, view.running_since, 2 * view.running_limit))
    if view.seen_at is not None:
        ends.append(_until_older(view.now, view.seen_at, 3 * view.observe_every))
    return min(ends, default=math.inf)


def _until_older(now: float, since: float, limit: float) -> float:
    """When something of `since` becomes older than `limit`; when it is, when its `age` reads otherwise."""
    old = now - since
    if old <= limit:
        return since + limit
    size = next((size for size in (86400, 3600, 60) if old >= size), 1)
    return since + (max(0.0, old) // size + 1) * size
