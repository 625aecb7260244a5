"""A plan for programs: the canonical document with its id and ages, as schemas/plan.json says."""

from __future__ import annotations

import json

from ..clock import rfc3339
from ..core.kind import Kinds
from ..core.model import Json, Plan
from ..core.plan import document
from . import hold


def answer(kinds: Kinds, plan: Plan) -> dict[str, Json]:
    """The document as JSON data."""
    made = document(kinds, plan)
    return {
        "format": 1,
        "id": plan.id,
        "commit": made["commit"],
        "observedAt": rfc3339(plan.observed_at, whole=True),
        "stopped": bool(plan.stopped),
        "summary": {**made["summary"]},
        **{name: made[name] for name in ("hosts", "guards", "changes", "adopt", "release", "left")},
        "hold": hold.of_plan(plan),
        "rolledBack": [one.json() for one in plan.rolled_back],
    }


def text(kinds: Kinds, plan: Plan) -> str:
    return json.dumps(answer(kinds, plan), indent=2, ensure_ascii=False, default=dict) + "\n"
