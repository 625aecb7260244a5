"""Questions about how things are: each takes a World and plain arguments and gives a plain answer.

Whoever asks, terminal, page or program, gets the same answer; an answer's counts come from one look at the state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from ..core.model import Commit, Desired, Json, Pause
from ..core.problem import Problem, Refused
from ..core.visits import enforced
from ..manifests import selector
from . import wire

if TYPE_CHECKING:
    from ..ports import Files
    from ..store import DuckStore
    from ..store.view import HostRow, Stand, View
    from ..world import World

Args = Mapping[str, Json]

TOP = 10
"""Hosts shown on the fleet's first screen; the others are a list of their own."""
MOST = 1000
"""Rows of one answer."""
BLAMED = 60
"""Resources of one answer whose author is looked up."""


def store_of(world: World) -> DuckStore:
    return cast("DuckStore", world.store)


def text(args: Args, name: str) -> str:
    """An argument that is text. Raises Refused for another type, or for text too long to be meant."""
    value = args.get(name) or ""
    if not isinstance(value, str) or len(value) > 4096 or "\0" in value:
        raise wire.refused("door-bad-argument", f"{name} must be text")
    return value


def limit(args: Args, default: int) -> int:
    value = args.get("limit", default)
    if value in (None, ""):
        return default
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 6:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
        raise wire.refused("door-bad-argument", f"limit must be a number from 1 to {MOST}")
    return value


# ---------------------------------------------------------------- what is held


def in_force(world: World) -> Desired | None:
    """What the fleet is held to: the held commit, else the newest valid one; None when there is neither."""
    held = world.store.held()
    for rev in (held, ""):
        try:
            reading = world.read(rev or world.newest())[1]
        except Refused:
            continue
        if reading.desired is not None:
            return reading.desired
    return None


def required(world: World) -> Desired:
    """The same. Raises Refused when nothing can be held."""
    found = in_force(world)
    if found is None:
        reading = world.read(world.newest())[1]  # says what is wrong
        raise Refused(*reading.problems)
    return found


def paused(world: World, desired: Desired) -> Mapping[str, Pause]:
    from ..world import paused_hosts

    return paused_hosts(desired, store_of(world).pauses(world.now()))


def stand(world: World, desired: Desired) -> tuple[View, Stand]:
    """How the fleet stands against `desired`."""
    store = store_of(world)
    every = world.settings.observe_every or desired.policy.observe_every
    stood = store.stand(desired, world.now(), paused(world, desired), every, world.settings.visit_limit)
    return store.view(desired), stood


def known_host(desired: Desired, name: str) -> str:
    """`name`, if it is a host of the inventory. Raises Refused, with the nearest names."""
    if name in desired.hosts:
        return name
    import difflib

    near = difflib.get_close_matches(name, desired.hosts, n=1)
    hint = f"did you mean {near[0]}?" if near else "trueup status --all lists the hosts"
    raise Refused(Problem(code="unknown-host", message=f"there is no host {name[:100]} in the inventory", hint=hint))


def known_kind(world: World, name: str) -> str:
    """`name`, if it is a kind. Raises Refused."""
    if name in world.kinds:
        return name
    known = ", ".join(sorted(world.kinds.by_name))
    raise Refused(Problem(code="unknown-kind", message=f"there is no kind {name[:100]}", hint=f"the kinds are {known}"))


def commit_json(commit: Commit) -> dict[str, Json]:
    from ..store.db import rfc3339

    return {
        "id": commit.id,
        "subject": commit.subject,
        "author": commit.author,
        "at": rfc3339(commit.at) if commit.id else None,
    }


# ---------------------------------------------------------------- the fleet


