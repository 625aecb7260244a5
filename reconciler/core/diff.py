"""One key: what desired, observed and past say, and what follows. The only place that gives reasons.

Every combination, before the code decides (D declared, O owned; `=` the state is as Git says):

    D O  seen       what follows
    D -  Unknown    left alone: unknown
    D -  Absent     create, NewInGit
    D -  =          adopt (origin found): recorded, nothing runs
    D -  other      update, NewInGit
    D O  Unknown    left alone: unknown
    D O  Absent     create, Drifted; EditedInGit (and drifted) when Git changed since it was applied
    D O  =          nothing; adopt when Git changed to what the host already is
    D O  other      update, Drifted; EditedInGit when Git changed since, `drifted` when the host had moved as well
    D O  (was)      the same, RolledBack in place of EditedInGit, where somebody put it back to what was applied before
    D O  (identity) replace, Replaces: what can't change in place is removed and made anew
    - O  Unknown    left alone: unknown (an unseen thing is not deleted, and stays owned)
    - O  Absent     release: it is gone already
    - O  Present    delete, RemovedFromGit; release where it was found and the manifest said nothing else
    - -             unmanaged: never touched, not a row
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from .kind import Kind
from .model import (
    Absent,
    Action,
    Change,
    FieldChange,
    Json,
    Key,
    Left,
    Meaning,
    Observation,
    Origin,
    Owned,
    Present,
    Reason,
    Resource,
    Row,
    Source,
    State,
    Unknown,
)

RELEASE = "release"
UNCHECKED: Mapping[str, str] = {"sealed": ""}
"""A secret whose key is not at hand: the field is not compared."""


def compared(kind: Kind, want: Meaning) -> tuple[str, ...]:
    """The fields of `want` that decide whether a state is right: managed, not ignored, and known."""
    return tuple(
        name for name in kind.manages(want.spec) if name not in want.ignore and want.spec.get(name) != UNCHECKED
    )


def view(kind: Kind, want: Meaning, state: State) -> State:
    """`state` through the eyes of `want`: equals `want.spec` (and has its digest) exactly when nothing differs."""
    seen, state = dict(want.spec), kind.whole(state)
    for name in compared(kind, want):
        if name not in state:
            seen.pop(name, None)
        elif not kind.same(name, want.spec[name], state[name]):
            seen[name] = state[name]
    return seen


def fields(kind: Kind, want: Meaning, seen: Observation) -> tuple[FieldChange, ...]:
    """What differs, field by field in the kind's own order; empty when all is right, or when nobody knows."""
    match seen:
        case Unknown():
            return ()
        case Absent():
            if kind.right_where_absent(want.spec):
                return ()
            made = tuple(
                FieldChange(path=name, after=want.spec[name])
                for name in compared(kind, want)
                if want.spec[name] is not None
            )
            return made or (FieldChange(path="state", before="absent", after="present"),)
        case Present(state):
            if kind.wants_absence(want.spec):
                return (FieldChange(path="state", before="present", after="absent"),)
            state = kind.whole(state)
            return tuple(
                FieldChange(path=name, before=_hidden(state.get(name), want.spec[name]), after=want.spec[name])
                for name in compared(kind, want)
                if name not in state or not kind.same(name, want.spec[name], state[name])
            )


def _hidden(before: Json, after: Json) -> Json:
    """What was read in plain before Git called it a secret is not shown a last time."""
    sealed = isinstance(after, Mapping) and "sealed" in after
    return UNCHECKED if sealed and before is not None and not isinstance(before, Mapping) else before


@dataclass(frozen=True, slots=True)
class Adopt:
    """Declared and right: to be recorded as owned, nothing is run."""

    key: Key


@dataclass(frozen=True, slots=True)
class Release:
    """No longer declared and to be left as it is: ownership ends, nothing is run."""

    key: Key


Decision: TypeAlias = Change | Left | Adopt | Release | None


def decide(kind: Kind, row: Row) -> Decision:
    """What follows from one row; see the table above. Pauses, modes and waves are not its business."""
    if row.desired is None:
        return _undeclared(kind, row) if row.owned else None
    if isinstance(row.seen, Unknown):
        return Left(key=row.key, why=row.seen.why, kind_of="unknown", source=row.desired.source)
    return _declared(kind, row, row.desired)


def _declared(kind: Kind, row: Row, desired: Resource) -> Decision:
    want, owned = desired.meaning, row.owned
    if owned and kind.identity(row.key.name, owned.spec) != kind.identity(row.key.name, want.spec):
        made = fields(kind, want, Absent())
        return _change(row, Action.REPLACE, Reason.REPLACES, made, desired)
    differing = fields(kind, want, row.seen)
    edited = owned is not None and owned.digest != want.digest
    if not differing:
        stale_record = owned is None or edited or owned.on_remove != want.on_remove
        return Adopt(row.key) if stale_record else None
    if owned is None:
        reason, drifted = Reason.NEW_IN_GIT, False
    elif edited:
        before = Meaning(spec=owned.spec, digest=owned.digest, ignore=want.ignore)
        reason, drifted = Reason.EDITED_IN_GIT, bool(fields(kind, before, row.seen))
        if want.rolled_back:
            reason = Reason.ROLLED_BACK
    else:
        reason, drifted = Reason.DRIFTED, False
    if isinstance(row.seen, Present) and (why := kind.refuses(row.key.name, want.spec, row.seen)):
        return Left(key=row.key, why=why, kind_of="refused", source=desired.source)
    if reason is Reason.DRIFTED and want.on_drift == "report":
        named = ", ".join(change.path for change in differing)
        return Left(key=row.key, why=f"drifted: {named} (onDrift: report)", kind_of="report", source=desired.source)
    if kind.wants_absence(want.spec):
        action = Action.DELETE
    else:
        action = Action.CREATE if isinstance(row.seen, Absent) else Action.UPDATE
    return _change(row, action, reason, differing, desired, drifted=drifted)


def _change(
    row: Row,
    action: Action,
    reason: Reason,
    changed: tuple[FieldChange, ...],
    desired: Resource,
    *,
    drifted: bool = False,
) -> Change:
    return Change(
        key=row.key,
        action=action,
        reason=reason,
        fields=changed,
        want=desired.meaning,
        have=row.seen,
        owned=row.owned,
        source=desired.source,
        drifted=drifted,
    )


def removal(kind: Kind, owned: Owned) -> str:
    """What leaving Git means for an owned thing, in the kind's words, or `release`."""
    if owned.on_remove:
        return owned.on_remove
    return kind.default_on_remove if owned.origin is Origin.CREATED else RELEASE


def _undeclared(kind: Kind, row: Row) -> Decision:
    owned = row.owned
    assert owned is not None
    how = removal(kind, owned)
    if how == RELEASE or isinstance(row.seen, Absent):
        return Release(row.key)
    if isinstance(row.seen, Unknown):
        return Left(key=row.key, why=row.seen.why, kind_of="unknown", source=owned.source)
    return Change(
        key=row.key,
        action=Action.DELETE,
        reason=Reason.REMOVED_FROM_GIT,
        fields=(),
        have=row.seen,
        owned=owned,
        source=owned.source if owned.source.path else Source(path="", commit=owned.commit),
        on_remove=how,
    )
