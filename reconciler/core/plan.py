"""The plan: a pure function of what Git wants, what hosts are, and the past. Same input, same bytes, same id.

`plan` walks its rows once: decide (diff.py), set aside what is paused or waits after a failure, arrange each host
(order.py), deal hosts into waves (wave.py), meet the guards (guard.py), and sign it with a hash of all that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from . import diff, guard, order, wave
from .kind import Kinds
from .model import (
    Action,
    Approval,
    Backoff,
    Change,
    Desired,
    FieldChange,
    GuardHit,
    Hold,
    HostPast,
    Json,
    Key,
    Left,
    Pause,
    Plan,
    Present,
    Reason,
    Ref,
    Row,
    Source,
    State,
    WaveRun,
    canonical,
    digest_of,
)

LOADED = "loaded"
"""The field that says what a resource last loaded of what it refers to (`Kind.digests_of`)."""


@dataclass(frozen=True, kw_only=True)
class PlanInput:
    """All that a plan may depend on. `now` decides only whether a pause or a back-off has run out."""

    kinds: Kinds
    desired: Desired
    rows: tuple[Row, ...]
    owned_by_kind: Mapping[str, int] = field(default_factory=dict)
    owned_by_host: Mapping[str, int] = field(default_factory=dict)
    hosts: Mapping[str, HostPast] = field(default_factory=dict)
    pauses: Mapping[str, Pause] = field(default_factory=dict)
    """Host → the pause that covers it."""
    approvals: tuple[Approval, ...] = ()
    backoffs: tuple[Backoff, ...] = ()
    wave_runs: tuple[WaveRun, ...] = ()
    """Waves in which something failed; which of them still hold others back is judged here."""
    unmanaged: int = 0
    observed_at: float | None = None
    matches: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Selector text (of the policy's waves) → names of the hosts that it matches."""
    now: float = 0.0
    looked: bool = True
    """False with an observed file: then no host counts as never looked at."""


def plan(given: PlanInput) -> Plan:
    """What would be done, in order, and what stops it."""
    decided: list[Change] = []
    left: list[Left] = []
    adopt: list[Key] = []
    release: list[Key] = []
    never = _never_seen(given)
    decisions = [
        diff.decide(given.kinds[row.key.kind], row)
        for row in given.rows
        if row.key.host not in never and row.key.kind in given.kinds
    ]
    failing = _failing(given, decisions) if given.backoffs else {}
    waiting = {key: failed for key, failed in failing.items() if failed.until > given.now}
    runs = [run for run in given.wave_runs if run.commit == given.desired.commit.id]
    held = wave.hold(given.desired.policy, runs, failing, given.now)
    for found in decisions:
        match found:
            case Change() as change:
                aside = _set_aside(given, change, waiting, held)
                if aside:
                    left.append(aside)
                else:
                    decided.append(change)
            case Left() as why:
                left.append(why)
            case diff.Adopt(key):
                adopt.append(key)
            case diff.Release(key):
                release.append(key)
            case None:
                pass
    del decisions  # as large as the plan itself
    decided, waiting_for = _loading(given, decided, left, never)
    left.extend(waiting_for)
    reached = held[1] if held else ()
    dealt = wave.waves(given.desired.policy, decided, len(given.desired.hosts), given.matches, reached)
    by_host: dict[str, list[Change]] = {}
    for change in decided:
        by_host.setdefault(change.key.host, []).append(change)
    del decided
    changes = _arranged(given.kinds, by_host, dealt)
    counted = guard.Counted(by_kind=given.owned_by_kind, by_host=given.owned_by_host)
    made = Plan(
        commit=given.desired.commit,
        changes=changes,
        adopt=tuple(sorted(adopt)),
        release=tuple(sorted(release)),
        guards=guard.hits(given.kinds, given.desired, changes, counted, given.approvals),
        left=tuple(sorted(left, key=lambda item: (item.key, item.kind_of))),
        waves=dealt,
        never_seen=tuple(sorted(never)),
        unreachable={
            name: past.trouble
            for name, past in sorted(given.hosts.items())
            if past.trouble and name in given.desired.hosts
        },
        unmanaged=given.unmanaged,
        hosts_total=len(given.desired.hosts),
        resources_total=sum(len(spread.hosts) for spread in given.desired.spreads),
        observed_at=given.observed_at,
        hold=held[0] if held and any(item.kind_of == "held" for item in left) else None,
        rolled_back=given.desired.rolled_back,
        retry_at=min((failed.until for failed in waiting.values()), default=None),
    )
    unanswered = replace(made, guards=tuple(replace(hit, approved_by="") for hit in made.guards))
    return replace(made, id=digest_of(_canonical(given.kinds, unanswered)))


def _never_seen(given: PlanInput) -> frozenset[str]:
    if not given.looked:
        return frozenset()
    return frozenset(
        name for name in given.desired.hosts if name not in given.hosts or given.hosts[name].seen_at is None
    )


