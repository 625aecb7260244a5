"""A roll-out that waits for a wave that failed: as data, and in the words that plan, status, wait, push and apply share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..clock import rfc3339
from ..core.model import Hold, Json, Left, Plan
from .clean import clean, plural

NEXT = (
    "mend it there (what failed is tried again after 1, 5, 30 minutes), "
    "or push a commit (a fix or a revert), which tries at once"
)


WAITS_FOR = {"backoff": "for a retry", "held": "for a wave that failed", "paused": "for a pause to end"}
"""`Left.kind_of` of changes that come without anybody's doing (`Plan.waiting`) → what they wait for."""


def waiting(waits: Sequence[Left]) -> str:
    """`3 changes wait: 1 for a retry, 2 for a wave that failed`."""
    counts = {what: sum(left.kind_of == kind_of for left in waits) for kind_of, what in WAITS_FOR.items()}
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    return f"{plural(len(waits), 'change')} {'waits' if len(waits) == 1 else 'wait'}: {told}"


def answer(hold: Hold | None, hosts: int, changes: int) -> dict[str, Json] | None:
    """Why `changes` on `hosts` hosts wait, and when what failed is tried again (retryAt None: now); None when nothing is held."""
    if hold is None:
        return None
    return {
        "wave": hold.wave,
        "why": hold.why,
        "failed": list(hold.hosts),
        "hosts": hosts,
        "changes": changes,
        "retryAt": rfc3339(hold.until, whole=True),
    }


def of_plan(plan: Plan) -> dict[str, Json] | None:
    waits = plan.held
    if not waits:  # there may be some elsewhere, in a plan that is seen through a filter
        return None
    return answer(plan.hold, len({left.key.host for left in waits}), len(waits))


def sentence(hold: Mapping[str, Json]) -> str:
    """`held: wave 1 failed on web-1; retried at 2026-01-02T03:04:05Z; 2 changes on 2 hosts wait`."""
    again = f"retried at {hold['retryAt']}" if hold["retryAt"] else "it is tried again now"
    changes, hosts = int(hold["changes"]), int(hold["hosts"])
    waits = f"{plural(changes, 'change')} on {plural(hosts, 'host')} {'waits' if changes == 1 else 'wait'}"
    return f"held: {clean(str(hold['why']))}; {again}; {waits}"


__all__ = ["NEXT", "WAITS_FOR", "answer", "of_plan", "sentence", "waiting"]
