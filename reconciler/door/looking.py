"""Questions about how things are: each takes a World and plain arguments and gives a plain answer.

Whoever asks, terminal, page or program, gets the same answer; an answer's counts come from one look at the state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from ..core.model import Commit, Desired, Json, Pause
from ..core.problem import Problem, Refused
from ..core.visits import enforced
from ..manifests import kinds, selector, words
from . import wire

if TYPE_CHECKING:
    from ..ports import Files
    from ..store import DuckStore
    from ..store.view import Stand, View
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
    """An argument that is text. Raises Refused for what `wire.is_text` isn't."""
    value = args.get(name) or ""
    if not wire.is_text(value):
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
            return store_of(world).meant(reading.desired)
    return None


def required(world: World) -> Desired:
    """The same. Raises Refused when nothing can be held."""
    found = in_force(world)
    if found is None:
        reading = world.read(world.newest())[1]  # says what is wrong
        raise Refused(*reading.problems)
    return found


def paused(world: World, desired: Desired) -> Mapping[str, Pause]:
    from ..inputs import paused_hosts

    return paused_hosts(desired, store_of(world).pauses(world.now()))


def stand(world: World, desired: Desired) -> tuple[View, Stand]:
    """How the fleet stands against `desired`."""
    store = store_of(world)
    every = world.settings.observe_every or desired.policy.observe_every
    stood = store.stand(desired, world.now(), paused(world, desired), every, world.settings.visit_limit)
    return store.view(desired), stood


def known_host(desired: Desired, name: str) -> str:
    """`name`, if it is a host of the inventory. Raises Refused, with the nearest names."""
    return selector.known(name, desired.hosts)


def known_kind(world: World, name: str) -> str:
    """`name`, if it is a kind. Raises Refused."""
    return kinds.known(world.kinds, name)


def known_resource(world: World, view: View, host: str, args: Args) -> None:
    """Raises Refused when `kind` and `name` of `args`, where they are given, name nothing that is declared for `host`."""
    from ..store import host as one

    kind, name = text(args, "kind"), text(args, "name")
    if not kind and not name:
        return
    if kind:
        known_kind(world, kind)
    declared = [item["name"] for item in one.resources(view, host, kind=kind)["resources"]]
    if not name or name in declared:
        return
    guess = words.near(name, declared)
    hint = f"did you mean {kind}/{guess}? " if guess else ""
    hint += f"trueup blame {host} lists what is declared"
    raise Refused(
        Problem(code="unknown-resource", message=f"nobody declares {kind}/{name[:200]} for {host}", hint=hint)
    )


def commit_json(commit: Commit) -> dict[str, Json]:
    from ..clock import rfc3339

    return {
        "id": commit.id,
        "subject": commit.subject,
        "author": commit.author,
        "at": rfc3339(commit.at) if commit.id else None,
    }


# ---------------------------------------------------------------- the fleet


def status(world: World, args: Args) -> dict[str, Json]:
    """The fleet at a glance: what is held, counts by verdict, the worst hosts, how old what we know is."""
    from ..acts.outside import missing
    from ..clock import rfc3339
    from ..store import hosts
    from ..tell import hold

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
        "counts": hosts.none(),
        "total": 0,
        "hold": None,
        "hosts": [],
        "more": 0,
        "last": store.last_round.facts(),
        "fetchTrouble": world.fetch_trouble,
        "refusal": [problem.json() for problem in world.refusal[:1]],
        "content": [problem.json() for problem in missing(world)],
    }
    if desired is None:
        if not world.settings.repo:
            required(world)  # raises: without a repository there is nothing to stand against
        return answer
    view, stood = stand(world, desired)
    where = text(args, "where")
    some = stood.pick(only=picked(stood, desired, where)) if where else stood.all
    wrong = stood.not_converged(some)
    # All of them with `all`, else the worst.
    shown = some.rows(0, MOST) if args.get("all") else wrong.rows(0, limit(args, TOP))
    oldest, newest, never = some.seen
    every = world.settings.observe_every or desired.policy.observe_every
    return answer | {
        "fleet": desired.policy.name,
        "commit": commit_json(desired.commit),
        "mode": desired.policy.mode,
        "counts": some.counts,
        "total": len(some),
        "hold": hold.answer(stood.hold, len(stood.held), sum(one.pending for one in stood.held))
        if stood.held
        else None,
        "hosts": [hosts.row_json(row) for row in view.explain(stood, shown)],
        "more": len(wrong) - sum(1 for row in shown if row.verdict.value != "Converged"),
        "facets": hosts.facets(stood),
        "oldestLook": rfc3339(oldest),
        "newestLook": rfc3339(newest),
        "neverSeen": never,
        "observeEvery": every,
        "nextLook": rfc3339(_next_look(now, oldest, never, every)) if world.looks_again else None,
        "stale": newest is not None and now - newest > 2 * every,
        "left": hosts.left_the_fleet(store.db, store.names.hosts, desired),
        "rollbacks": [one.json() for one in desired.rolled_back],
        "pauses": [
            {"selector": one.selector, "why": one.why, "who": one.who, "until": rfc3339(one.until)}
            for one in store.pauses(now)
        ],
    }


