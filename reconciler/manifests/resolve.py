"""From a document to what it means on each host: the files it names, templates, normal form, sealed secrets.

A manifest without templates and secrets means the same everywhere and is resolved once; the others once a host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from ..core.kind import Finding, Kind, Kinds, Unresolved
from ..core.model import Host, Json, Manifest, Meaning, Ref, Source, Spread, State, canonical, digest
from ..core.problem import Problem
from ..ports import Files
from . import schema, words
from .ask import Ask, Library
from .codes import CODES, problem
from .documents import Broken, Entry
from .inventory import Inventory, counted, nobody, select
from .reader import Document, Field

Seal: TypeAlias = Callable[[str, str], str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One manifest with its spread and what it took to make it."""

    entry: Entry
    spread: Spread
    own: State
    """The kind's own fields, as the manifest says them."""
    whole: bool = True
    """False when it could not be resolved: its spread then has the manifest's own words, to find what else is wrong with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """What a manifest came to at an earlier reading, and what that rested on."""

    files: Mapping[str, str]
    """Paths that it asked for → blob ids, empty for one that wasn't there."""
    spec: State | None
    failure: Problem | None


Cache: TypeAlias = MutableMapping[tuple[str, str, int, str], _Kept]
"""By path, blob id, index of the document and digest of what a template sees (empty without one)."""


