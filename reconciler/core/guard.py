"""Guards: arithmetic and protection that a plan meets before anything runs.

A guard is data: which rule, the numbers, the causes, how a human answers. All that are met are reported, none hides
another, and no flag silences more than the one that it names. The plan's changes stay in the plan: what stops is the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from .kind import Kind, Kinds
from .model import Action, Approval, Change, Desired, GuardHit, Host, Limit, Policy, Present, Source
from .passage import passages

PER_KIND = "deletes-per-kind"
PER_HOST = "deletes-per-host"
IN_ALL = "deletes-in-all"
OWN_ACCESS = "own-access"
LAST_HOLDER = "last-holder"

MEANINGS: Mapping[str, str] = {
    PER_KIND: "More than a share of the owned resources of one kind would be deleted.",
    PER_HOST: "More than a share of what is owned on one host would be deleted.",
    IN_ALL: "More than a number of resources would be deleted in one plan.",
    OWN_ACCESS: "A change touches trueup's own way in to a host. A removal of it can't be approved at all.",
    LAST_HOLDER: "A host would be left without any declared holder of a right, such as sudo.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """How much is owned now, which percentages are taken of."""

    by_kind: Mapping[str, int]
    by_host: Mapping[str, int]


def hits(
    kinds: Kinds, desired: Desired, changes: Iterable[Change], counted: Counted, approvals: Iterable[Approval]
) -> tuple[GuardHit, ...]:
    """All guards that these changes meet, sorted by rule and scope, each with its approval where one covers it."""
    changes = tuple(changes)
    deletes = tuple(change for change in changes if change.action is Action.DELETE and change.owned)
    met = [
        *_shares(PER_KIND, desired.policy.deletes_per_kind, deletes, counted.by_kind, _kind_of, "owned {scope}s"),
        *_shares(
            PER_HOST, desired.policy.deletes_per_host, deletes, counted.by_host, _host_of, "owned things on {scope}"
        ),
        *_in_all(desired.policy, deletes),
        *_own_access(kinds, desired, changes),
        *_last_holders(kinds, desired, changes),
    ]
    given = tuple(approvals)
    return tuple(sorted((_answered(hit, desired, given) for hit in met), key=lambda hit: (hit.rule, hit.scope)))


def _answered(hit: GuardHit, desired: Desired, approvals: tuple[Approval, ...]) -> GuardHit:
    for approval in approvals:
        same = approval.guard == hit.rule and approval.commit == desired.commit.id
        if same and not hit.final and hit.changes <= approval.allowed:
            return replace(hit, approved_by=approval.who or "somebody")
    return hit


def _kind_of(change: Change) -> str:
    return change.key.kind


def _host_of(change: Change) -> str:
    return change.key.host


def _causes(changes: Iterable[Change]) -> tuple[Source, ...]:
    return tuple(sorted({change.source for change in changes}, key=lambda s: (s.path, s.line)))


def _shares(
    rule: str, limit: Limit, deletes: tuple[Change, ...], owned: Mapping[str, int], scope_of: object, words: str
) -> Iterable[GuardHit]:
    assert callable(scope_of)
    by_scope: dict[str, list[Change]] = {}
    for change in deletes:
        by_scope.setdefault(scope_of(change), []).append(change)
    for scope, group in sorted(by_scope.items()):
        count, total = len(group), max(owned.get(scope, 0), len(group))
        if count >= limit.from_count and count * 100 > limit.percent * total:
            what = words.format(scope=scope)
            yield GuardHit(
                rule=rule,
                scope=scope,
                count=count,
                total=total,
                limit=limit.percent,
                message=f"{count:,} of {total:,} {what} would be deleted "
                f"({count * 100 / total:.1f} %, the limit is {limit.percent:g} %)",
                causes=_causes(group),
                changes=frozenset(change.digest for change in group),
            )


def _in_all(policy: Policy, deletes: tuple[Change, ...]) -> Iterable[GuardHit]:
    if len(deletes) > policy.deletes_in_all:
        yield GuardHit(
            rule=IN_ALL,
            scope="all",
            count=len(deletes),
            total=len(deletes),
            limit=policy.deletes_in_all,
            message=f"{len(deletes):,} resources would be deleted in one plan (the limit is {policy.deletes_in_all:,})",
            causes=_causes(deletes),
            changes=frozenset(change.digest for change in deletes),
        )


def _cut(kind: Kind, change: Change, host: Host) -> str:
    """What of the way in to `host` the change cuts; empty: nothing."""
    name = change.key.name
    if change.want is None:
        return kind.cuts(name, change.owned.spec if change.owned else {}, host)
    cut = kind.protects(name, change.want.spec, host)
    if not cut and change.action is Action.REPLACE and change.owned is not None:
        cut = kind.cuts(name, change.owned.spec, host)
    return cut


def _own_access(kinds: Kinds, desired: Desired, changes: tuple[Change, ...]) -> Iterable[GuardHit]:
    through = passages(desired.hosts) if changes else {}
    for change in changes:
        host = desired.hosts.get(change.key.host)
        if host is None:
            continue
        kind = kinds[change.key.kind]
        ways = (host, *through.get(host.name, ()))
        cut = next((cut for way in ways if (cut := _cut(kind, change, way))), "")
        if cut:
            yield GuardHit(
                rule=OWN_ACCESS,
                scope=f"{change.key.host} {change.key.ref}",
                count=1,
                total=1,
                limit=0,
                message=f"{change.key.ref} on {change.key.host}: {cut}",
                causes=(change.source,),
                changes=frozenset({change.digest}),
                final=change.want is None,
            )


def _last_holders(kinds: Kinds, desired: Desired, changes: tuple[Change, ...]) -> Iterable[GuardHit]:
    for change in changes:
        kind, name = kinds[change.key.kind], change.key.name
        right = kind.threatens_last(name, change.want.spec if change.want is not None else None)
        had = isinstance(change.have, Present) and not kind.threatens_last(name, change.have.state)
        if not right or not had:
            continue
        others = (
            spread
            for spread in desired.spreads
            if spread.manifest.kind == change.key.kind and change.key.host in spread.hosts
        )
        if not any(not kind.threatens_last(s.manifest.name, s.meaning(change.key.host).spec) for s in others):
            yield GuardHit(
                rule=LAST_HOLDER,
                scope=f"{change.key.host} {right}",
                count=1,
                total=1,
                limit=0,
                message=f"{change.key.ref} is the last declared holder of {right} on {change.key.host}",
                causes=(change.source,),
                changes=frozenset({change.digest}),
            )