def _next_look(now: float, oldest: float | None, never: int, every: float) -> float:
    """When the daemon looks next: at once where nobody looked yet."""
    return now if never or oldest is None else max(now, oldest + every)


def picked(stood: Stand, desired: Desired, where: str) -> frozenset[str] | None:
    """The hosts that a selector picks; None when there is no selector. Raises Refused."""
    if not where:
        return None
    return stood.table.picked(where, lambda text: selector.hosts(text, desired.hosts))


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


# ---------------------------------------------------------------- hosts


def hosts(world: World, args: Args) -> dict[str, Json]:
    """A page of hosts: `verdict`, `find` (text in the name), `where` (a selector), `after`, `limit`."""
    from ..store import hosts as lists

    desired = in_force(world)
    if desired is None:
        return {"format": 1, "hosts": [], "matching": 0, "counts": lists.none(), "total": 0, "next": ""}
    view, stood = stand(world, desired)
    return lists.page(
        view,
        stood,
        verdict=text(args, "verdict"),
        find=text(args, "find"),
        only=picked(stood, desired, text(args, "where")),
        after=text(args, "after"),
        limit=limit(args, lists.PAGE),
    )


def host(world: World, args: Args) -> dict[str, Json]:
    """One host: verdict, resources, its last day, events, facts, what is unmanaged."""
    from ..clock import rfc3339
    from ..store import history as events
    from ..store import host as one
    from ..store import hosts as lists

    desired = required(world)
    name = known_host(desired, text(args, "host"))
    store, now = store_of(world), world.now()
    view, stood = stand(world, desired)
    row = view.explain(stood, [stood.row(name)])[0]
    known = store.past_of_host(name)
    inventory = desired.hosts[name]
    resources = one.resources(view, name, only_differing=bool(args.get("differing")))
    add_authors(world, desired, resources["resources"])
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
    from ..clock import rfc3339

    if pause is None:
        return None
    return {"selector": pause.selector, "why": pause.why, "who": pause.who, "until": rfc3339(pause.until)}


def add_authors(world: World, desired: Desired, resources: Sequence[dict[str, Json]]) -> None:
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
    from ..clock import rfc3339
    from ..store import host as one
    from ..store import hosts as lists

    desired = required(world)
    name = known_host(desired, text(args, "host"))
    view, stood = stand(world, desired)
    row = view.explain(stood, [stood.row(name)])[0]
    found = one.resources(view, name, kind=text(args, "kind"), name=text(args, "name"), only_differing=True)
    if not found["resources"]:
        known_resource(world, view, name, args)  # what isn't there at all must not look as if nothing differed
    add_authors(world, desired, found["resources"])
    return {
        "format": 1,
        "now": rfc3339(world.now()),
        **lists.row_json(row),
        "wanted": commit_json(desired.commit),
        **found,
    }


def blame(world: World, args: Args) -> dict[str, Json]:
    """Where each resource of a host comes from: file and line, who wrote it last, and when it reached the host."""
    from ..clock import rfc3339
    from ..store import host as one

    desired = required(world)
    name = known_host(desired, text(args, "host"))
    view, _ = stand(world, desired)
    found = one.resources(view, name, kind=text(args, "kind"), name=text(args, "name"))
    listed = sorted(found["resources"], key=lambda item: (item["kind"], item["name"]))
    if not listed:
        known_resource(world, view, name, args)
    add_authors(world, desired, listed)
    return {
        "format": 1,
        "now": rfc3339(world.now()),
        "host": name,
        "wanted": commit_json(desired.commit),
        "resources": listed,
    }