def status(world: World, args: Args) -> dict[str, Json]:
    """The fleet at a glance: what is held, counts by verdict, the worst hosts, how old what we know is."""
    from ..store import commits, hosts
    from ..store.db import rfc3339

    if text(args, "host"):
        return host(world, args)
    store, now = store_of(world), world.now()
    desired = in_force(world)
    answer: dict[str, Json] = {
        "format": 1,
        "now": rfc3339(now),
        "fleet": world.settings.fleet,
        "branch": world.settings.branch,
        "commit": commit_json(Commit()),
        "tip": _tip(world, desired),
        "counts": hosts.counts([]),
        "total": 0,
        "hosts": [],
        "more": 0,
        "last": commits.last_round(store.db),
    }
    if desired is None:
        return answer
    view, stood = stand(world, desired)
    only = picked(desired, text(args, "where"))
    rows = [row for row in stood.rows if only is None or row.host in only]
    shown = _worst(rows, args)
    seen = [row.seen_at for row in rows if row.seen_at is not None]
    every = world.settings.observe_every or desired.policy.observe_every
    return answer | {
        "fleet": desired.policy.name,
        "commit": commit_json(desired.commit),
        "mode": desired.policy.mode,
        "counts": hosts.counts(rows),
        "total": len(rows),
        "hosts": [hosts.row_json(row) for row in view.explain(stood, shown)],
        "more": sum(1 for row in rows if row.verdict.value != "Converged")
        - sum(1 for row in shown if row.verdict.value != "Converged"),
        "facets": hosts.facets(desired, stood),
        "oldestLook": rfc3339(min(seen, default=None)),
        "newestLook": rfc3339(max(seen, default=None)),
        "neverSeen": sum(1 for row in rows if row.seen_at is None),
        "observeEvery": every,
        "nextLook": rfc3339(max(now, min(seen) + every)) if seen else None,
        "stale": bool(seen) and now - max(seen) > 2 * every,
        "left": hosts.left_the_fleet(store.db, desired),
        "pauses": [
            {"selector": one.selector, "why": one.why, "who": one.who, "until": rfc3339(one.until)}
            for one in store.pauses(now)
        ],
    }


def _worst(rows: Sequence[HostRow], args: Args) -> list[HostRow]:
    """Those that are not Converged; all of them, and the others too, with `all`."""
    if args.get("all"):
        return list(rows[:MOST])
    return [row for row in rows if row.verdict.value != "Converged"][: limit(args, TOP)]


def picked(desired: Desired, where: str) -> frozenset[str] | None:
    """The hosts that a selector picks; None when there is no selector. Raises Refused."""
    if not where:
        return None
    try:
        return frozenset(selector.parse(where).pick(desired.hosts))
    except selector.BadSelector as error:
        raise Refused(Problem(code="selector", message=f"{where[:200]!r}: {error.message}")) from None


def _tip(world: World, desired: Desired | None) -> dict[str, Json] | None:
    """The branch's tip where it is not what the fleet is held to, and why; None when it is."""
    from ..store import commits

    try:
        tip = world.repo.tip()
    except Refused:
        return None
    if not tip or (desired is not None and tip == desired.commit.id):
        return None
    read = commits.one(store_of(world).db, tip)
    if read is None:
        return {"id": tip, "standing": "new", "errors": 0}
    return {"id": tip, "standing": read["standing"], "errors": read["errors"], "subject": read["subject"]}


def problems(world: World, args: Args) -> dict[str, Json]:
    """What is wrong with the newest commit, or with `commit`."""
    from ..store import commits

    db = store_of(world).db
    rev = text(args, "commit")
    tip = _one_commit(world, rev) if rev else world.repo.tip()
    found = commits.commit(db, tip)
    if found is not None:
        return {"format": 1, "commit": found["commit"], "problems": found["problems"]}
    if not tip:
        return {"format": 1, "commit": commit_json(Commit()), "problems": []}
    files, reading = world.read(tip)
    listed = [{**problem.json(), "who": problem.who} for problem in reading.problems]
    return {"format": 1, "commit": commit_json(files.commit), "problems": listed}


# ---------------------------------------------------------------- hosts


def hosts(world: World, args: Args) -> dict[str, Json]:
    """A page of hosts: `verdict`, `find` (text in the name), `where` (a selector), `after`, `limit`."""
    from ..store import hosts as lists

    desired = in_force(world)
    if desired is None:
        return {"format": 1, "hosts": [], "matching": 0, "counts": lists.counts([]), "total": 0, "next": ""}
    view, stood = stand(world, desired)
    return lists.page(
        view,
        stood,
        verdict=text(args, "verdict"),
        find=text(args, "find"),
        only=picked(desired, text(args, "where")),
        after=text(args, "after"),
        limit=limit(args, lists.PAGE),
    )


