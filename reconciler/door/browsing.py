"""Questions about kinds, commits and the past."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..core.model import Commit, Desired, Json
from ..core.problem import Problem, Refused
from . import wire
from .looking import (
    add_authors,
    commit_json,
    in_force,
    known_host,
    known_kind,
    limit,
    required,
    store_of,
    text,
)

if TYPE_CHECKING:
    from ..world import World

Args = Mapping[str, Json]


# ---------------------------------------------------------------- kinds


def kinds(world: World, args: Args) -> dict[str, Json]:
    """The kinds, with how many resources of each there are and how many differ."""
    from ..store import kinds as lists

    return lists.kinds(store_of(world).view(in_force(world) or Desired()))


def kind(world: World, args: Args) -> dict[str, Json]:
    """A page of one kind's resources: `find`, `after`, `limit`."""
    from ..store import kinds as lists

    name = known_kind(world, text(args, "kind"))
    view = store_of(world).view(in_force(world) or Desired())
    return lists.kind(view, name, find=text(args, "find"), after=text(args, "after"), limit=limit(args, lists.PAGE))


def resource(world: World, args: Args) -> dict[str, Json]:
    """One resource on its hosts, those that differ first."""
    from ..store import kinds as lists

    name = known_kind(world, text(args, "kind"))
    desired = required(world)
    view = store_of(world).view(desired)
    found = lists.resource(view, name, text(args, "name"), after=text(args, "after"), limit=limit(args, lists.PAGE))
    if not found["total"]:
        what = f"{name}/{text(args, 'name')}"[:200]
        raise Refused(
            Problem(code="unknown-resource", message=f"nobody declares {what}", hint=f"/kinds/{name} lists them")
        )
    places = [{"source": source} for source in found["sources"]]
    add_authors(world, desired, places)
    return found


# ---------------------------------------------------------------- commits and the past


def commits(world: World, args: Args) -> dict[str, Json]:
    """Commits that were read, newest first."""
    from ..store import commits as lists

    return lists.commits(store_of(world).db, after=text(args, "after"), limit=limit(args, lists.PAGE))


def commit(world: World, args: Args) -> dict[str, Json]:
    """One commit: its problems, and its rounds with what came of each change."""
    from ..store import commits as lists

    found = lists.commit(store_of(world).db, _one_commit(world, text(args, "commit")))
    assert found is not None
    found["held"] = world.store.held() == found["commit"]["id"]
    return found


def _one_commit(world: World, rev: str) -> str:
    from ..store import commits as lists

    known = lists.known(store_of(world).db, rev)
    if len(known) == 1 or rev in known:
        return rev if rev in known else known[0]
    if known:
        listed = ", ".join(one[:12] for one in known)
        raise Refused(Problem(code="not-one-commit", message=f"{rev[:60]} begins more than one commit: {listed}"))
    raise Refused(
        Problem(code="unknown-commit", message=f"no commit {rev[:60]} was read", hint="/commits lists those that were")
    )


def history(world: World, args: Args) -> dict[str, Json]:
    """What happened, newest first: `host`, `kind`, `name`, `after`, `limit`."""
    from ..store import history as events

    name = text(args, "host")
    desired = in_force(world)
    if name and desired is not None and store_of(world).past_of_host(name) is None:
        known_host(desired, name)
    if text(args, "kind"):
        known_kind(world, text(args, "kind"))
    return events.history(
        store_of(world).db,
        world.kinds,
        host=name,
        kind=text(args, "kind"),
        name=text(args, "name"),
        after=text(args, "after"),
        limit=limit(args, events.PAGE),
    )


def at(world: World, args: Args) -> dict[str, Json]:
    """What was on a `host` at `time` (seconds since 1970 UTC)."""
    from ..store import at as past

    when = args.get("time")
    if isinstance(when, bool) or not isinstance(when, (int, float)) or not 0 <= when < 1e11:
        raise wire.refused("door-bad-argument", "time must be seconds since 1970")
    name = text(args, "host")
    desired = in_force(world)
    if desired is not None and store_of(world).past_of_host(name) is None:
        known_host(desired, name)
    return past.at(
        store_of(world).db,
        world.kinds,
        float(when),
        host=name,
        kind=text(args, "kind"),
        name=text(args, "name"),
        after=text(args, "after"),
        limit=limit(args, past.PAGE),
    )


def problems(world: World, args: Args) -> dict[str, Json]:
    """What is wrong with the newest commit, and with its sources outside the repository; or with `commit`."""
    from ..acts.outside import missing
    from ..store import commits

    db = store_of(world).db
    rev = text(args, "commit")
    tip = _one_commit(world, rev) if rev else world.repo.tip()
    sources = [] if rev else [{**problem.json(), "who": problem.who} for problem in missing(world)]
    found = commits.commit(db, tip)
    if found is not None:
        return {"format": 1, "commit": found["commit"], "problems": [*found["problems"], *sources]}
    if not tip:
        return {"format": 1, "commit": commit_json(Commit()), "problems": []}
    files, reading = world.read(tip)
    listed = [{**problem.json(), "who": problem.who} for problem in reading.problems]
    return {"format": 1, "commit": commit_json(files.commit), "problems": [*listed, *sources]}
