"""A plan for programs: the canonical document with its id and ages, as schemas/plan.json says."""

from __future__ import annotations

import datetime
import json

from ..core.kind import Kinds
from ..core.model import Json, Plan
from ..core.plan import document


def rfc3339(at: float | None) -> str | None:
    """Seconds since 1970 as RFC 3339 in UTC."""
    if at is None:
        return None
    moment = datetime.datetime.fromtimestamp(at, tz=datetime.UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def hold_json(plan: Plan) -> dict[str, Json] | None:
    """Why a wave that failed holds others back, how much waits, and when it is tried again (None: now)."""
    if plan.hold is None:
        return None
    waits = plan.held
    return {
        "wave": plan.hold.wave,
        "why": plan.hold.why,
        "failed": list(plan.hold.hosts),
        "hosts": len({left.key.host for left in waits}),
        "changes": len(waits),
        "retryAt": rfc3339(plan.hold.until),
    }


def answer(kinds: Kinds, plan: Plan) -> dict[str, Json]:
    """The document as JSON data."""
    made = document(kinds, plan)
    return {
        "format": 1,
        "id": plan.id,
        "commit": made["commit"],
        "observedAt": rfc3339(plan.observed_at),
        "stopped": bool(plan.stopped),
        "summary": {**made["summary"]},
        **{name: made[name] for name in ("hosts", "guards", "changes", "adopt", "release", "left")},
        "hold": hold_json(plan),
    }


def text(kinds: Kinds, plan: Plan) -> str:
    return json.dumps(answer(kinds, plan), indent=2, ensure_ascii=False, default=dict) + "\n"
