"""Worlds for the laws: fleets whose desired, observed and owned state can all exist.

Specs are drawn from the examples that every field of every schema must give, so each kind and field is covered; states
are what a kind itself predicts after applying such a spec, so no law stands on an impossible world.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from hypothesis import strategies as st

from reconciler.core.kind import Kinds
from reconciler.core.model import (
    Absent,
    Action,
    Change,
    Commit,
    Desired,
    Host,
    Key,
    Limit,
    Manifest,
    Meaning,
    Observation,
    Origin,
    Owned,
    Pause,
    Policy,
    Present,
    Reason,
    Ref,
    Source,
    Spread,
    State,
    Unknown,
    digest,
)
from reconciler.manifests.kinds import load_kinds

NAMES = ("alpha", "beta", "gamma")
HOSTS = ("db-1", "web-1", "web-2")


@cache
def kinds() -> Kinds:
    return load_kinds()


@cache
def choices(kind: str) -> Mapping[str, list[Any]]:
    """Field → values to draw: its examples, each of an enum, both of a boolean."""
    found: dict[str, list[Any]] = {}
    for name, said in kinds().schemas[kind]["spec"]["properties"].items():
        values = list(said.get("examples", ()))
        values += [value for value in said.get("enum", ()) if value not in values]
        if said.get("type") == "boolean":
            values = [True, False]
        found[name] = values
    return found


@st.composite
def specs(draw: st.DrawFn, kind: str, name: str) -> State:
    """A spec in normal form that the kind has nothing against."""
    import jsonschema

    schema = kinds().schemas[kind]["spec"]
    known = kinds()[kind]
    required = set(schema.get("required", ()))
    fields = [field for field in choices(kind) if field in required or draw(st.booleans())]
    spec = {field: draw(st.sampled_from(choices(kind)[field])) for field in fields if choices(kind)[field]}
    spec.pop("source", None)
    spec.pop("template", None)
    if spec.get("path"):
        spec["path"] = f"/srv/{name}"
    if not jsonschema.Draft202012Validator(schema).is_valid(spec):
        spec = {field: value for field, value in spec.items() if field in required}
    if any(finding.severity == "error" for finding in known.check(name, spec)):
        spec = _plainest(kind, name)
    for field in known.secrets(spec):
        spec[field] = {"sealed": digest(spec[field])}
    made = dict(known.normal(name, spec))
    if known.digests_of:
        refs = [ref for field in known.digests_of for ref in made.get(field, ())]
        if refs:
            made["loaded"] = {ref: draw(st.sampled_from(("aaaa", "bbbb"))) for ref in sorted(refs)}
    return made


@cache
def _plainest(kind: str, name: str) -> dict[str, Any]:
    """A spec of one field that passes, for draws that the kind refuses."""
    known = kinds()[kind]
    required = set(kinds().schemas[kind]["spec"].get("required", ()))
    for field, values in choices(kind).items():
        for value in values:
            spec = {name: choices(kind)[name][0] for name in required} | {field: value}
            if field == "path" or "path" in choices(kind):
                spec["path"] = f"/srv/{name}"
            if not any(finding.severity == "error" for finding in known.check(name, spec)):
                return {k: v for k, v in spec.items() if k not in ("source", "template")}
    return {}


def meaning(spec: State, **more: Any) -> Meaning:
    return Meaning(spec=spec, digest=digest(spec), **more)


def state_of(kind: str, key: Key, spec: State) -> Observation:
    """What the host is after `spec` was applied to nothing."""
    change = Change(
        key=key, action=Action.CREATE, reason=Reason.NEW_IN_GIT, fields=(), want=meaning(spec), have=Absent()
    )
    return kinds()[kind].after(change)


@dataclass(frozen=True)
class Fleet:
    """A world: what Git wants, what hosts are, what trueup owns."""

    desired: Desired
    observed: Mapping[Key, Observation]
    owned: Mapping[Key, Owned]
    pauses: Mapping[str, Pause]
    now: float = 1000.0


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    hosts = {name: Host(name=name, labels={"canary": "true"} if name == "db-1" else {}) for name in HOSTS}
    policy = draw(
        st.builds(
            Policy,
            mode=st.just("enforce"),
            deletes_per_kind=st.builds(
                Limit, percent=st.sampled_from((10.0, 30.0, 100.0)), from_count=st.integers(1, 4)
            ),
            deletes_per_host=st.builds(Limit, percent=st.sampled_from((30.0, 100.0)), from_count=st.integers(1, 6)),
            deletes_in_all=st.integers(0, 5),
        )
    )
    # Drawn early: what comes late in a long draw is rarely anything but its first choice.
    pauses = {
        host: Pause(selector=host, why="rack", who="Ada", until=draw(st.sampled_from((2000.0, 500.0))))
        for host in draw(st.lists(st.sampled_from(HOSTS), max_size=2, unique=True))
    }
    spreads: list[Spread] = []
    observed: dict[Key, Observation] = {}
    owned: dict[Key, Owned] = {}
    for kind in sorted(kinds().by_name):
        for name in draw(st.lists(st.sampled_from(NAMES[:2]), max_size=2, unique=True)):
            one, two = draw(specs(kind, name)), draw(specs(kind, name))
            removals = kinds().schemas[kind].get("onRemove", {}).get("values", [])
            earlier = sorted({Ref(one.manifest.kind, one.manifest.name) for one in spreads})
            extra = {
                "depends_on": tuple(draw(st.lists(st.sampled_from(earlier), max_size=2, unique=True)))
                if earlier
                else (),
                "on_drift": draw(st.sampled_from(("heal", "heal", "report"))),
                "on_remove": draw(st.sampled_from(("", "", *removals))),
            }
            where = tuple(draw(st.lists(st.sampled_from(HOSTS), max_size=3, unique=True).map(sorted)))
            source = Source(path=f"{kind}/{name}.yaml", line=1)
            if where:
                manifest = Manifest(kind=kind, name=name, source=source, selector="all")
                spreads.append(Spread(manifest=manifest, hosts=where, same=meaning(one, **extra)))
            for host in HOSTS:
                key = Key(host, kind, name)
                seen = draw(st.sampled_from(("absent", "one", "two", "unknown", "nothing")))
                if seen == "absent":
                    observed[key] = Absent()
                elif seen in ("one", "two"):
                    observed[key] = state_of(kind, key, one if seen == "one" else two)
                elif seen == "unknown":
                    observed[key] = Unknown("permission denied")
                if draw(st.booleans()):
                    spec = draw(st.sampled_from((one, two)))
                    owned[key] = Owned(
                        key=key,
                        origin=draw(st.sampled_from(Origin)),
                        spec=spec,
                        digest=digest(spec),
                        commit="c0ffee0",
                        on_remove=extra["on_remove"],
                        source=source,
                    )
    commit = Commit(id="f" * 40, author="Ada", subject="a change")
    return Fleet(
        desired=Desired(commit=commit, policy=policy, hosts=hosts, spreads=tuple(spreads)),
        observed=observed,
        owned=owned,
        pauses=pauses,
    )


def without_report(fleet: Fleet) -> Fleet:
    """The same fleet where every drift is healed."""
    spreads = tuple(
        replace(spread, same=replace(spread.same, on_drift="heal")) if spread.same else spread
        for spread in fleet.desired.spreads
    )
    return replace(fleet, desired=replace(fleet.desired, spreads=spreads), pauses={})


def is_there(seen: Observation | None) -> bool:
    return isinstance(seen, Present)