@dataclass(kw_only=True)
class Resolver:
    """Resolves the manifests of one reading."""

    files: Files
    kinds: Kinds
    inventory: Inventory
    seal: Seal | None
    cache: Cache
    problems: list[Problem] = field(default_factory=list)
    _used: dict[tuple[str, str, int, str], _Kept] = field(default_factory=dict)
    _contexts: dict[str, tuple[str, State]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._library = Library(self.files, lambda host: self._context(host)[1])

    def all(self, entries: Iterable[Entry]) -> list[Item]:
        """Every manifest, in the order of `entries`; what could not be resolved is not `whole`, and a problem."""
        items = [self._one(entry) for entry in entries]
        self.cache.clear()
        self.cache.update(self._used)
        return items

    # ---- one manifest

    def _one(self, entry: Entry) -> Item:
        kind, doc, spec = self.kinds[entry.kind], entry.doc, entry.spec
        before = len(self.problems)
        chosen = select(doc, ("spec", "hosts"), self.problems)
        frame = Meaning(
            spec={},
            digest="",
            ignore=tuple(self._ignored(entry, kind)),
            on_drift=spec.get("onDrift", self.inventory.policy.on_drift),
            on_remove=spec.get("onRemove", ""),
            depends_on=tuple(self._references(doc)),
            on_change=spec.get("onChange", ""),
            own_access=(entry.metadata.get("annotations") or {}).get(schema.OWN_ACCESS, "").strip(),
        )
        own = {name: value for name, value in spec.items() if name not in schema.COMMON}
        self.problems += self._checked(kind, entry, own)
        hosts = self.inventory.pick(chosen) if chosen is not None else ()
        if chosen is not None:
            nobody(doc, chosen, hosts, self.inventory, self.problems)
        found = None
        if not any(told.severity == "error" for told in self.problems[before:]):
            found = self._spread(entry, kind, own, hosts, frame)
        manifest = Manifest(
            kind=entry.kind,
            name=entry.name,
            source=Source(path=doc.path, line=doc.line, commit=self.files.commit.id),
            blob=entry.blob,
            selector=chosen.text if chosen is not None else "",
        )
        same, each = found or (replace(frame, spec=own), {})
        spread = Spread(manifest=manifest, hosts=hosts, same=same, each=each)
        return Item(entry=entry, own=own, spread=spread, whole=found is not None)

    def glance(self, broken: Broken) -> None:
        """What can be said of a document that its schema refuses: its selector and its references."""
        doc = broken.doc
        spec = doc.value.get("spec") if doc is not None else None
        if doc is None or not isinstance(spec, dict) or broken.ref.kind not in self.kinds:
            return
        if _texts(spec.get("hosts")):
            chosen = select(doc, ("spec", "hosts"), self.problems)
            if chosen is not None:
                nobody(doc, chosen, self.inventory.pick(chosen), self.inventory, self.problems)
        if _texts(spec.get("dependsOn")) and isinstance(spec["dependsOn"], list):
            list(self._references(doc))

    def _references(self, doc: Document) -> Iterator[Ref]:
        for index, text in enumerate(doc.value["spec"].get("dependsOn", ())):
            kind, _, name = text.partition("/")
            if kind in self.kinds and name:
                yield Ref(kind, name)
                continue
            where: Field = ["spec", "dependsOn", index]
            guess = words.near(kind, self.kinds.by_name)
            why = f"`{kind}` is not a kind" if name else "the form is Kind/name"
            self.problems.append(
                problem("bad-reference", f"{words.value_words(text)} is not a reference: {why}", path=doc.path, mark=doc.at(where),
                        label=f"did you mean `{guess}/{name}`?" if guess and name else "", hint="write it as Kind/name")
            )  # fmt: skip

    def _ignored(self, entry: Entry, kind: Kind) -> Iterator[str]:
        for index, name in enumerate(entry.spec.get("ignore", ())):
            if name in kind.fields:
                yield name
                continue
            guess = words.near(name, kind.fields)
            self.problems.append(
                problem("unknown-field", f"{entry.kind} has no field `{name}` that could be ignored", path=entry.doc.path,
                        mark=entry.doc.at(["spec", "ignore", index]),
                        label=f"did you mean `{guess}`?" if guess else f"its fields are {words.listed(sorted(kind.fields), 30)}",
                        hint=f"correct it. All fields of {entry.kind}: trueup explain {entry.kind}")
            )  # fmt: skip

    def _checked(self, kind: Kind, entry: Entry, own: State) -> Iterator[Problem]:
        try:
            for finding in kind.check(entry.name, own):
                yield self._told(finding, entry, kind)
        except Exception as error:
            yield self._failed(error, entry, "check")

    # ---- its meaning

    def _spread(
        self, entry: Entry, kind: Kind, own: State, hosts: tuple[str, ...], frame: Meaning
    ) -> tuple[Meaning | None, Mapping[str, Meaning]] | None:
        try:
            differs = kind.per_host(own)
        except Exception as error:
            self.problems.append(self._failed(error, entry, "per_host"))
            return None
        failures: dict[Problem, list[str]] = {}
        specs: dict[str, State] = {}
        if differs:
            for host in hosts:
                kept = self._resolved(entry, kind, own, self.inventory.hosts[host])
                if kept.failure is not None:
                    failures.setdefault(kept.failure, []).append(host)
                elif kept.spec is not None:
                    specs[host] = kept.spec
        else:
            kept = self._resolved(entry, kind, own, None)
            if kept.failure is not None:
                failures[kept.failure] = []
            elif kept.spec is not None:
                specs = {"": kept.spec}
        for failure, failed in failures.items():
            # On how many hosts it fails is only worth saying when there are hosts on which it does not.
            some = f", on {counted(failed)}" if 0 < len(failed) < len(hosts) else ""
            self.problems.append(replace(failure, message=failure.message + some))
        if failures:
            return None
        return self._meanings(entry, kind, specs, hosts, frame)

    def _meanings(
        self, entry: Entry, kind: Kind, specs: Mapping[str, State], hosts: tuple[str, ...], frame: Meaning
    ) -> tuple[Meaning | None, Mapping[str, Meaning]] | None:
        shared = specs.get("")
        if shared is not None:
            secret = kind.secrets(shared)
            if not secret:
                return _meaning(frame, shared), {}
            if not hosts or not self._sealed_once(hosts[0], shared, secret):
                return _meaning(frame, {**shared, **{name: {"sealed": ""} for name in secret}}), {}
            return None, {host: _meaning(frame, self._seal(host, shared, secret)) for host in hosts}
        each: dict[str, Meaning] = {}
        by_text: dict[str, Meaning] = {}
        for host, spec in specs.items():
            secret = kind.secrets(spec)
            if secret:
                each[host] = _meaning(frame, self._seal(host, spec, secret))
                continue
            text = canonical(spec)
            each[host] = by_text.get(text) or by_text.setdefault(text, _meaning(frame, spec))
        distinct = {id(meaning) for meaning in each.values()}
        if len(distinct) == 1 and len(each) == len(hosts):
            return next(iter(each.values())), {}
        return None, each

    def _resolved(self, entry: Entry, kind: Kind, own: State, host: Host | None) -> _Kept:
        context = self._context(host.name)[0] if host else ""
        key = (entry.doc.path, entry.blob, entry.index, context)
        kept = self.cache.get(key) or self._used.get(key)
        paths = self.files.paths()
        if kept is None or any(paths.get(path, "") != blob for path, blob in kept.files.items()):
            kept = self._resolve(entry, kind, own, host)
        self._used[key] = kept
        return kept

    def _resolve(self, entry: Entry, kind: Kind, own: State, host: Host | None) -> _Kept:
        ask = Ask(self._library, entry, host)
        try:
            spec: State | None = kind.normal(entry.name, kind.resolve(entry.name, own, ask))
            failure = None
        except Unresolved as unresolved:
            spec, failure = None, ask.failure or self._told(unresolved.finding, entry, kind)
        except Exception as error:
            spec, failure = None, self._failed(error, entry, "resolve")
        return _Kept(files=ask.files, spec=spec, failure=failure)

    def _context(self, host: str) -> tuple[str, State]:
        """A digest of all that a template can see on a host, and its variables; worked out once a host."""
        found = self._contexts.get(host)
        if found is None:
            known = self.inventory.hosts[host]
            variables = self.inventory.vars_of(host)
            seen = [variables, dict(known.labels), known.name, known.address, known.port, known.user]
            found = self._contexts[host] = (digest(seen), variables)
        return found

    # ---- secrets

    def _sealed_once(self, host: str, spec: State, secret: tuple[str, ...]) -> bool:
        """Whether there is a key to seal with: without one, every host's meaning is the same."""
        return self.seal is not None and bool(self.seal(host, _secret_text(spec[secret[0]])))

    def _seal(self, host: str, spec: State, secret: tuple[str, ...]) -> State:
        seal = self.seal
        sealed = {name: {"sealed": seal(host, _secret_text(spec[name])) if seal is not None else ""} for name in secret}
        return {**spec, **sealed}

    # ---- words

    def _told(self, finding: Finding, entry: Entry, kind: Kind) -> Problem:
        code = kind.codes.get(finding.code) or CODES.get(finding.code)
        mark = entry.doc.place(["spec", *finding.field])
        return Problem(code=finding.code, severity=code.severity if code else finding.severity, message=finding.message,
                       path=entry.doc.path, line=mark.line, column=mark.column, length=mark.length, hint=finding.hint)  # fmt: skip

    def _failed(self, error: Exception, entry: Entry, step: str) -> Problem:
        return problem("kind-failed", f"{entry.kind} could not be judged ({step}: {type(error).__name__}: {error})", path=entry.doc.path,
                       mark=entry.doc.at(["kind"]), hint="report this with the manifest; it is a fault of trueup")  # fmt: skip


def _meaning(frame: Meaning, spec: State) -> Meaning:
    return replace(frame, spec=spec, digest=digest(spec))


def _texts(value: Json) -> bool:
    """Whether it is a text or a list of texts, as a selector must be."""
    return isinstance(value, str) or (
        isinstance(value, list) and bool(value) and all(isinstance(part, str) for part in value)
    )


def _secret_text(value: Json) -> str:
    return value if isinstance(value, str) else canonical(value)
