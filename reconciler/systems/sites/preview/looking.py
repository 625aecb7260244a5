"""One look at a site: its rules, its files, and what `trueup check` would find wrong with it."""

from __future__ import annotations

import gzip
import os
from collections.abc import Collection, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from reconciler import manifests
from reconciler.core.kind import Kinds
from reconciler.core.model import SAVES, Packing, State
from reconciler.core.problem import Problem, Refused, in_order
from reconciler.manifests import documents
from reconciler.ports import Files
from reconciler.repo import FolderFiles, blob_id
from reconciler.secrets import Sources
from reconciler.settings import load
from reconciler.systems.sites.kinds.site import checks, meaning, serving
from reconciler.systems.sites.kinds.site.kind import KIND as SITE
from reconciler.systems.sites.rules import passwords
from reconciler.systems.sites.rules.site import EMPTY, Entry, Rules, Tree

from .content import Content, Lies, in_folder
from .fetching import Fetching
from .place import Place, none

FAST = 1
"""Level of gzip: here it counts that a file is packed, not how well."""
ENDINGS: Mapping[Packing, str] = {"gzip": ".gz", "brotli": ".br"}
"""Of a packed form's name, beside its file's."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A site at one moment. `open` gives a file's bytes, of those in `tree` alone."""

    name: str
    rules: Rules
    tree: Tree
    lies: Lies
    """Where the files are."""
    domains: tuple[str, ...] = ()
    packed: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """What is kept compressed, by the path that it has in `tree`."""
    brotli: bool = False
    """Whether hosts have nginx's module for it."""
    previous: Tree = EMPTY
    previous_lies: Lies | None = None
    left_out: tuple[str, ...] = ()
    """What of the manifest can't be seen here, in words."""

    def open(self, path: str, *, previous: bool = False) -> BinaryIO:
        """Raises OSError when it went away, or became a link, since the look."""
        lies = self.previous_lies if previous and self.previous_lies is not None else self.lies
        return lies.open(path)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look found; `shown` is None when there is nothing that could be served."""

    shown: Shown | None
    problems: tuple[Problem, ...]
    files: Files | None
    """Whose lines the problems quote."""


@dataclass
class Looker:
    """Looks at one place again and again; what didn't change is not read twice."""

    place: Place
    kinds: Kinds
    sources: Sources | None = None
    """Where passwords of basic auth are had from."""
    fetching: Fetching = field(default_factory=Fetching)
    """Where files that aren't in the repository are had from."""
    _manifest: str = ""
    """The Site's file, as far as it is known."""
    _read: MutableMapping[str, Any] = field(default_factory=dict)
    _packed: dict[str, bytes] = field(default_factory=dict)
    """By blob id and the form's ending; empty for what packing doesn't make smaller."""

    def look(self) -> Look:
        """Raises Refused when the place has no such Site, or its files are elsewhere."""
        files = FolderFiles(self.place.root)
        if not self.place.of_a_site:
            content = in_folder(files, self.place.root, "")
            return self._judged(files, self.place.root.name or "site", {}, content, ())
        entry, problems = self._site(files)
        if entry is not None and self.fetching.begins(entry):
            entry, problems = self._site(files)  # with what came
        if entry is None:
            mine = self._mine(problems, self._manifest, "") if self._manifest else problems
            return Look(shown=None, problems=mine, files=files)
        self._manifest = entry.doc.path
        fetched = self.fetching.content(entry)
        if fetched is not None:
            mine = self._mine(problems, entry.doc.path, entry.doc.path)
            return self._judged(files, entry.name, entry.own, fetched, mine)
        folder = os.path.normpath(entry.own["from"]["folder"])
        mine = self._mine(problems, entry.doc.path, folder)
        content = in_folder(files, self.place.root, "" if folder == "." else folder)
        return self._judged(files, entry.name, entry.own, content, mine)

    def _site(self, files: Files) -> tuple[documents.Entry | None, tuple[Problem, ...]]:
        reading = manifests.read(files, self.kinds, cache=self._read, outside=self.fetching.known)
        return self._entry(files, reading.problems), reading.problems

    def _entry(self, files: Files, problems: Iterable[Problem]) -> documents.Entry | None:
        """The Site's document; None when its file has errors that leave none."""
        found = documents.gather(files, self._read["judges"], self._read["files"])
        sites = [entry for entry in found.entries if entry.kind == SITE.name]
        broken = [one for one in found.broken if one.ref.kind == SITE.name]
        if self.place.name:
            named = [entry for entry in sites if entry.name == self.place.name]
            if named:
                return named[0]
            lost = [one for one in broken if one.ref.name == self.place.name]
            if lost:
                self._manifest = next((one.doc.path for one in lost if one.doc is not None), self._manifest)
                return None
            known = sorted({entry.name for entry in sites} | {one.ref.name for one in broken})
            there = f"it has {', '.join(known[:10])}" if known else "it has none"
            raise none(f"there is no folder, no file and no Site {self.place.name} in {self.place.root}: {there}")
        inside = [entry for entry in sites if entry.doc.path == self.place.manifest]
        if len(inside) > 1:
            names = [entry.name for entry in inside]
            raise none(
                f"{self.place.manifest} has {len(names)} Sites: {', '.join(names)}",
                f"name the one that is meant: trueup site preview {names[0]}",
            )
        self._manifest = self.place.manifest
        if not inside and not any(problem.path == self.place.manifest for problem in problems):
            raise none(f"{self.place.manifest} is no manifest of a Site")
        return inside[0] if inside else None

    def _mine(self, problems: Iterable[Problem], manifest: str, folder: str) -> tuple[Problem, ...]:
        """Those of the Site's own file and of its folder: the rest is for `trueup check`."""
        below = "" if folder in ("", ".") else folder + "/"
        return tuple(p for p in problems if p.path in (manifest, folder) or (below and p.path.startswith(below)))

    def _judged(self, files: Files, name: str, spec: State, content: Content, known: tuple[Problem, ...]) -> Look:
        """What is served of `content`. Of a bare folder the problems are found here, `known` has a Site's."""
        below = content.below
        texts = {
            file: (content.path(file), content.read(file).decode("utf-8", "replace"))
            for file in (meaning.REDIRECTS, meaning.HEADERS)
            if file in below
        }
        try:
            rules, problems = serving.rules(name, spec, texts)
        except ValueError as error:
            told = known or (Problem(code="site-rules", message=str(error), hint=checks.CODES["site-rules"].cure),)
            return Look(shown=None, problems=told, files=files)
        if not self.place.of_a_site:
            spec = {"domains": (), **spec}
            tree = serving.served(spec, below, {path: files.size(path) for path in below})
            found = serving.examined(rules, content.folder, tree, spec, content.read)
            known = in_order([*problems, *found, *_of_content(rules, name, below)])
        rules, left_out = seen_here(rules, spec)
        rules, any_password = self._with_passwords(rules, spec, files)
        shown = self._shown(name, rules, spec, content)
        return Look(shown=replace(shown, left_out=(*left_out, *any_password)), problems=known, files=files)

    def _shown(self, name: str, rules: Rules, spec: State, content: Content) -> Shown:
        pack = meaning.packings(spec)
        tree, packed, kept = files_in(content.lies, content.below, self._packed, pack=pack)
        self._packed = kept
        domains = tuple(spec.get("domains", ()))
        brotli = "brotli" in pack
        return Shown(
            name=name, rules=rules, tree=tree, lies=content.lies, domains=domains, packed=packed, brotli=brotli
        )

    def _with_passwords(self, rules: Rules, spec: State, files: Files) -> tuple[Rules, tuple[str, ...]]:
        """The rules with the hashes that are at hand, and for whom any password is taken."""
        auth = rules.basic_auth
        if auth is None:
            return rules, ()
        known = {user["name"]: self._hash(user["secret"], files) for user in spec["basicAuth"]["users"]}
        open_to = [name for name, stored in known.items() if not stored]
        said = f"basicAuth: any password is taken for {', '.join(open_to)}, none is at hand" if open_to else ""
        return replace(rules, basic_auth=replace(auth, users=known)), (said,) if said else ()

    def _hash(self, name: str, files: Files) -> str:
        """The hash that a secret holds; empty where it isn't at hand, or of a form that can't be judged here."""
        if self.sources is None:
            return ""
        try:
            found = self.sources.find(name, files)
            if found is None or found.how == "command":  # nothing is run for a look
                return ""
            stored = self.sources.value({"secret": name}, files).decode("utf-8", "replace").strip()
        except Refused:
            return ""
        return stored if passwords.known(stored) else ""


