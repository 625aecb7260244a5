"""From a document to what it means on each host: the files it names, templates, normal form, sealed secrets.

A manifest without templates and secrets means the same everywhere and is resolved once; the others once a host.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.kind import Finding, Kind, Kinds, Unresolved
from ..core.model import NOTHING, Host, Json, Manifest, Meaning, Ref, Source, Spread, State, digest
from ..core.problem import Problem
from ..core.reference import references
from ..ports import Files, Outside
from . import schema, words
from .ask import OUTSIDE, Ask, Library
from .codes import CODES, problem
from .documents import Broken, Entry
from .inventory import Inventory, counted, nobody, select
from .reader import Document, Field
from .sealing import Seal, Sealing, Use
from .selector import parse


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One manifest with its spread and what it took to make it."""

    entry: Entry
    spread: Spread
    own: State
    """The kind's own fields, as the manifest says them."""
    facts: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What was found out about this spread, for as long as it stays the same (conflicts.py)."""
    whole: bool = True
    """False when it could not be resolved: its spread then has the manifest's own words, to find what else is wrong with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """A spec as it came out on one host (or on all), and the files that it rests on."""

    files: Mapping[str, str]
    """Paths that it asked for → blob ids, empty for one that wasn't there."""
    spec: State | None
    digest: str
    failure: Problem | None
    secret: bool = False
    """Whether a reference to a secret stands in the spec."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What a manifest came to at an earlier reading, and all that it rests on but its own text."""

    item: Item
    problems: tuple[Problem, ...]
    hosts: tuple[str, ...]
    on_drift: str
    contexts: tuple[str, ...]
    """Digests of what templates saw, host by host; empty where nothing differs by host."""
    files: Mapping[str, str]


@dataclass(slots=True)
class Cache:
    """What resolving remembers from one reading to the next; what was not used is forgotten."""

    items: dict[tuple[str, str, int], Known] = field(default_factory=dict)
    """By path, blob id and index of the document."""
    specs: dict[tuple[str, str, int, str], Resolved] = field(default_factory=dict)
    """And digest of what a template sees, empty without one."""
    older: Callable[[str, str, int, str], Resolved | None] | None = None
    """Of another process, by the same four (memory.py)."""


