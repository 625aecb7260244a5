"""What somebody put back to an earlier version, in place of what Git says of it.

A rollback names the version that Git wanted when it was asked for, and holds as long as Git wants that one: whichever commit
brings another version ends it, a revert of the bad one too. So it can't outlive its cause, and nobody has to remember it.
What a host is to be is then said here, once; plan, visits, verdicts and pages read it as they read Git's word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from .kind import Kinds
from .model import Applied, Desired, GoneTo, Meaning, Rollback, RolledBack, Spread


def meant(desired: Desired, kinds: Kinds, rollbacks: Iterable[Rollback]) -> Desired:
    """`desired` with what was put back; itself where nothing was."""
    by_ref = {(one.kind, one.name): one for one in rollbacks if one.kind in kinds}
    if not by_ref:
        return desired
    spreads: list[Spread] = []
    told: list[RolledBack] = []
    for spread in desired.spreads:
        one = by_ref.get((spread.manifest.kind, spread.manifest.name))
        back = _back(spread, kinds, one) if one is not None else {}
        spreads.append(_with(spread, back) if back else spread)
        if one is not None and back:
            told.append(_told(one, len(back)))
    return replace(desired, spreads=tuple(spreads), rolled_back=tuple(told)) if told else desired


def over(desired: Desired, kinds: Kinds, rollbacks: Iterable[Rollback]) -> tuple[Rollback, ...]:
    """Those that Git's word, `desired`, has ended: it wants another version, or nothing, of them."""
    wanted: dict[tuple[str, str], list[Spread]] = {}
    for spread in desired.spreads:
        wanted.setdefault((spread.manifest.kind, spread.manifest.name), []).append(spread)
    return tuple(
        one
        for one in rollbacks
        if one.kind in kinds and not any(_back(spread, kinds, one) for spread in wanted.get((one.kind, one.name), ()))
    )


def in_git(desired: Desired, kinds: Kinds, kind: str, name: str) -> Mapping[str, str]:
    """Host → the version that Git wants there."""
    return {
        host: kinds[kind].version(spread.meaning(host).spec)
        for spread in desired.spreads
        if (spread.manifest.kind, spread.manifest.name) == (kind, name)
        for host in spread.hosts
    }


def versions(applied: Sequence[Applied]) -> tuple[Applied, ...]:
    """One of each version, by when it was applied last anywhere, the newest first. What a host that was away for long still
    has is old, though nothing took its place there."""
    newest = {one.version: one for one in sorted(applied, key=_age) if one.version}
    return tuple(sorted(newest.values(), key=_age, reverse=True))


def _age(one: Applied) -> tuple[float, str, str]:
    return (one.began, one.host, one.version)


def hosts_of(applied: Sequence[Applied], version: str, hosts: Iterable[str]) -> dict[str, GoneTo]:
    """What each of `hosts` goes back to: what it had itself, else what all others had, if that was one thing."""
    mine = [one for one in sorted(applied, key=_age) if one.version == version]
    own = {one.host: GoneTo(spec=one.spec, digest=one.digest) for one in mine}
    shared = _one_thing(own)
    return {host: back for host in sorted(hosts) if (back := own.get(host) or shared) is not None}


def _one_thing(hosts: Mapping[str, GoneTo]) -> GoneTo | None:
    """None where it differs from host to host, as it does where a secret is part of it."""
    found = {back.digest: back for back in hosts.values()}
    return next(iter(found.values())) if len(found) == 1 else None


def _back(spread: Spread, kinds: Kinds, one: Rollback) -> dict[str, Meaning]:
    """Host → what it is to be in place of Git's word."""
    kind, shared = kinds[one.kind], _one_thing(one.hosts)
    made: dict[str, Meaning] = {}
    for host in spread.hosts:
        git = spread.meaning(host)
        to = one.hosts.get(host) or shared  # a host that came later has the shared one too
        if to is not None and kind.version(git.spec) == one.away:
            made[host] = replace(git, spec=to.spec, digest=to.digest, rolled_back=f"{one.who}: {one.why}")
    return made


def _with(spread: Spread, back: Mapping[str, Meaning]) -> Spread:
    each = {host: back.get(host) or spread.meaning(host) for host in spread.hosts}
    if len({(meaning.digest, meaning.rolled_back) for meaning in each.values()}) == 1:
        return replace(spread, same=each[spread.hosts[0]], each={})
    return replace(spread, same=None, each=each)


def _told(one: Rollback, hosts: int) -> RolledBack:
    return RolledBack(
        kind=one.kind,
        name=one.name,
        away=one.away,
        version=one.version,
        commit=one.commit,
        who=one.who,
        why=one.why,
        hosts=hosts,
    )