def files_in(
    lies: Lies, below: Mapping[str, str], known: Mapping[str, bytes], *, pack: Collection[Packing] = ()
) -> tuple[Tree, dict[str, bytes], dict[str, bytes]]:
    """The files as rules see them; what is packed, by path; and the packed forms as Looker has them, to be `known` the next time."""
    entries: dict[str, Entry] = {}
    packed: dict[str, bytes] = {}
    kept: dict[str, bytes] = {}
    for path, blob in below.items():
        try:
            entries[path] = Entry(lies.size(path), blob)
        except OSError:
            continue  # it went away since it was listed: the next look is on its way
        for how in pack if checks.packs(path) else ():
            ending = ENDINGS[how]
            if path + ending in below:
                continue
            key = blob + ending
            body = kept[key] = known[key] if key in known else _pack(lies, path, how)
            if body:
                packed[path + ending] = body
                entries[path + ending] = Entry(len(body), blob_id(body))
    return Tree(entries, checks.packed_types(below) if pack else ()), packed, kept


def sources_here() -> Sources | None:
    """Where passwords may be at hand: as the settings say, None for who may not read those."""
    try:
        return Sources(settings=load())
    except Refused:
        return None


def fits(password: str, stored: str) -> bool:
    """As the hosts judge it; any is taken where there is nothing to judge it by."""
    return not stored or passwords.fits(password, stored)


def seen_here(rules: Rules, spec: State) -> tuple[Rules, tuple[str, ...]]:
    """The rules without what hangs on where a host stands, and what was left out, in words."""
    out = []
    if rules.allow or rules.deny:
        rules = replace(rules, allow=(), deny=())
        out.append("allow and deny: whoever asks here is this machine")
    if spec.get("tls"):
        rules = replace(rules, hsts=None, redirect_https=False)
        out.append("tls: served without, nothing redirects to https")
    return rules, tuple(out)


def _pack(lies: Lies, path: str, how: Packing) -> bytes:
    try:
        with lies.open(path) as file:
            data = file.read()
    except OSError:
        return b""
    if how == "brotli":
        from reconciler.trip import packing  # a room that takes its time to come

        return packing.packed(data, how, fast=True)
    packed = gzip.compress(data, FAST, mtime=0)
    return packed if len(packed) <= SAVES * len(data) else b""


def _of_content(rules: Rules, name: str, below: Mapping[str, str]) -> Iterable[Problem]:
    for found in checks.content(rules, name, below):
        code = checks.CODES[found.code]
        yield Problem(code=found.code, message=found.message, severity=code.severity, path=found.path, hint=code.cure)
