"""One resolved spec with its secrets sealed, host by host; who uses which secret, and which could not be had."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ..core.kind import Kind
from ..core.model import Json, Ref, Source, State, canonical
from ..core.problem import Problem, Refused
from ..core.reference import is_reference, references, replaced
from .codes import problem
from .documents import Entry
from .taking import form_at

Seal: TypeAlias = Callable[..., str]
"""`seal(host, text)`, and `seal(host, reference, form)`: secrets.Sealed.seal. May raise Refused for a reference."""

Way: TypeAlias = tuple[str | int, ...]
UNSEALED: State = {"sealed": ""}


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """A secret that a manifest uses, and what is known of it: never its value."""

    secret: str
    """Its name; for one that stands in the manifest itself, what it is there: `!vault`, `age`, `passwordHash in plain`."""
    named: bool
    """Whether it is one that a name refers to."""
    ref: Ref
    source: Source
    hosts: tuple[str, ...]
    checked: bool
    """Whether its value was had, so that hosts are compared with it."""
    why: str = ""
    """Why not, when the fleet's key is at hand."""
    hint: str = ""

    @property
    def words(self) -> str:
        """How it is called in a sentence."""
        return f"secret {self.secret}" if self.named else f"{self.secret} of {self.ref}"


@dataclass
class Sealing:
    """Seals the references of `spec`, and the fields of it that are secret as a whole."""

    seal: Seal | None
    kind: Kind
    entry: Entry
    spec: State
    whole: tuple[str, ...]
    _hosts: list[str] = field(default_factory=list)
    _checked: bool = False
    _failed: dict[str, Problem] = field(default_factory=dict)
    """Why a reference could not be sealed, by its canonical text."""
    _at: dict[str, Way] = field(default_factory=dict)

    def on(self, host: str) -> State:
        """The spec as it is compared and stored for `host`."""
        self._hosts.append(host)
        made: dict[str, Json] = {}
        for name, value in self.spec.items():
            if is_reference(value) or name not in self.whole:
                made[name] = replaced(value, lambda way, found: self._reference(host, way, found), (name,))
            else:
                text = value if isinstance(value, str) else canonical(value)
                made[name] = {"sealed": self._sealed(host, text)}
        return made

    def unsealed(self) -> State:
        """The spec where it is on no host."""
        made = {name: dict(UNSEALED) for name in self.whole}
        return {**replaced(self.spec, lambda way, found: dict(UNSEALED)), **made}

    def _reference(self, host: str, way: Way, reference: Mapping[str, Any]) -> State:
        known = canonical(reference)
        self._at.setdefault(known, way)
        if known in self._failed:
            return UNSEALED
        try:
            return {"sealed": self._sealed(host, reference, form_at(self.kind.forms, way))}
        except Refused as refused:
            self._failed[known] = refused.problems[0]
            return UNSEALED

    def _sealed(self, host: str, value: Json, *form: str) -> str:
        made = self.seal(host, value, *form) if self.seal is not None else ""
        self._checked = self._checked or bool(made)
        return made

    # ---- what is told

    def uses(self, commit: str) -> Iterator[Use]:
        """One for each secret of the spec, when it is on any host."""
        doc, hosts = self.entry.doc, tuple(self._hosts)
        if not hosts:
            return
        for way, reference in references(self.spec):
            failed = self._failed.get(canonical(reference))
            source = Source(path=doc.path, line=doc.place(("spec", *way)).line, commit=commit)
            for name, named in _names(reference):
                yield Use(
                    secret=name,
                    named=named,
                    ref=self.entry.ref,
                    source=source,
                    hosts=hosts,
                    checked=self._checked and failed is None,
                    why=failed.message if failed else "",
                    hint=failed.hint if failed else "",
                )
        for name in self.whole:
            if not is_reference(self.spec[name]):
                source = Source(path=doc.path, line=doc.place(("spec", name)).line, commit=commit)
                yield Use(
                    secret=name, named=False, ref=self.entry.ref, source=source, hosts=hosts, checked=self._checked
                )

    def problems(self) -> Iterator[Problem]:
        """A warning for each reference that could not be had: its resource is not changed by it, nor made with it."""
        for known, failed in self._failed.items():
            way = self._at[known]
            names = " and ".join(name for name, _ in _names_of(self.spec, known))
            yield problem(
                "secret-unreadable",
                f"{names}: {failed.message}; it is not compared, and nothing is written with it",
                path=self.entry.doc.path,
                mark=self.entry.doc.place(("spec", *way)),
                hint=failed.hint,
            )


def _names_of(spec: State, known: str) -> Iterator[tuple[str, bool]]:
    for _, reference in references(spec):
        if canonical(reference) == known:
            for name, named in _names(reference):
                yield (f"secret {name}" if named else name), named
            return


def _names(reference: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """What a reference is called, and whether by a name of its own; of a rendered text, all that are in it."""
    match reference:
        case {"secret": str(name)}:
            yield name, True
        case {"join": [*parts]}:
            found = {pair for part in parts if isinstance(part, Mapping) for pair in _names(part)}
            yield from sorted(found)
        case _:
            yield ("!vault" if "vault" in reference else "age"), False