def host(world: World, args: Args) -> dict[str, Json]:
    """One host: verdict, resources, its last day, events, facts, what is unmanaged."""
    from ..store import history as events
    from ..store import host as one
    from ..store import hosts as lists
    from ..store.db import rfc3339

    desired = required(world)
    name = known_host(desired, text(args, "host"))
    store, now = store_of(world), world.now()
    view, stood = stand(world, desired)
    row = view.explain(stood, [row for row in stood.rows if row.host == name])[0]
    known = store.past_of_hosts().get(name)
    inventory = desired.hosts[name]
    resources = one.resources(view, name, only_differing=bool(args.get("differing")))
    _blame(world, desired, resources["resources"])
    trouble = store.db.rows("SELECT trouble_next FROM host WHERE name = ?", [name])
    return {
        "format": 1,
        "now": rfc3339(now),
        **lists.row_json(row),
        "next": trouble[0][0] if trouble else "",
        "wanted": commit_json(desired.commit),
        "labels": dict(inventory.labels),
        "address": inventory.address or name,
        "mode": "enforce" if enforced(desired, name) else "observe",
        "source": {"path": inventory.source.path, "line": inventory.source.line},
        "trouble": known.trouble if known else "",
        "troubleSince": rfc3339(known.trouble_since) if known else None,
        "triedAt": rfc3339(known.tried_at) if known else None,
        "was": stood.views[name].was,
        "paused": _pause_json(paused(world, desired).get(name)),
        **resources,
        "unmanaged": one.unmanaged(view, name),
        "day": one.day(store.db, view.sheet.hosts[name], now),
        "events": events.history(store.db, world.kinds, host=name, limit=20)["events"],
        **{key: value for key, value in lists.facts(store.db, name).items() if key == "facts"},
        "factsAt": lists.facts(store.db, name)["at"],
    }


def _pause_json(pause: Pause | None) -> dict[str, Json] | None:
    from ..store.db import rfc3339

    if pause is None:
        return None
    return {"selector": pause.selector, "why": pause.why, "who": pause.who, "until": rfc3339(pause.until)}


def _blame(world: World, desired: Desired, resources: Sequence[dict[str, Json]]) -> None:
    """Add to each source the newest commit that touched its manifest, with its author. For what one page shows."""
    try:
        files = world.read(desired.commit.id)[0] if desired.commit.id else None
    except Refused:
        files = None
    for resource in resources[:BLAMED]:
        source = resource.get("source")
        if not source or files is None:
            continue
        try:
            last = _newest(files, source["path"], source["line"])
        except (Refused, KeyError, ValueError):
            continue
        source |= {"commit": last.id, "author": last.author, "subject": last.subject, "at": commit_json(last)["at"]}


def _newest(files: Files, path: str, line: int) -> Commit:
    """The newest commit that touched a line of the document that begins at `line`."""
    lines = files.read(path).decode("utf-8", "replace").split("\n")
    end = next((number for number in range(line, len(lines)) if lines[number].startswith("---")), len(lines))
    touched = {files.author(path, number + 1) for number in range(line - 1, end) if lines[number].strip()}
    return max(touched, key=lambda commit: (commit.at, commit.id), default=Commit())


def facts(world: World, args: Args) -> dict[str, Json]:
    """What the last visit read of a host as a whole."""
    from ..store import hosts as lists

    name = known_host(required(world), text(args, "host"))
    return {"format": 1, "host": name, **lists.facts(store_of(world).db, name)}


def diff(world: World, args: Args) -> dict[str, Json]:
    """What differs on a host from Git, field by field, the host's side first; with `kind` and `name` of one resource."""
    from ..store import host as one
    from ..store import hosts as lists
    from ..store.db import rfc3339

    desired = required(world)
    name = known_host(desired, text(args, "host"))
    view, stood = stand(world, desired)
    row = view.explain(stood, [row for row in stood.rows if row.host == name])[0]
    found = one.resources(view, name, kind=text(args, "kind"), name=text(args, "name"), only_differing=True)
    _blame(world, desired, found["resources"])
    return {
        "format": 1,
        "now": rfc3339(world.now()),
        **lists.row_json(row),
        "wanted": commit_json(desired.commit),
        **found,
    }


def blame(world: World, args: Args) -> dict[str, Json]:
    """Where each resource of a host comes from: file and line, who wrote it last, and when it reached the host."""
    from ..store import host as one
    from ..store.db import rfc3339

    desired = required(world)
    name = known_host(desired, text(args, "host"))
    view, _ = stand(world, desired)
    found = one.resources(view, name, kind=text(args, "kind"), name=text(args, "name"))
    listed = sorted(found["resources"], key=lambda item: (item["kind"], item["name"]))
    if (text(args, "kind") or text(args, "name")) and not listed:
        wanted = f"{text(args, 'kind')}/{text(args, 'name')}"
        raise Refused(
            Problem(
                code="unknown-resource", message=f"nobody declares {wanted} for {name}", hint=f"trueup blame {name}"
            )
        )
    _blame(world, desired, listed)
    return {
        "format": 1,
        "now": rfc3339(world.now()),
        "host": name,
        "wanted": commit_json(desired.commit),
        "resources": listed,
    }


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
    _blame(world, desired, places)
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
    if name and desired is not None and name not in store_of(world).past_of_hosts():
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
    if desired is not None and name not in store_of(world).past_of_hosts():
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
