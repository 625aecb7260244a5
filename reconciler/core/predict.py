"""What the re-read will find if all goes well: the law that keeps plans honest is `plan(predicted) is empty`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from .kind import Kinds
from .model import Absent, Action, Change, Key, Observation, Origin, Owned, Plan, Unknown


def predicted(kinds: Kinds, changes: Iterable[Change]) -> dict[Key, Observation]:
    """Key → what will be seen. What a change touches beyond its key becomes Unknown unless it is changed itself."""
    changes = tuple(changes)
    found: dict[Key, Observation] = {}
    for change in changes:
        for ref in kinds[change.key.kind].touches(change):
            found[Key(change.key.host, ref.kind, ref.name)] = Unknown(f"touched by {change.key.ref}")
    for change in changes:
        found[change.key] = kinds[change.key.kind].after(change)
    return found


def owned_after(change: Change, commit: str) -> Owned | None:
    """The memory of a change that went well: None when nothing is owned any more."""
    if change.want is None:
        return None
    if change.owned is not None and change.action is not Action.REPLACE:
        origin = change.owned.origin
    else:
        origin = Origin.CREATED if isinstance(change.have, Absent) or change.action is Action.REPLACE else Origin.FOUND
    return Owned(
        key=change.key,
        origin=origin,
        spec=change.want.spec,
        digest=change.want.digest,
        commit=commit,
        on_remove=change.want.on_remove,
        source=replace(change.source, commit=commit),
    )


def simulate(
    kinds: Kinds, plan: Plan, observed: Mapping[Key, Observation], owned: Mapping[Key, Owned]
) -> tuple[dict[Key, Observation], dict[Key, Owned]]:
    """The world after a plan that went well: observed and owned, adoption and release included."""
    seen = {**observed, **predicted(kinds, plan.changes)}
    mine = dict(owned)
    for change in plan.changes:
        kept = owned_after(change, plan.commit.id)
        if kept is None:
            mine.pop(change.key, None)
        else:
            mine[change.key] = kept
    for key in plan.release:
        mine.pop(key, None)
    return seen, mine
