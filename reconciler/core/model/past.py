"""What is remembered: what trueup owns, what people asked for, how hosts answered, what failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from .names import Key, Source, State


class Origin(str, Enum):
    CREATED = "created"
    FOUND = "found"


@dataclass(frozen=True, kw_only=True, slots=True)
class Owned:
    """What trueup was last told to keep, and kept: the memory that makes a deletion possible and safe."""

    key: Key
    origin: Origin
    spec: State
    """As last applied, sealed."""
    digest: str
    commit: str
    on_remove: str = ""
    source: Source = Source(path="")


@dataclass(frozen=True, kw_only=True, slots=True)
class Untold:
    """What one host's own file does not say yet: it is told at the next visit."""

    own: tuple[Owned, ...] = ()
    """Owned there since, or with another digest."""
    disown: tuple[Key, ...] = ()
    """Let go of since."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """Somebody asked trueup to leave hosts alone for a while."""

    selector: str
    why: str
    who: str
    until: float
    """Seconds since 1970 UTC."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Approval:
    """A human's yes to one guard of what one commit was shown to do, and no more than that."""

    guard: str
    commit: str
    allowed: frozenset[str]
    """Digests of (key, action, after): the set that was shown. A later plan's set must lie within it."""
    who: str
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Applied:
    """A version of a resource that was applied on a host (`Kind.version`)."""

    host: str
    version: str
    spec: State
    digest: str
    commit: str
    began: float
    """When it was applied, seconds since 1970 UTC."""
    ended: float | None = None
    """When another one took its place; None: it is what trueup keeps there now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GoneTo:
    """The spec of an earlier version, as it was applied."""

    spec: State
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollback:
    """Somebody put a resource back to a version that was applied before, against Git's word."""

    kind: str
    name: str
    away: str
    """The version that Git wanted then. It holds only while Git wants that one still."""
    version: str
    """That it was put back to."""
    commit: str
    """Whose version that is."""
    why: str
    who: str
    at: float
    hosts: Mapping[str, GoneTo]
    number: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class HostPast:
    """What is remembered about a host as a whole."""

    seen_at: float | None = None
    """When its readings were last taken, None: never looked at."""
    tried_at: float | None = None
    """When a visit was last tried, whether it got through or not."""
    trouble: str = ""
    """Why the last visit did not get through; empty when it did."""
    trouble_code: str = ""
    trouble_since: float | None = None
    machine_id: str = ""
    paused: Pause | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """A (key, digest) that failed and is not tried again before `until`, in the same commit."""

    key: Key
    digest: str
    commit: str
    until: float
    why: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class WaveRun:
    """A wave of an earlier round for `commit`, that others were to follow, and in which changes failed."""

    commit: str
    number: int
    """From 1 on."""
    hosts: tuple[str, ...]
    """That it reached, sorted: a change was tried there."""
    counted: int
    """Hosts that its failures are a share of: those that answered, or all where the round was cut short."""
    failed: tuple[Key, ...]
    """Sorted."""
