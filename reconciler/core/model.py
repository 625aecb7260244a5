"""The nouns that every room speaks in: plain frozen data, no behaviour that needs the world.

Two rules of what may live here: a noun that more than one room needs, and nothing that decides
(diff, order, guard, plan and verdict decide). Read top down, it follows the line:
manifests say `Desired`, hosts are `Observed`, the past is `Owned`, and a `Plan` of `Change`s closes the gap.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""What JSON can say: None, bool, int, float, str, list, dict with str keys."""

State: TypeAlias = Mapping[str, Json]
"""Fields of a resource by name, of plain JSON types only. Never changed in place."""

NOTHING: State = MappingProxyType({})


def canonical(value: Json) -> str:
    """The one text of a JSON value: sorted keys, no spaces, non-ASCII as it is."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=dict)


def digest(value: Json) -> str:
    """16 hex digits (8 bytes of BLAKE2b, RFC 7693) of the canonical text of `value`.

    64 bits: among 5 million resources a chance meeting of two that are compared is below 1e-12.
    """
    return hashlib.blake2b(canonical(value).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


# ---------------------------------------------------------------- names and places


@dataclass(frozen=True, order=True, slots=True)
class Ref:
    """A resource as a manifest refers to it, `Kind/name`, on the same host."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, order=True, slots=True)
class Key:
    """One resource on one host. In JSON always three fields, never joined."""

    host: str
    kind: str
    name: str

    @property
    def ref(self) -> Ref:
        return Ref(self.kind, self.name)

    def json(self) -> dict[str, str]:
        return {"host": self.host, "kind": self.kind, "name": self.name}


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """A commit, or a folder that no commit holds yet (`id` is then empty)."""

    id: str = ""
    author: str = ""
    subject: str = ""
    at: float = 0.0
    """Author time, seconds since 1970 UTC."""
    tree: str = ""

    @property
    def short(self) -> str:
        return self.id[:7] or "not committed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where a manifest stands: its file, the line of its first field, the commit that is held."""

    path: str
    line: int = 1
    commit: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


# ---------------------------------------------------------------- inventory and policy


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


# ---------------------------------------------------------------- desired


@dataclass(frozen=True, kw_only=True, slots=True)
class Meaning:
    """What a manifest means on a host: the kind's own fields in normal form, and how trueup treats them.

    `spec` never holds a secret: a sealed field is `{"sealed": HMAC}` (see secrets/), or
    `{"sealed": ""}` where the key is not at hand and the field is not compared.
    """

    spec: State
    digest: str
    """Of `spec` alone: what is compared with the state."""
    ignore: tuple[str, ...] = ()
    on_drift: str = "heal"
    on_remove: str = ""
    """Empty: the kind's own default for what trueup created, release for what it found."""
    depends_on: tuple[Ref, ...] = ()
    on_change: str = ""
    own_access: str = ""
    """The reason given in the annotation trueup.dev/own-access, empty when there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """One YAML document of a kind, before it is spread over hosts."""

    kind: str
    name: str
    source: Source
    blob: str = ""
    selector: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """What one manifest means on one host."""

    key: Key
    meaning: Meaning
    source: Source

    @property
    def spec(self) -> State:
        return self.meaning.spec


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """One manifest over the hosts that its selector matches. Cost follows manifests, not manifests × hosts,
    unless a template makes the meaning differ: then `each` has one a host and `same` is None."""

    manifest: Manifest
    hosts: tuple[str, ...]
    """Sorted."""
    same: Meaning | None = None
    each: Mapping[str, Meaning] = field(default_factory=dict)

    def meaning(self, host: str) -> Meaning:
        return self.same if self.same is not None else self.each[host]


@dataclass(frozen=True, kw_only=True)
class Desired:
    """All that a commit wants, indexed for single look-ups; iterate `spreads` for the whole."""

    commit: Commit = Commit()
    policy: Policy = Policy()
    hosts: Mapping[str, Host] = field(default_factory=dict)
    spreads: tuple[Spread, ...] = ()

    @cached_property
    def _by_ref(self) -> dict[Ref, list[tuple[frozenset[str], Spread]]]:
        index: dict[Ref, list[tuple[frozenset[str], Spread]]] = {}
        for spread in self.spreads:
            ref = Ref(spread.manifest.kind, spread.manifest.name)
            index.setdefault(ref, []).append((frozenset(spread.hosts), spread))
        return index

    def get(self, key: Key) -> Resource | None:
        """The resource of `key`, None when nobody declares it."""
        for hosts, spread in self._by_ref.get(key.ref, ()):
            if key.host in hosts:
                return Resource(key=key, meaning=spread.meaning(key.host), source=spread.manifest.source)
        return None

    @cached_property
    def _by_host(self) -> dict[str, list[Spread]]:
        index: dict[str, list[Spread]] = {}
        for spread in self.spreads:
            for host in spread.hosts:
                index.setdefault(host, []).append(spread)
        return index

    def on_host(self, host: str) -> tuple[Spread, ...]:
        """The manifests that spread to `host`."""
        return tuple(self._by_host.get(host, ()))

    def resources(self) -> Iterator[Resource]:
        """Every resource, manifest by manifest, hosts sorted. Use it for small fleets and tests; the store joins in SQL."""
        for spread in self.spreads:
            for host in spread.hosts:
                yield Resource(
                    key=Key(host, spread.manifest.kind, spread.manifest.name),
                    meaning=spread.meaning(host),
                    source=spread.manifest.source,
                )


# ---------------------------------------------------------------- observed


@dataclass(frozen=True, slots=True)
class Present:
    """The resource is there, in this state (all that the probe could read, not only what Git manages)."""

    state: State


@dataclass(frozen=True, slots=True)
class Absent:
    """The probe looked, and it is not there."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows: never looked at, no answer, or the probe could not read it. Never leads to a change."""

    why: str


