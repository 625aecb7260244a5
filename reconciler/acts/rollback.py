"""Putting a resource back to a version that was applied before, and giving it back to Git's word.

What is written down here is carried out by the next round, like a commit; core/rollback.py says what it means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ..clock import rfc3339
from ..core import rollback
from ..core.back import Neighbours, Way, way
from ..core.kind import Kinds
from ..core.model import Applied, Desired, GoneTo, Json, Key, Rollback
from ..core.problem import Problem, Refused
from ..manifests import words

if TYPE_CHECKING:
    from ..world import World

Args: TypeAlias = Mapping[str, Json]
LISTED = 20
"""Versions that are shown, the newest first."""


def roll_back(world: World, args: Args) -> dict[str, Json]:
    """Put `name` back to the version `to`, or the one applied before; with `end`, give it back to Git's word."""
    git = _git(world)
    kind, name = _resource(world.kinds, git, str(args["name"]))
    if args.get("end"):
        return _end(world, git, kind, name, str(args.get("who") or "somebody"))
    why = str(args.get("why") or "").strip()
    if not why:
        raise _refused("why-missing", "a rollback needs a reason", '--why "the new menu is broken"')
    in_git = rollback.in_git(git, world.kinds, kind, name)
    applied = world.store.applied(kind, name)
    away = _one(in_git, kind, name)
    now = rollback.in_git(world.store.meant(git), world.kinds, kind, name)
    chosen = _chosen(applied, str(args.get("to") or ""), {away, *now.values()}, f"{kind} {name}", away)
    hosts = rollback.hosts_of(applied, chosen.version, in_git)
    [back] = _ways(world, git, kind, name, [hosts])
    if back.why:
        message = f"{kind} {name} can't go back alone: {back.why}"
        raise _refused("rollback-alone", message, "git revert takes back all of it")
    asked = Rollback(
        kind=kind,
        name=name,
        away=away,
        version=chosen.version,
        commit=chosen.commit,
        why=why,
        who=str(args.get("who") or "somebody"),
        at=world.now(),
        hosts=hosts,
    )
    world.store.roll_back(asked, world.now())
    world.tell.say("rolled back", kind=kind, name=name, version=chosen.version, by=asked.who)
    stay = sorted(set(in_git) - hosts.keys())
    return {
        **_about(kind, name),
        "version": chosen.version,
        "commit": chosen.commit,
        "inGit": away,
        "hosts": len(hosts),
        "stay": stay,
        "back": back.json(),
    }


def _end(world: World, git: Desired, kind: str, name: str, who: str) -> dict[str, Json]:
    held = [one.number for one in world.store.rollbacks() if (one.kind, one.name) == (kind, name)]
    if not held:
        hint = f"trueup rollback {name} --list shows what was applied"
        raise _refused("not-rolled-back", f"{kind} {name} is not rolled back: it is as Git says", hint)
    world.store.end_rollbacks(held, who, world.now())
    world.tell.say("rollback over", kind=kind, name=name, by=who)
    versions = sorted(set(rollback.in_git(git, world.kinds, kind, name).values()))
    return {**_about(kind, name), "ended": len(held), "version": versions[0] if versions else ""}


def versions(world: World, args: Args) -> dict[str, Json]:
    """What was applied of `name`, the newest first, and who went back to what."""
    git = _git(world)
    kind, name = _resource(world.kinds, git, str(args["name"]))
    on_hosts = rollback.in_git(git, world.kinds, kind, name)
    in_git = set(on_hosts.values())
    now = set(rollback.in_git(world.store.meant(git), world.kinds, kind, name).values())
    applied = world.store.applied(kind, name)
    on = {one.version: 0 for one in applied}
    for one in applied:
        on[one.version] += one.ended is None
    shown = rollback.versions(applied)[:LISTED]
    each = [rollback.hosts_of(applied, one.version, on_hosts) for one in shown]
    rows = [
        {
            "version": one.version,
            "commit": one.commit,
            "at": rfc3339(one.began),
            "hosts": on[one.version],
            "inGit": one.version in in_git,
            "wanted": one.version in now,
            "back": back.json(),
        }
        for one, back in zip(shown, _ways(world, git, kind, name, each), strict=True)
    ]
    held = next((one for one in world.store.rollbacks() if (one.kind, one.name) == (kind, name)), None)
    said = {"by": held.who, "why": held.why, "at": rfc3339(held.at), "version": held.version} if held else None
    return {**_about(kind, name), "versions": rows, "rollback": said}


