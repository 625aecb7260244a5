"""What a proposed commit changes, as against what was pending anyway: what the reviewer of a pull request reads."""

from __future__ import annotations

from dataclasses import replace

from .model import Change, Left, Plan


def effect(proposed: Plan, base: Plan) -> tuple[Plan, int]:
    """`proposed` without the changes that `base` would make alike, and how many those were; nor what base leaves alike.

    Guards stay when any change that they stop is the proposal's own.
    """
    pending = {_identity(change) for change in base.changes}
    known = {_same_left(left) for left in base.left}
    own = tuple(change for change in proposed.changes if _identity(change) not in pending)
    mine = {change.digest for change in own}
    return (
        replace(
            proposed,
            changes=own,
            guards=tuple(hit for hit in proposed.guards if hit.changes & mine),
            waves=tuple(
                hosts
                for wave in proposed.waves
                if (hosts := tuple(host for host in wave if any(change.key.host == host for change in own)))
            ),
            adopt=tuple(key for key in proposed.adopt if key not in set(base.adopt)),
            left=tuple(left for left in proposed.left if _same_left(left) not in known),
            release=tuple(key for key in proposed.release if key not in set(base.release)),
        ),
        len(proposed.changes) - len(own),
    )


def _same_left(left: Left) -> tuple[object, ...]:
    return (left.key, left.kind_of, left.why)


def _identity(change: Change) -> tuple[object, ...]:
    return (change.digest, tuple(item.path for item in change.fields))
