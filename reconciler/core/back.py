"""What stands in the way of going back to a version that was applied before: what Git says of all else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .kind import Claim, Kinds
from .model import Desired, GoneTo, Ref


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


__all__ = ["Neighbours"]
