"""A small fleet for these tests: two kinds of their own, manifests, readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.core.kind import Kind, Kinds
from reconciler.core.model import (
    Absent,
    Commit,
    Desired,
    Host,
    Key,
    Manifest,
    Meaning,
    Observation,
    Origin,
    Outcome,
    Owned,
    Policy,
    Present,
    Reading,
    Report,
    Result,
    Source,
    Spread,
    State,
    digest,
)


class Lamp(Kind):
    name = "Lamp"
    fields = ("colour", "watts", "code")
    sealed = ("code",)
    moments = ("flicker",)

    def same(self, field: str, want: object, have: object) -> bool:
        if field == "colour":
            return str(want).lower() == str(have).lower()
        return bool(want == have)


class Door(Kind):
    name = "Door"
    fields = ("state",)

    def wants_absence(self, spec: State) -> bool:
        return spec.get("state") == "absent"


KINDS = Kinds(by_name={"Lamp": Lamp(), "Door": Door()}, probes={"Lamp": "look at lamps", "Door": "look at doors"})
NOW = 1_760_000_000.0
COMMIT = Commit(id="a" * 40, author="Ada", subject="more light", at=NOW - 100, tree="t" * 40)


def meaning(spec: State, **more: object) -> Meaning:
    return replace(Meaning(spec=spec, digest=digest(dict(spec))), **more)  # type: ignore[arg-type]


def spread(
    kind: str, name: str, hosts: Sequence[str], same: Meaning | None = None, each: Mapping[str, Meaning] | None = None
) -> Spread:
    source = Source(path=f"{kind.lower()}s/{name.strip('/')}.yaml", line=3, commit=COMMIT.id)
    manifest = Manifest(kind=kind, name=name, source=source)
    return Spread(manifest=manifest, hosts=tuple(sorted(hosts)), same=same, each=each or {})


def desired(hosts: Sequence[str], *spreads: Spread, commit: Commit = COMMIT, policy: Policy | None = None) -> Desired:
    inventory = {name: Host(name=name, labels={"role": name.split("-")[0]}) for name in sorted(hosts)}
    return Desired(commit=commit, hosts=inventory, spreads=spreads, policy=policy or Policy(mode="enforce"))


def report(
    host: str,
    seen: Mapping[tuple[str, str], Observation],
    at: float = NOW,
    owned: Sequence[Owned] | None = None,
    **more: object,
) -> Report:
    readings = tuple(Reading(key=Key(host, *ref), seen=one, at=at) for ref, one in seen.items())
    made = Report(
        host=host,
        readings=readings,
        started=at - 1,
        ended=at,
        machine_id=f"m-{host}",
        owned=None if owned is None else tuple(owned),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def owned(host: str, kind: str, name: str, spec: State, origin: Origin = Origin.CREATED, on_remove: str = "") -> Owned:
    return Owned(
        key=Key(host, kind, name),
        origin=origin,
        spec=spec,
        digest=digest(dict(spec)),
        commit=COMMIT.id,
        on_remove=on_remove,
        source=Source(path=f"{kind.lower()}s/{name}.yaml", line=3, commit=COMMIT.id),
    )


def failed(host: str, kind: str, name: str, message: str = "no space left on /") -> Outcome:
    return Outcome(key=Key(host, kind, name), result=Result.FAILED, message=message, op=f"light {name}")


__all__ = ["COMMIT", "KINDS", "NOW", "Absent", "Present", "desired", "failed", "meaning", "owned", "report", "spread"]
