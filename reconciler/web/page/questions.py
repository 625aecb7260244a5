"""What the page asks beyond door/: put together from the same answers, so that nothing is worked out twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...core.model import Json
from ...door import browsing, looking
from ...world import World
from .live import Moment

EVENTS = 20
"""Events of one resource on its page; the history has all."""


def one(world: World, args: Mapping[str, Json]) -> Mapping[str, Json]:
    """One resource on one host. Raises Refused when the host is unknown, or nobody declares the resource for it."""
    key = {name: args[name] for name in ("host", "kind", "name")}
    found = looking.blame(world, key)
    there = browsing.at(world, {**key, "time": world.now()})
    past = browsing.history(world, {**key, "limit": EVENTS})
    seen = there["resources"][0] if there["resources"] else None
    return {
        "format": 1,
        "now": found["now"],
        "host": args["host"],
        "wanted": found["wanted"],
        "resource": found["resources"][0],
        "seen": seen,
        "seenAt": there["seenAt"],
        "events": past["events"],
        "next": past["next"],
    }


def moment(world: World) -> Moment:
    """The fleet now, for streams: counts and what the head of the page says, and each host's verdict."""
    desired = looking.in_force(world)
    if desired is None:
        return Moment(summary={"counts": {}, "total": 0, "commit": ""}, rows={})
    _, stood = looking.stand(world, desired)
    counts: dict[str, int] = {}
    rows = {}
    for row in stood.rows:
        counts[row.verdict.value] = counts.get(row.verdict.value, 0) + 1
        rows[row.host] = {"host": row.host, "verdict": row.verdict.value, "why": row.why, "commit": row.commit}
    return Moment(summary={"counts": counts, "total": len(rows), "commit": desired.commit.id}, rows=rows)


OWN: Mapping[str, Callable[[Any, Mapping[str, Json]], Mapping[str, Json]]] = {"one": one}
