"""What hosts are: there, not there, or nobody knows; and the form in which a reading travels and is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from .names import Json, State, canonical


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


NEVER_SEEN = Unknown("never looked at")
"""Of a thing that no look was for, as one that is new in Git."""
OLDER_PROBE = Unknown("read by an older probe: to be looked at again")
"""Of a thing that was looked at, and whose kind reads otherwise since an upgrade of trueup."""

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