def _ways(world: World, git: Desired, kind: str, name: str, each: Sequence[Mapping[str, GoneTo]]) -> Sequence[Way]:
    """What it takes to go back to each of these, as far as the state knows."""
    is_a, hosts = world.kinds[kind], sorted({host for back in each for host in back})
    rows = world.store.rows_for(world.store.meant(git), [Key(host, kind, name) for host in hosts])
    seen = {row.key.host: row.seen for row in rows}
    specs = {one.digest: one.spec for back in each for one in back.values()}
    gone = world.gone({id for spec in specs.values() for id in is_a.contents(spec)})
    beside = Neighbours(world.kinds, git, kind, name, hosts)
    return [way(is_a, back, seen, gone, beside.hinder(back)) for back in each]


def _about(kind: str, name: str) -> dict[str, Json]:
    return {"format": 1, "kind": kind, "name": name}


def _git(world: World) -> Desired:
    """What Git says, of the commit that the fleet is held to; before the first, of the newest valid one."""
    found = world.read(world.held() or world.newest())[1]
    if found.desired is None:
        raise Refused(*found.problems)
    return found.desired


def _resource(kinds: Kinds, git: Desired, text: str) -> tuple[str, str]:
    """`NAME`, or `KIND/NAME` where two kinds have the name. Raises Refused."""
    able = {kind.name for kind in kinds.by_name.values() if kind.rolls_back}
    known = {(one.manifest.kind, one.manifest.name) for one in git.spreads if one.manifest.kind in able}
    kind, slash, name = text.partition("/")
    found = sorted(one for one in known if one[1] == text or (slash and one == (kind, name)))
    if len(found) == 1:
        return found[0]
    if found:
        which = " or ".join(f"{kind}/{name}" for kind, name in found)
        raise _refused("rollback-of-what", f"there are several called {text}", f"say which one: {which}")
    guess = words.near(text, sorted(name for _, name in known))
    hint = f"did you mean {guess}? " if guess else ""
    hint += f"what can be rolled back is a {words.listed(sorted(able), 10, 'or')} that Git declares; git revert takes back anything"
    raise _refused("rollback-of-what", f"Git declares no {words.listed(sorted(able), 10, 'or')} called {text}", hint)


def _one(in_git: Mapping[str, str], kind: str, name: str) -> str:
    """The version that Git wants, which is one on all hosts."""
    found = sorted(set(in_git.values()))
    if len(found) != 1 or not found[0]:
        why = "matches no host" if not found else "differs from host to host"
        raise _refused("rollback-of-what", f"{kind} {name} {why}: there is no one version to leave", "use git revert")
    return found[0]


def _chosen(applied: Sequence[Applied], to: str, leave: set[str], about: str, away: str) -> Applied:
    """The version to go to: named by its first signs, else the newest that is neither Git's nor the present one."""
    known = rollback.versions(applied)
    if to:
        fits = [one for one in known if one.version.startswith(to)]
        if len(fits) == 1 and fits[0].version != away:
            return fits[0]
        if len(fits) == 1:
            raise _refused(
                "no-such-version", f"{about} {to} is what Git wants", "trueup rollback NAME --end goes there"
            )
        why = "names several of them" if fits else "was not applied, as far as is remembered"
        raise _refused("no-such-version", f"{about}: {to} {why}", "trueup rollback NAME --list shows what was")
    chosen = next((one for one in known if one.version not in leave), None)
    if chosen is None:
        raise _refused(
            "no-such-version",
            f"no other version of {about} was applied, as far as is remembered",
            "git revert goes back to what an earlier commit says",
        )
    return chosen


def _refused(code: str, message: str, hint: str) -> Refused:
    return Refused(Problem(code=code, message=message, hint=hint))


ACTS: Mapping[str, Callable[[World, Args], dict[str, Json]]] = {"rollback": roll_back, "versions": versions}
