"""What Git wants: manifests, and what they mean on each host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from .inventory import Host, Policy
from .names import Commit, Json, Key, Ref, Source, State


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
    rolled_back: str = ""
    """By whom and why, where `spec` is not Git's but one that was applied before (core/rollback.py)."""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class RolledBack:
    """A resource that is to be as it was, and not as Git says: by whom, why, on how many hosts."""

    kind: str
    name: str
    away: str
    version: str
    commit: str
    who: str
    why: str
    hosts: int

    def json(self) -> dict[str, Json]:
        return {
            "kind": self.kind,
            "name": self.name,
            "inGit": self.away,
            "version": self.version,
            "commit": self.commit,
            "hosts": self.hosts,
            "by": self.who,
            "why": self.why,
        }


@dataclass(frozen=True, kw_only=True)
class Desired:
    """All that a commit wants, indexed for single look-ups; iterate `spreads` for the whole."""

    commit: Commit = Commit()
    policy: Policy = Policy()
    hosts: Mapping[str, Host] = field(default_factory=dict)
    spreads: tuple[Spread, ...] = ()
    rolled_back: tuple[RolledBack, ...] = ()
    """What of it is not Git's word."""

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