def _failing(given: PlanInput, decisions: Sequence[diff.Decision]) -> dict[Key, Backoff]:
    """Failures of this commit that nobody mended: what is right now, or wanted otherwise now, failed once."""
    open_ones = {found.key for found in decisions if isinstance(found, (Change, Left))}
    found = {}
    for failed in given.backoffs:
        wanted = given.desired.get(failed.key)
        digest_now = wanted.meaning.digest if wanted else ""
        if failed.key in open_ones and failed.commit == given.desired.commit.id and failed.digest == digest_now:
            found[failed.key] = failed
    return found


def _set_aside(
    given: PlanInput, change: Change, waiting: Mapping[Key, Backoff], held: tuple[Hold, frozenset[str]] | None
) -> Left | None:
    host = change.key.host
    pause = _paused(given, host)
    if pause is not None:
        why = f"paused by {pause.who}: {pause.why}"
        return Left(key=change.key, why=why, kind_of="paused", source=change.source)
    wait = waiting.get(change.key)
    if wait is not None:
        return Left(key=change.key, why=f"failed before: {wait.why}", kind_of="backoff", source=change.source)
    if held is not None and host not in held[1] and wave.of_the_commit(change):
        return Left(key=change.key, why=f"waits: {held[0].why}", kind_of="held", source=change.source)
    return None


def _paused(given: PlanInput, host: str) -> Pause | None:
    pause = given.pauses.get(host)
    return pause if pause is not None and pause.until > given.now else None


def _loading(
    given: PlanInput, decided: list[Change], left: list[Left], never: frozenset[str]
) -> tuple[list[Change], list[Left]]:
    """`decided`, with the resources that must load again what another change of this plan renews, and without those
    that would only load what is left alone: a service is not restarted for a file that isn't there yet."""
    if not any(row.desired is not None and LOADED in row.desired.spec for row in given.rows):
        return decided, []  # nothing loads anything: most plans, and the largest
    aside = {item.key: item for item in left}
    by_key = {change.key: change for change in decided}
    by_key.update({change.key: change for change in _triggered(given, by_key, aside, never)})
    waiting: list[Left] = []
    for key, change in list(by_key.items()):
        loaded = next((item for item in change.fields if item.path == LOADED), None)
        if loaded is None or change.action is not Action.UPDATE:
            continue
        known: Mapping[str, Json] = loaded.before or {}
        stale = [name for name, now in sorted(loaded.after.items()) if known.get(name, now) != now]
        aside_ones = [name for name in stale if Ref.parse(name).on(key.host) in aside]
        if not aside_ones or aside_ones != stale:
            continue
        others = tuple(item for item in change.fields if item.path != LOADED)
        if others:
            by_key[key] = replace(change, fields=others)
        else:
            del by_key[key]
            why = f"waits for {', '.join(aside_ones)}, which is left alone"
            kind_of = aside[Ref.parse(aside_ones[0]).on(key.host)].kind_of
            waiting.append(Left(key=key, why=why, kind_of=kind_of, source=change.source))
    return list(by_key.values()), waiting


def _triggered(
    given: PlanInput, by_key: Mapping[Key, Change], aside: Mapping[Key, Left], never: frozenset[str]
) -> list[Change]:
    """Changes of resources that must load again what another change of this plan renews, in place of any they had."""
    found: list[Change] = []
    for row in given.rows:
        if row.desired is None or row.key.host in never or not isinstance(row.seen, Present):
            continue
        wanted: State = row.desired.spec.get(LOADED) or {}
        renewed = {
            name: by_key[Ref.parse(name).on(row.key.host)]
            for name in sorted(wanted)
            if Ref.parse(name).on(row.key.host) in by_key
        }
        if not renewed or LOADED not in diff.compared(given.kinds[row.key.kind], row.desired.meaning):
            continue
        had: Mapping[str, Json] = row.seen.state.get(LOADED) or {}
        # What was never recorded counts as loaded: only what is renewed is named as stale.
        before = {name: "" if name in renewed else had.get(name, wanted[name]) for name in sorted(wanted)}
        loaded = FieldChange(path=LOADED, before=before, after=dict(wanted))
        mine = by_key.get(row.key)
        if mine is not None and mine.action in (Action.CREATE, Action.UPDATE):
            others = tuple(change for change in mine.fields if change.path != LOADED)
            found.append(replace(mine, fields=(*others, loaded)))
        elif mine is None and (row.key not in aside or aside[row.key].kind_of == "report"):
            if _paused(given, row.key.host) is not None:
                continue
            cause = next(iter(renewed.values()))
            found.append(
                Change(
                    key=row.key,
                    action=Action.UPDATE,
                    reason=cause.reason if cause.reason is not Reason.REMOVED_FROM_GIT else Reason.EDITED_IN_GIT,
                    fields=(loaded,),
                    want=row.desired.meaning,
                    have=row.seen,
                    owned=row.owned,
                    source=row.desired.source,
                )
            )
    return found