@dataclass(kw_only=True)
class Resolver:
    """Resolves the manifests of one reading."""

    files: Files
    kinds: Kinds
    inventory: Inventory
    seal: Seal | None
    cache: Cache
    outside: Outside | None = None
    problems: list[Problem] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    """Every use of a secret that was met."""
    _next: Cache = field(default_factory=Cache)
    _secret: bool = False
    """Whether the manifest at hand has secrets: those are sealed at each reading, so that the sealer knows them."""
    _contexts: dict[str, tuple[str, State]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._library = Library(self.files, self._contexts, self.outside)

    def all(self, entries: Iterable[Entry]) -> list[Item]:
        """Every manifest, in the order of `entries`; what could not be resolved is not `whole`, and a problem."""
        items = [self._known(entry) or self._one(entry) for entry in entries]
        self.cache.items, self.cache.specs, self.cache.older = self._next.items, self._next.specs, None
        return items

    def ask(self, entry: Entry) -> Ask:
        """What a manifest may ask for that is the same on every host."""
        return Ask(self._library, entry, None)

    # ---- one manifest

    def _known(self, entry: Entry) -> Item | None:
        """The item of an earlier reading, when nothing has changed that it rests on."""
        key = (entry.doc.path, entry.blob, entry.index)
        known = self.cache.items.get(key)
        if known is None or known.on_drift != self.inventory.policy.on_drift:
            return None
        spread = known.item.spread
        if self.inventory.pick(parse(spread.manifest.selector)) != known.hosts or not self._same_files(known.files):
            return None
        if known.contexts and self._contexts_of(known.hosts) != known.contexts:
            return None
        self._next.items[key] = known
        for context in dict.fromkeys(known.contexts) or ("",):
            if resolved := self.cache.specs.get((*key, context)):
                self._next.specs[*key, context] = resolved
        self.problems += known.problems
        source = replace(spread.manifest.source, commit=self.files.commit.id)
        return replace(
            known.item, entry=entry, spread=replace(spread, manifest=replace(spread.manifest, source=source))
        )

    def _same_files(self, files: Mapping[str, str]) -> bool:
        return all(self._now(path) == before for path, before in files.items())

    def _now(self, path: str) -> str:
        """What one of `Known.files` is now: a file, a folder, a source outside the repository."""
        if path.startswith(OUTSIDE):
            return self._library.source_digest(json.loads(path.removeprefix(OUTSIDE)))
        if path.endswith("/"):
            return digest(self._library.tree(path[:-1]))
        return self.files.paths().get(path, "")

    def _contexts_of(self, hosts: Iterable[str]) -> tuple[str, ...]:
        return tuple(self._context(host)[0] for host in hosts)

    def _one(self, entry: Entry) -> Item:
        kind, doc, spec = self.kinds[entry.kind], entry.doc, entry.spec
        before = len(self.problems)
        self._secret = False
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
        own = entry.own
        self.problems += self._checked(kind, entry, own)
        hosts = self.inventory.pick(chosen) if chosen is not None else ()
        if chosen is not None:
            nobody(doc, chosen, hosts, self.inventory, self.problems)
        found = None
        if not any(told.severity == "error" for told in self.problems[before:]):
            found = self._spread(entry, kind, own, hosts, frame)
        seen = self._examined(kind, entry, own) if found is not None else {}
        manifest = Manifest(
            kind=entry.kind,
            name=entry.name,
            source=Source(path=doc.path, line=doc.line, commit=self.files.commit.id),
            blob=entry.blob,
            selector=chosen.text if chosen is not None else "",
        )
        same, each = found or (replace(frame, spec=own), {})
        spread = Spread(manifest=manifest, hosts=hosts, same=same, each=each)
        item = Item(entry=entry, own=own, spread=spread, whole=found is not None)
        if entry.gives_way:
            self.problems[before:] = [replace(told, severity="warning") for told in self.problems[before:]]
        if hosts and not self._secret:
            self._remember(item, tuple(self.problems[before:]), seen)
        return item

    def _remember(self, item: Item, problems: tuple[Problem, ...], seen: Mapping[str, str]) -> None:
        entry, hosts = item.entry, item.spread.hosts
        key = (entry.doc.path, entry.blob, entry.index)
        alike = (*key, "") in self._next.specs
        contexts = () if alike else self._contexts_of(hosts)
        files = dict(seen)
        for context in dict.fromkeys(contexts) or ("",):
            if resolved := self._next.specs.get((*key, context)):
                files |= resolved.files
        self._next.items[key] = Known(
            item=item,
            problems=problems,
            hosts=hosts,
            on_drift=self.inventory.policy.on_drift,
            contexts=contexts,
            files=files,
        )

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
            ref = Ref.parse(text)
            if ref.kind in self.kinds and ref.name:
                yield ref
                continue
            where: Field = ["spec", "dependsOn", index]
            guess = words.near(ref.kind, self.kinds.by_name)
            why = f"`{ref.kind}` is not a kind" if ref.name else "the form is Kind/name"
            self.problems.append(
                problem("bad-reference", f"{words.value_words(text)} is not a reference: {why}", path=doc.path, mark=doc.at(where),
                        label=f"did you mean `{guess}/{ref.name}`?" if guess and ref.name else "", hint="write it as Kind/name")
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
            yield entry.failed("check", error)

    def _examined(self, kind: Kind, entry: Entry, own: State) -> Mapping[str, str]:
        """The files that were looked through, as path → blob id; what was found is told."""
        ask = Ask(self._library, entry, None)
        try:
            self.problems += [self._told(finding, entry, kind) for finding in kind.examine(entry.name, own, ask)]
        except Unresolved as unresolved:
            self.problems.append(ask.failure or self._told(unresolved.finding, entry, kind))
        except Exception as error:
            self.problems.append(entry.failed("examine", error))
        return ask.files

    # ---- its meaning

    def _spread(
        self, entry: Entry, kind: Kind, own: State, hosts: tuple[str, ...], frame: Meaning
    ) -> tuple[Meaning | None, Mapping[str, Meaning]] | None:
        try:
            differs = kind.per_host(own)
        except Exception as error:
            self.problems.append(entry.failed("per_host", error))
            return None
        failures: dict[Problem, list[str]] = {}
        found: dict[str, Resolved] = {}
        for host in hosts if differs else ("",):
            resolved = self._resolved(entry, kind, own, self.inventory.hosts[host] if differs else None)
            if resolved.failure is not None:
                failures.setdefault(resolved.failure, []).append(host)
            found[host] = resolved
        for failure, failed in failures.items():
            # On how many hosts it fails is only worth saying when there are hosts on which it does not.
            some = f", on {counted(failed)}" if len(failed) < len(found) else ""
            self.problems.append(replace(failure, message=failure.message + some))
        return None if failures else self._meanings(entry, kind, found, hosts, frame)

    def _meanings(
        self, entry: Entry, kind: Kind, found: Mapping[str, Resolved], hosts: tuple[str, ...], frame: Meaning
    ) -> tuple[Meaning | None, Mapping[str, Meaning]]:
        each: dict[str, Meaning] = {}
        by_digest: dict[str, Meaning] = {}
        sealings: dict[str, Sealing] = {}
        for host, resolved in found.items():
            spec = resolved.spec or {}
            secret = kind.secrets(spec)
            if secret or resolved.secret:
                self._secret = True
                sealing = sealings.get(resolved.digest)
                if sealing is None:
                    sealing = sealings[resolved.digest] = Sealing(self.seal, kind, entry, spec, secret)
                for one in (host,) if host else hosts:
                    sealed = sealing.on(one)
                    each[one] = by_digest.get(text := digest(sealed)) or by_digest.setdefault(
                        text, replace(frame, spec=sealed, digest=text)
                    )
                if not host and not hosts:
                    unsealed = sealing.unsealed()
                    return replace(frame, spec=unsealed, digest=digest(unsealed)), {}
                continue
            meaning = by_digest.get(resolved.digest)
            if meaning is None:
                meaning = by_digest[resolved.digest] = replace(frame, spec=spec, digest=resolved.digest)
            if not host:
                return meaning, {}
            each[host] = meaning
        self._told_of(sealings.values())
        if len(by_digest) == 1:
            return next(iter(by_digest.values())), {}
        return None, each

    def _resolved(self, entry: Entry, kind: Kind, own: State, host: Host | None) -> Resolved:
        context = self._context(host.name)[0] if host else ""
        key = (entry.doc.path, entry.blob, entry.index, context)
        found = self._next.specs.get(key) or self.cache.specs.get(key)
        if found is None and self.cache.older is not None:
            found = self.cache.older(*key)
        if found is None or not self._same_files(found.files):
            found = self._resolve(entry, kind, own, host)
        self._next.specs[key] = found
        return found

    def _resolve(self, entry: Entry, kind: Kind, own: State, host: Host | None) -> Resolved:
        ask = Ask(self._library, entry, host)
        spec: State | None = None
        failure: Problem | None = None
        try:
            spec = kind.normal(entry.name, kind.resolve(entry.name, own, ask))
        except Unresolved as unresolved:
            failure = ask.failure or self._told(unresolved.finding, entry, kind)
        except Exception as error:
            failure = entry.failed("resolve", error)
        return Resolved(files=ask.files or NOTHING, spec=spec, digest=digest(spec) if spec is not None else "", failure=failure,
                         secret=spec is not None and next(references(spec), None) is not None)  # fmt: skip

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

    def _told_of(self, sealings: Iterable[Sealing]) -> None:
        """Note who uses which secret; warn once of each that could not be had."""
        warned: set[str] = set()
        for sealing in sealings:
            self.uses += sealing.uses(self.files.commit.id)
            for told in sealing.problems():
                if told.message not in warned:
                    warned.add(told.message)
                    self.problems.append(told)

    # ---- words

    def _told(self, finding: Finding, entry: Entry, kind: Kind) -> Problem:
        code = kind.codes.get(finding.code) or CODES.get(finding.code)
        finding = replace(finding, message=entry.about + finding.message)
        if finding.path:
            return Problem(code=finding.code, severity=code.severity if code else finding.severity, message=finding.message,
                           path=finding.path, line=finding.line, column=1 if finding.line else 0, hint=finding.hint)  # fmt: skip
        mark = entry.doc.place(["spec", *finding.field])
        return Problem(code=finding.code, severity=code.severity if code else finding.severity, message=finding.message,
                       path=entry.doc.path, line=mark.line, column=mark.column, length=mark.length, hint=finding.hint)  # fmt: skip


def _texts(value: Json) -> bool:
    """Whether it is a text or a list of texts, as a selector must be."""
    return isinstance(value, str) or (
        isinstance(value, list) and bool(value) and all(isinstance(part, str) for part in value)
    )
