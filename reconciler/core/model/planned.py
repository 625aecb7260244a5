"""What is to be done about the gap between desired and observed, and what stops it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from .desired import Meaning, Resource, RolledBack
from .names import Commit, Json, Key, Source, digest
from .observed import NEVER_SEEN, OLDER_PROBE, Absent, Observation
from .past import Owned


class Action(str, Enum):
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    REPLACE = "replace"


class Reason(str, Enum):
    NEW_IN_GIT = "NewInGit"
    EDITED_IN_GIT = "EditedInGit"
    DRIFTED = "Drifted"
    REMOVED_FROM_GIT = "RemovedFromGit"
    REPLACES = "Replaces"
    ROLLED_BACK = "RolledBack"


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldChange:
    """One field, before and after; None where there was or will be nothing."""

    path: str
    before: Json = None
    after: Json = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One key on which desired, observed and past do not obviously agree: what `plan` decides on."""

    key: Key
    desired: Resource | None
    seen: Observation
    owned: Owned | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One key and what is to happen to it."""

    key: Key
    action: Action
    reason: Reason
    fields: tuple[FieldChange, ...]
    want: Meaning | None = None
    """None for a delete."""
    have: Observation = Absent()
    owned: Owned | None = None
    source: Source = Source(path="")
    drifted: bool = False
    """True when it was edited in Git and had drifted too."""
    on_remove: str = ""
    """For a delete: what becomes of it, in the kind's words."""
    wave: int = 0
    """From 1 on."""
    after: tuple[Key, ...] = ()
    """Keys of the same host whose changes come first."""

    @property
    def digest(self) -> str:
        """Of what an approval binds: key, action and what it will be."""
        return digest([self.key.json(), self.action.value, self.want.digest if self.want else self.on_remove])


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardHit:
    """A guard that the plan met: numbers, causes, and how a human answers it."""

    rule: str
    """The name that `--accept` takes."""
    scope: str
    """What was counted: a kind, a host, `all`, or the protected thing."""
    count: int
    total: int
    limit: float
    message: str
    causes: tuple[Source, ...] = ()
    changes: frozenset[str] = frozenset()
    """`Change.digest` of all that it stops."""
    final: bool = False
    """True when no approval opens it."""
    approved_by: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Left:
    """A declared key that the plan leaves alone, and why (unknown, paused, report only, waiting after a failure)."""

    key: Key
    why: str
    kind_of: str
    """`unknown`, `paused`, `report`, `refused`, `backoff` or `held` (by a wave that failed)."""
    source: Source = Source(path="")


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """A wave of this commit failed: other hosts get none of it until that is mended. Drift goes on being healed."""

    wave: int
    """From 1 on."""
    hosts: tuple[str, ...]
    """On which it failed and did not succeed since, sorted."""
    until: float | None = None
    """When the first of them is tried again, None: now. Seconds since 1970 UTC; not part of the plan's id."""

    @property
    def why(self) -> str:
        """`wave 1 failed on web-1`, three hosts by name."""
        more = len(self.hosts) - 3
        return f"wave {self.wave} failed on {', '.join(self.hosts[:3])}" + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What would be done. The id is a hash of the canonical plan, so equal plans have equal ids."""

    id: str = ""
    commit: Commit = Commit()
    changes: tuple[Change, ...] = ()
    """In the order they run: by wave, host, then dependencies."""
    adopt: tuple[Key, ...] = ()
    """Declared, already right, not owned as declared yet: recorded at the next apply, nothing is run."""
    release: tuple[Key, ...] = ()
    """Owned, no longer declared, left as they are."""
    guards: tuple[GuardHit, ...] = ()
    left: tuple[Left, ...] = ()
    waves: tuple[tuple[str, ...], ...] = ()
    """Host names of each wave."""
    never_seen: tuple[str, ...] = ()
    """Hosts that were never looked at."""
    unreachable: Mapping[str, str] = field(default_factory=dict)
    """Host → why it is not in this plan."""
    unmanaged: int = 0
    hosts_total: int = 0
    resources_total: int = 0
    observed_at: float | None = None
    """When the oldest reading that this plan rests on was taken. Not part of the id."""
    hold: Hold | None = None
    """Why the changes that are left as `held` wait."""
    rolled_back: tuple[RolledBack, ...] = ()
    """What is not planned as Git says, but as it was before."""
    retry_at: float | None = None
    """When the first of the failures that wait is tried again, None: none waits. Not part of the id."""

    @property
    def stopped(self) -> tuple[GuardHit, ...]:
        return tuple(hit for hit in self.guards if not hit.approved_by)

    def count(self, action: Action) -> int:
        return sum(1 for change in self.changes if change.action is action)

    @property
    def unknown_hosts(self) -> tuple[str, ...]:
        """Hosts that answer and hold a declared thing that is unknown, as one that is new in Git: unknown leads to
        an observation."""
        found = {left.key.host for left in self.left if left.kind_of == "unknown"}
        return tuple(sorted(found - self.unreachable.keys()))

    @property
    def unseen(self) -> tuple[Left, ...]:
        """What nobody looked at yet on hosts that were looked at, as what is new in Git, or since an upgrade that reads
        its kind otherwise: a look comes before anything is done, and shows what it needs."""
        yet = (NEVER_SEEN.why, OLDER_PROBE.why)
        return tuple(left for left in self.left if left.kind_of == "unknown" and left.why in yet)

    @property
    def held(self) -> tuple[Left, ...]:
        """What waits for a wave that failed (`hold`)."""
        return tuple(left for left in self.left if left.kind_of == "held")

    @property
    def waiting(self) -> tuple[Left, ...]:
        """Changes that will be made without anybody's doing, only not now."""
        return tuple(left for left in self.left if left.kind_of in ("backoff", "held", "paused"))

    @property
    def unknown(self) -> int:
        return sum(1 for left in self.left if left.kind_of == "unknown")
