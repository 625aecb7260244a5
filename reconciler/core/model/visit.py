"""What travels to hosts and what comes back: ops and looks out, outcomes and readings home."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from .inventory import Host
from .names import Key, State
from .observed import Observation
from .past import Owned
from .planned import Change

Packing = Literal["gzip", "brotli"]
PACKINGS: tuple[Packing, ...] = ("gzip", "brotli")
"""How a content may be packed, in the order of the forms' numbers, from 1 on. Who takes a later one takes the earlier ones."""
SAVES = 0.9
"""A packed form is kept where it is at most so much of what is sent without it: the content, or an earlier form that is kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Freight:
    """A content that an op needs in its host's store, /srv/trueup/blobs, before it runs."""

    blob: str
    """Git's id of it."""
    packed: frozenset[Packing] = frozenset()
    """The packed forms that are wanted beside it, each where it saves at least a tenth."""
    doubted: bool = False
    """Somebody altered it there: it counts as there only when it has been read again."""
    there: bool | None = None
    """Whether the host has it, and its packed forms, by what is known here; None where nothing is."""


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
    cargo: tuple[Freight, ...] = ()
    """What must be in the host's store by then; only what it lacks travels."""


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
    """To be recorded in the host's own file (owned without an op)."""
    disown: tuple[Key, ...] = ()
    """To be forgotten there (let go of without an op)."""
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
