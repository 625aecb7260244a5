"""The fleet's machines and the reviewed policy: what `kind: Host` and `kind: Fleet` say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .names import Source, State


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """A machine of the fleet and the way in to it (inventory: `kind: Host`)."""

    name: str
    address: str = ""
    """What ssh connects to; the name itself when left out."""
    port: int = 22
    user: str = "root"
    become: bool = False
    become_user: str = "root"
    proxy_jump: str = ""
    """`user@host:port`, as ssh's -J takes it; empty for a direct way."""
    host_keys: tuple[str, ...] = ()
    """Lines of the host's public keys, `ssh-ed25519 AAAA…`, as committed."""
    bootstrap: bool = False
    mode: str = ""
    """`enforce` or `observe`; empty: as the fleet says."""
    labels: Mapping[str, str] = field(default_factory=dict)
    vars: State = field(default_factory=dict)
    previous_name: str = ""
    source: Source = Source(path="")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """A guard's arithmetic: more than `percent` of a total, from `from_count` on, stops; 100 percent never does."""

    percent: float = 30.0
    from_count: int = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class WaveRule:
    """One wave: hosts that `selector` matches, or `percent` of all that are left from the whole fleet of the plan."""

    selector: str = ""
    percent: float = 100.0
    max_failed_percent: float = 5.0
    """A wave fails when more than this share of its hosts failed; the next does not start."""


DEFAULT_WAVES = (
    WaveRule(selector="canary=true", percent=1.0, max_failed_percent=0.0),
    WaveRule(percent=10.0),
    WaveRule(percent=100.0),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """The reviewed policy of a fleet (`kind: Fleet`, the file trueup.yaml)."""

    name: str = "fleet"
    mode: str = "observe"
    on_drift: str = "heal"
    observe_every: float = 600.0
    """Seconds between two looks at a host."""
    deletes_per_kind: Limit = Limit()
    deletes_per_host: Limit = Limit()
    deletes_in_all: int = 100
    waves: tuple[WaveRule, ...] = DEFAULT_WAVES
    heal_without_waves_percent: float = 5.0
    """Healing drift on up to this share of the hosts skips waves."""
    vars: State = field(default_factory=dict)
    source: Source = Source(path="")
