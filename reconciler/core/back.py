"""What going back to a version that was applied before would take: of what hosts said last, and of what Git says beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from .kind import Claim, Kind, Kinds
from .model import Desired, GoneTo, Json, Observation, Present, Ref, State, Unknown
from .model.observed import NEVER_SEEN


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """On the hosts that would go back."""

    has: int = 0
    """Hosts that still have all of it: nothing is sent."""
    lacks: int = 0
    """Hosts that it would be sent to again."""
    unknown: int = 0
    """Hosts of which nobody knows."""
    gone: int = 0
    """Contents of it that are no longer kept here, so that a host that lacks them can't have them."""
    why: str = ""
    """Why it can't go back alone, on any host; empty when it can."""

    @property
    def how(self) -> str:
        if self.why or not (self.has or self.lacks or self.unknown):
            return "refused"
        if self.lacks:
            return "gone" if self.gone else "upload"
        return "instant" if self.has else "unknown"

    def json(self) -> dict[str, Json]:
        return {
            "how": self.how,
            "has": self.has,
            "lacks": self.lacks,
            "unknown": self.unknown,
            "gone": self.gone,
            "why": self.why,
        }


def way(
    kind: Kind, hosts: Mapping[str, GoneTo], seen: Mapping[str, Observation], gone: Collection[str], why: str = ""
) -> Way:
    """`hosts`: what each would go back to; `seen`: what each said last; `gone`: ids of contents that are no longer kept."""
    has, unknown, lacking = 0, 0, dict[str, State]()
    for host, back in hosts.items():
        match seen.get(host, NEVER_SEEN):
            case Present(state) if kind.still_has(back.spec, state):
                has += 1
                continue
            case Unknown():
                unknown += 1
        lacking[back.digest] = back.spec
    return Way(
        has=has,
        lacks=len(hosts) - has - unknown,
        unknown=unknown,
        gone=len({id for spec in lacking.values() for id in kind.contents(spec) if id in gone}),
        why=why,
    )


class Neighbours:
    """What else Git declares on the hosts of one resource."""

    def __init__(self, kinds: Kinds, git: Desired, kind: str, name: str, hosts: Iterable[str]) -> None:
        self._kind = kinds[kind]
        self._name = name
        self._declared: dict[str, set[Ref]] = {}
        self._taken: dict[str, dict[tuple[str, str], list[tuple[Claim, Ref]]]] = {}
        known: dict[tuple[Ref, str], tuple[Claim, ...]] = {}
        for host in hosts:
            declared, taken = self._declared.setdefault(host, set()), self._taken.setdefault(host, {})
            for spread in git.on_host(host):
                ref, meaning = Ref(spread.manifest.kind, spread.manifest.name), spread.meaning(host)
                declared.add(ref)
                if ref == Ref(kind, name):
                    continue
                if (ref, meaning.digest) not in known:
                    known[ref, meaning.digest] = tuple(kinds[ref.kind].claims(ref.name, meaning.spec))
                for claim in known[ref, meaning.digest]:
                    taken.setdefault((claim.space, claim.value), []).append((claim, ref))

    def hinder(self, hosts: Mapping[str, GoneTo]) -> str:
        """Why these hosts can't go back with nothing else going back too, empty when they can: what the earlier version
        rests on was taken away since, or what it takes is another's by now."""
        made: dict[str, tuple[list[Ref], list[Claim]]] = {}
        for host, back in hosts.items():
            if back.digest not in made:
                parts = [Ref(part.kind, part.name) for part in self._kind.parts(self._name, back.spec)]
                made[back.digest] = parts, list(self._kind.claims(self._name, back.spec))
            parts, claims = made[back.digest]
            for part in parts:
                if part not in self._declared[host]:
                    return f"{part.kind} {part.name} is no longer declared on {host}"
            for claim in claims:
                for other, ref in self._taken[host].get((claim.space, claim.value), ()):
                    if not (claim.shared and claim == other):
                        return f"{ref.kind} {ref.name} has {claim.space} {claim.value} now on {host}"
        return ""


__all__ = ["Neighbours", "Way", "way"]