Observation: TypeAlias = Present | Absent | Unknown


def same_observation(one: Observation, other: Observation) -> bool:
    return type(one) is type(other) and canonical(reading_json(one)) == canonical(reading_json(other))


def reading_json(seen: Observation) -> dict[str, Json]:
    """The form that travels and is stored: `{"state": …}`, `{"absent": true}` or `{"unknown": why}`."""
    match seen:
        case Present(state):
            return {"state": dict(state)}
        case Absent():
            return {"absent": True}
        case Unknown(why):
            return {"unknown": why}


def observation(reading: Mapping[str, Json]) -> Observation:
    """`reading_json` read back. Raises ValueError for anything else: readings come from hosts and are hostile."""
    if isinstance(reading.get("state"), dict):
        return Present(reading["state"])
    if reading.get("absent") is True:
        return Absent()
    if isinstance(reading.get("unknown"), str):
        return Unknown(reading["unknown"])
    raise ValueError("a reading needs a state, absent: true or unknown: why")


# ---------------------------------------------------------------- past


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


# ---------------------------------------------------------------- plan


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
    """`unknown`, `paused`, `report`, `refused` or `backoff`."""
    source: Source = Source(path="")


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
    def unknown(self) -> int:
        return sum(1 for left in self.left if left.kind_of == "unknown")


# ---------------------------------------------------------------- what comes back from hosts


@dataclass(frozen=True, kw_only=True, slots=True)
class Op:
    """One call of one Ansible module. Values may hold `{"sealed": …}` and `{"blob": …}`: opened only inside a trip."""

    module: str
    """Fully qualified: `ansible.builtin.user`, `trueup.host.put`."""
    args: State
    title: str = ""
    """For people: `create account ada`."""
    limit: float = 300.0
    """Seconds it may take."""


class Result(str, Enum):
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Something it depends on failed."""
    STALE = "stale"
    """The host was no longer as the plan had seen it."""
    LOST = "lost"
    """The connection ended before its end was heard: re-read to know."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one change on its host, op by op."""

    key: Key
    result: Result
    message: str = ""
    op: str = ""
    """The title of the op that decided it."""
    changed: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """Ask the probe of `key.kind` for `key`: `request` is what `Kind.look` made of its spec."""

    key: Key
    request: State


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    key: Key
    seen: Observation
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One visit to one host: what to do, in order, and what to read before and after."""

    host: Host
    changes: tuple[Change, ...] = ()
    ops: Mapping[Key, tuple[Op, ...]] = field(default_factory=dict)
    looks: tuple[Look, ...] = ()
    own: tuple[Owned, ...] = ()
    """To be recorded in the host's own file (adopted without an op)."""
    disown: tuple[Key, ...] = ()
    machine_id: str = ""
    """As remembered; another one on the host means it was reborn: nothing is run."""
    fleet: str = "fleet"
    """The fleet's name: the host's own file is /var/lib/trueup/FLEET.json."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """Why a visit did not get through: a code of trip/troubles.py, and a sentence."""

    code: str
    why: str
    next_step: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What one visit brought back."""

    host: str
    trouble: Trouble | None = None
    outcomes: tuple[Outcome, ...] = ()
    readings: tuple[Reading, ...] = ()
    owned: tuple[Owned, ...] | None = None
    """The host's own file after the visit; None when it could not be read."""
    machine_id: str = ""
    facts: State = field(default_factory=dict)
    """os, kernel, python, clock skew: small, for the host's page."""
    started: float = 0.0
    ended: float = 0.0


class Verdict(str, Enum):
    """Worst first: the order in which every screen shows them."""

    FAILED = "Failed"
    UNKNOWN = "Unknown"
    DRIFTED = "Drifted"
    PROGRESSING = "Progressing"
    PAUSED = "Paused"
    CONVERGED = "Converged"
