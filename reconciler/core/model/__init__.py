"""The nouns that every room speaks in: plain frozen data, no behaviour that needs the world.

Two rules of what may live here: a noun that more than one room needs, and nothing that decides
(diff, order, guard, plan and verdict decide). They follow the line: manifests say `desired`, hosts are `observed`,
the `past` is what is owned, a plan (`planned`) of changes closes the gap, and a `visit` carries it out.
"""

from .desired import Desired, Manifest, Meaning, Resource, RolledBack, Spread
from .inventory import DEFAULT_WAVES, Host, Limit, Policy, WaveRule
from .names import NOTHING, Commit, Json, Key, Ref, Source, State, canonical, digest, digest_of
from .observed import Absent, Observation, Present, Unknown, observation, reading_json, same_observation
from .past import Applied, Approval, Backoff, GoneTo, HostPast, Origin, Owned, Pause, Rollback, Untold, WaveRun
from .planned import Action, Change, FieldChange, GuardHit, Hold, Left, Plan, Reason, Row
from .visit import SAVES, Freight, Look, Op, Outcome, Reading, Report, Result, Trouble, Verdict, Visit

__all__ = [
    "DEFAULT_WAVES",
    "NOTHING",
    "SAVES",
    "Absent",
    "Action",
    "Applied",
    "Approval",
    "Backoff",
    "Change",
    "Commit",
    "Desired",
    "FieldChange",
    "Freight",
    "GoneTo",
    "GuardHit",
    "Hold",
    "Host",
    "HostPast",
    "Json",
    "Key",
    "Left",
    "Limit",
    "Look",
    "Manifest",
    "Meaning",
    "Observation",
    "Op",
    "Origin",
    "Outcome",
    "Owned",
    "Pause",
    "Plan",
    "Policy",
    "Present",
    "Reading",
    "Reason",
    "Ref",
    "Report",
    "Resource",
    "Result",
    "Rollback",
    "RolledBack",
    "Row",
    "Source",
    "Spread",
    "State",
    "Trouble",
    "Unknown",
    "Untold",
    "Verdict",
    "Visit",
    "WaveRule",
    "WaveRun",
    "canonical",
    "digest",
    "digest_of",
    "observation",
    "reading_json",
    "same_observation",
]