def _arranged(kinds: Kinds, by_host: dict[str, list[Change]], dealt: tuple[tuple[str, ...], ...]) -> tuple[Change, ...]:
    """The changes with their place in the plan; those of `by_host` are taken away, host by host."""
    return tuple(
        change
        for number, hosts in enumerate(dealt, 1)
        for host in hosts
        for change in order.arrange(kinds, by_host.pop(host), number)
    )


# ---------------------------------------------------------------- the canonical document

MASK = "(secret)"


def document(kinds: Kinds, made: Plan) -> dict[str, Json]:
    """The plan as data, for its id and for programs (schemas/plan.json): no clock, no ages, secrets masked.

    What a secret's keyed hash was stays out too: only that it differs.
    """
    return _document(made, [change_json(kinds, change) for change in made.changes])


def _canonical(kinds: Kinds, made: Plan) -> Iterator[str]:
    """The canonical text of `document`, in parts: as a whole, that of a large plan takes several times its own memory."""
    frame = _document(made, [])
    for index, name in enumerate(sorted(frame)):
        yield f"{',' if index else '{'}{canonical(name)}:"
        if name != "changes":
            yield canonical(frame[name])
            continue
        yield "["
        for number, change in enumerate(made.changes):
            yield ("," if number else "") + canonical(change_json(kinds, change))
        yield "]"
    yield "}"


def _document(made: Plan, changes: list[Json]) -> dict[str, Json]:
    changed = len({change.key.host for change in made.changes})
    # Only where there is something to say: the ids of all other plans are what they always were.
    back = {"rolledBack": [one.json() for one in made.rolled_back]} if made.rolled_back else {}
    return {
        "format": 1,
        "commit": made.commit.id,
        "summary": summary(made),
        "hosts": {
            "total": made.hosts_total,
            "changed": changed,
            "neverSeen": list(made.never_seen),
            "unreachable": dict(made.unreachable),
            "waves": [list(hosts) for hosts in made.waves],
        },
        "guards": [_guard_json(hit) for hit in made.guards],
        **back,
        "changes": changes,
        "adopt": [key.json() for key in made.adopt],
        "release": [key.json() for key in made.release],
        "left": [
            {**left.key.json(), "why": left.why, "left": left.kind_of, "source": _source_json(left.source)}
            for left in made.left
        ],
    }


def summary(made: Plan) -> dict[str, int]:
    """Counts of resources, by what becomes of them."""
    return {
        **{action.value: made.count(action) for action in Action},
        "unknown": made.unknown,
        "unmanaged": made.unmanaged,
    }


def _guard_json(hit: GuardHit) -> dict[str, Json]:
    return {
        "rule": hit.rule,
        "scope": hit.scope,
        "count": hit.count,
        "total": hit.total,
        "limit": hit.limit,
        "message": hit.message,
        "causes": [_source_json(source) for source in hit.causes],
        "approvable": not hit.final,
        "approvedBy": hit.approved_by,
    }


def _source_json(source: Source) -> dict[str, Json]:
    return {"path": source.path, "line": source.line, "commit": source.commit}


def change_json(kinds: Kinds, change: Change) -> dict[str, Json]:
    """One change as the plan's JSON has it; `digest` is what an approval binds."""
    sealed = kinds[change.key.kind].sealed
    return {
        **change.key.json(),
        "action": change.action.value,
        "reason": change.reason.value,
        "drifted": change.drifted,
        "wave": change.wave,
        "after": [{"kind": key.kind, "name": key.name} for key in change.after],
        "onRemove": change.on_remove,
        "fields": [
            {
                "path": item.path,
                "before": masked(item.before, item.path in sealed),
                "after": masked(item.after, item.path in sealed),
            }
            for item in change.fields
        ],
        "source": _source_json(change.source),
        "digest": change.digest,
    }


def masked(value: Json, secret: bool) -> Json:
    """`value` fit to be seen: a secret or a sealed value becomes `(secret)`, None stays None."""
    if value is None:
        return None
    if secret or (isinstance(value, Mapping) and "sealed" in value):
        return MASK
    return _masked_within(value) if isinstance(value, (Mapping, list, tuple)) else value


def _masked_within(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {name: masked(inner, False) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(inner, False) for inner in value]
    return value


def text_of(made: Plan, kinds: Kinds) -> str:
    """The canonical bytes of a plan, as text: equal plans give equal text under any hash seed."""
    return "".join(_canonical(kinds, made))


__all__ = [
    "MASK",
    "PlanInput",
    "change_json",
    "document",
    "masked",
    "plan",
    "summary",
    "text_of",
]
