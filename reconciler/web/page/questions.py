"""What the page asks beyond door/: put together from the same answers, so that nothing is worked out twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...core.model import Json, Key
from ...core.plan import change_json, document, masked
from ...door import looking
from ...door.asks import LOOKS
from ...store import momentary
from ...tell.plan_view import Group, groups
from ...world import World
from .live import Moment

GROUPS = 50
"""Groups of alike changes of a plan that waits."""
EVENTS = 20
"""Events of one resource on its page; the history has all."""


def one(world: World, args: Mapping[str, Json]) -> Mapping[str, Json]:
    """One resource on one host. Raises Refused when the host is unknown, or nobody declares the resource for it."""
    key = {name: args[name] for name in ("host", "kind", "name")}
    found = LOOKS["blame"](world, key)
    there = LOOKS["at"](world, {**key, "time": world.now()})
    past = LOOKS["history"](world, {**key, "limit": EVENTS})
    seen = there["resources"][0] if there["resources"] else None
    return {
        "format": 1,
        "now": found["now"],
        "host": args["host"],
        "wanted": found["wanted"],
        "resource": found["resources"][0],
        "seen": seen,
        "seenAt": there["seenAt"],
        "spec": _spec(world, Key(str(args["host"]), str(args["kind"]), str(args["name"]))),
        "moment": momentary.one(looking.store_of(world).db, str(args["host"]), str(args["kind"]), str(args["name"])),
        "events": past["events"],
        "next": past["next"],
    }


def _spec(world: World, key: Key) -> dict[str, Json]:
    """What the resource's manifest says, without what its kind brought in: that may be a whole site."""
    desired = looking.in_force(world)
    resource = desired.get(key) if desired is not None else None
    if resource is None:
        return {}
    sealed, made = world.kinds[key.kind].sealed, world.kinds.schemas[key.kind].get("resolved", ())
    return {name: masked(said, name in sealed) for name, said in resource.spec.items() if name not in made}


def commit(world: World, args: Mapping[str, Json]) -> Mapping[str, Json]:
    """One commit; when a guard stops it, with the plan that waits: nothing was run, so no round tells of it."""
    found = dict(LOOKS["commit"](world, args))
    found["plan"] = waiting(world, found["commit"]["id"]) if found["commit"]["standing"] == "stopped" else None
    return found


def waiting(world: World, commit_id: str) -> dict[str, Json] | None:
    """What a stopped commit would do now, alike changes together; None when it can't be read any more."""
    desired = world.read(commit_id)[1].desired
    if desired is None:
        return None
    plan = world.plan(desired)
    said = document(world.kinds, plan)
    made = groups(world.kinds, plan)
    return {
        "id": plan.id,
        "summary": said["summary"],
        "guards": said["guards"],
        "waves": [len(hosts) for hosts in plan.waves],
        "groups": [_group(world, group) for group in made[:GROUPS]],
        "more": max(0, len(made) - GROUPS),
    }


def _group(world: World, group: Group) -> dict[str, Json]:
    first = change_json(world.kinds, group.first)
    return {
        **{name: first[name] for name in ("action", "reason", "kind", "name", "fields", "onRemove")},
        "source": {name: first["source"][name] for name in ("path", "line")} if first["source"]["path"] else None,
        "hosts": len(group.hosts),
        "some": list(group.hosts[:20]),
        "notes": list(group.notes),
    }


def moment(world: World, before: tuple[object, Moment] | None = None) -> tuple[object, Moment]:
    """The fleet now, for streams: counts and what the head of the page says, and each host's verdict; and what it was made
    of. `before` is what this gave last: where nothing changed, it is given again."""
    desired = looking.in_force(world)
    if desired is None:
        return None, Moment(summary={"counts": {}, "total": 0, "commit": ""}, rows={})
    _, stood = looking.stand(world, desired)
    if before is not None and before[0] is stood:
        return before
    rows = {
        row.host: {"host": row.host, "verdict": row.verdict.value, "why": row.why, "commit": row.commit}
        for row in stood.rows
    }
    counts = {word: many for word, many in stood.all.counts.items() if many}
    return stood, Moment(summary={"counts": counts, "total": len(rows), "commit": desired.commit.id}, rows=rows)


OWN: Mapping[str, Callable[[Any, Mapping[str, Json]], Mapping[str, Json]]] = {"one": one, "commit": commit}
