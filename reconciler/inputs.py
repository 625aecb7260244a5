"""What a plan is made of, gathered: from the store and the clock, or from an observed file. What decides is core/plan.py."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from .core import select
from .core.kind import Kinds
from .core.model import Desired, Key, Observation, Owned, Pause, Plan
from .core.plan import PlanInput
from .core.plan import plan as make_plan
from .core.problem import Refused
from .manifests import selector
from .ports import Store


def plan_from(store: Store, kinds: Kinds, desired: Desired, now: float, *, approvals: bool = True) -> Plan:
    """The plan of `desired` from what `store` knows, with what was put back. Changes nothing, asks no host. Raises Refused."""
    desired = store.meant(desired)
    past = store.past(desired)
    more = select.triggered(kinds, desired, [row.key for row in past.rows])
    rows = past.rows + (store.rows_for(desired, more) if more else ())
    return make_plan(
        PlanInput(
            kinds=kinds,
            desired=desired,
            rows=tuple(sorted(rows, key=lambda row: row.key)),
            owned_by_kind=past.owned_by_kind,
            owned_by_host=past.owned_by_host,
            hosts=past.hosts,
            pauses=paused_hosts(desired, past.pauses),
            approvals=past.approvals if approvals else (),
            backoffs=past.backoffs,
            wave_runs=past.wave_runs,
            unmanaged=past.unmanaged,
            observed_at=past.observed_at,
            matches=Matches(desired),
            now=now,
        )
    )


class Matches(Mapping[str, Collection[str]]):
    """Selector text of the policy's waves → the hosts that it picks, worked out when somebody asks: a plan without
    changes has no waves."""

    def __init__(self, desired: Desired) -> None:
        self._desired = desired
        self._found: dict[str, Collection[str]] = {}

    def __getitem__(self, text: str) -> Collection[str]:
        if not text:
            raise KeyError(text)
        if text not in self._found:
            self._found[text] = frozenset(selector.parse(text).pick(self._desired.hosts))
        return self._found[text]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({rule.selector for rule in self._desired.policy.waves if rule.selector}))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def paused_hosts(desired: Desired, pauses: Sequence[Pause]) -> dict[str, Pause]:
    """Host → the pause that covers it and ends last."""
    found: dict[str, Pause] = {}
    for pause in sorted(pauses, key=lambda pause: pause.until):
        for host in selector.parse(pause.selector).pick(desired.hosts):
            found[host] = pause
    return found


def from_observed(kinds: Kinds, desired: Desired, text: bytes, path: Path) -> Plan:
    """A plan from an observed file, with no fleet, no store and no daemon. Raises Refused with the file's problems."""
    from .manifests import observed

    seen, owned, problems = observed.read(text, str(path), kinds, desired)
    if any(problem.severity == "error" for problem in problems):
        raise Refused(*problems)
    return plan_of(kinds, desired, seen, owned)


def plan_of(kinds: Kinds, desired: Desired, seen: Mapping[Key, Observation], owned: Mapping[Key, Owned]) -> Plan:
    """The plan of a whole world that is told, not looked at: what isn't in `seen` is absent."""
    by_kind: dict[str, int] = {}
    by_host: dict[str, int] = {}
    for key in owned:
        by_kind[key.kind] = by_kind.get(key.kind, 0) + 1
        by_host[key.host] = by_host.get(key.host, 0) + 1
    rows = {row.key: row for row in select.rows(kinds, desired, seen, owned)}
    for key in select.triggered(kinds, desired, list(rows)):
        rows[key] = select.row(desired, key, seen, owned)
    return make_plan(
        PlanInput(
            kinds=kinds,
            desired=desired,
            rows=tuple(rows[key] for key in sorted(rows)),
            owned_by_kind=by_kind,
            owned_by_host=by_host,
            matches=Matches(desired),
            unmanaged=sum(1 for key in seen if key not in owned and desired.get(key) is None),
            looked=False,
        )
    )
