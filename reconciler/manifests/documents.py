"""From the files of a commit to documents that their schemas accept: which files, which documents, what of a broken one
can still be known."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from ..core.model import Json, Ref
from ..core.problem import Problem, Refused
from ..ports import Files
from . import plain, reader, schema, validate
from .codes import problem
from .marks import Mark
from .reader import Document

FLEET_FILE = "trueup.yaml"
_ASIDE = frozenset(("files", "templates"))
_ENDINGS = (".yaml", ".yml")
_OURS = re.compile(rb"^apiVersion:\s*[\"']?trueup\.dev/", re.MULTILINE)
_KIND = re.compile(r"^kind:\s*[\"']?([A-Za-z]+)", re.MULTILINE)
_NAME = re.compile(r"^\s+name:\s*[\"']?([^\s\"'#]+)|\{\s*name:\s*[\"']?([^\s\"',}]+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A document that its schema accepts."""

    doc: Document
    kind: str
    name: str
    blob: str
    index: int
    """Of the document within its file, counted over those that are not empty."""
    needed_by: Ref | None = None
    """What needs it (parts.py), when it doesn't stand in a file itself."""
    gives_way: bool = False
    """Left out with a warning where it can't be (`Kind.beside`)."""

    @property
    def metadata(self) -> Mapping[str, Json]:
        metadata: Mapping[str, Json] = self.doc.value["metadata"]
        return metadata

    @property
    def spec(self) -> dict[str, Json]:
        spec: dict[str, Json] = self.doc.value.get("spec") or {}
        return spec

    @property
    def own(self) -> dict[str, Json]:
        """The kind's own fields, without those that every kind has."""
        return {name: value for name, value in self.spec.items() if name not in schema.COMMON}

    def failed(self, step: str, error: Exception) -> Problem:
        """The kind's code failed on it: a problem, not the end of the reading."""
        return problem("kind-failed", f"{self.kind} could not be judged ({step}: {type(error).__name__}: {error})", path=self.doc.path,
                       mark=self.doc.at(["kind"]), hint="report this with the manifest; it is a fault of trueup")  # fmt: skip

    @property
    def ref(self) -> Ref:
        return Ref(self.kind, self.name)

    @property
    def about(self) -> str:
        """What begins a sentence about one that stands in no file."""
        if self.gives_way:
            return f"{self.ref} is left out: "
        return f"{self.ref}, which {self.needed_by} needs: " if self.needed_by else ""

    @property
    def at(self) -> str:
        return f"{self.doc.path}:{self.doc.line}"


@dataclass(frozen=True, slots=True)
class Broken:
    """A document with errors, as far as it could be recognised: what refers to it is not dangling."""

    ref: Ref
    doc: Document | None = None
    """None when only a glance at the text told its name."""

    @property
    def labels(self) -> Mapping[str, str]:
        metadata = self.doc.value["metadata"] if self.doc else {}
        labels = metadata.get("labels")
        return labels if isinstance(labels, dict) else {}


@dataclass(frozen=True, slots=True)
class File:
    """What one file of the repository holds."""

    entries: tuple[Entry, ...] = ()
    problems: tuple[Problem, ...] = ()
    broken: tuple[Broken, ...] = ()


@dataclass(kw_only=True)
class Documents:
    """All documents of a commit."""

    entries: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    files: int = 0
    by_file: dict[tuple[str, str], File] = field(default_factory=dict)
    """Every file that was read, by path and blob id."""


def gather(files: Files, judges: validate.Judges, cache: MutableMapping[tuple[str, str], File]) -> Documents:
    """Read every manifest of `files`; `cache` keeps each file by (path, blob id), and forgets what is gone."""
    kept: dict[tuple[str, str], File] = {}
    result = Documents(by_file=kept)
    paths = files.paths()

    def one(path: str) -> File:
        key = (path, paths[path])
        file = kept.get(key) or cache.get(key)
        if file is None:
            try:
                file = _file(path, paths[path], files.read(path), judges)
            except KeyError:
                file = File(problems=(problem("unreadable", "the file went away while it was read", path=path),))
            except Refused as refused:
                file = File(problems=refused.problems)
        kept[key] = file
        return file

    fleet = one(FLEET_FILE) if FLEET_FILE in paths else File()
    ignored = _ignored(fleet)
    for path in paths:
        if not path.endswith(_ENDINGS):
            if plain.key_file(path):
                key = (path, paths[path])
                kept[key] = cache.get(key) or File(problems=tuple(plain.in_file(path, _bytes(files, path))))
                result.problems += kept[key].problems
            continue
        if path != FLEET_FILE and (aside := _is_aside(path, ignored)):
            result.problems += _looks_meant(files, path, aside)
            continue
        file = one(path)
        result.files += 1
        result.entries += file.entries
        result.problems += file.problems
        result.broken += file.broken
    cache.clear()
    cache.update(kept)
    return result


def _bytes(files: Files, path: str) -> bytes:
    try:
        return files.read(path)
    except (KeyError, Refused):
        return b""


def _ignored(fleet: File) -> tuple[str, ...]:
    for entry in fleet.entries:
        if entry.kind == schema.FLEET:
            return tuple(entry.spec.get("ignorePaths", ()))
    return ()


def _is_aside(path: str, ignored: tuple[str, ...]) -> str:
    """Why a YAML file is no manifest: the folder or glob that says so; empty when it is one."""
    *folders, _ = path.split("/")
    for folder in folders:
        if folder.startswith(".") or folder in _ASIDE:
            return f"{folder}/"
    return next(
        (
            f"ignorePaths ({glob})"
            for glob in ignored
            if fnmatchcase(path, glob) or path.startswith(glob.rstrip("/") + "/")
        ),
        "",
    )


def _looks_meant(files: Files, path: str, aside: str) -> list[Problem]:
    """A warning for a document of ours in files/ or templates/: whoever put it there meant it to do something."""
    if aside.rstrip("/") not in _ASIDE:
        return []
    try:
        found = _OURS.search(files.read(path)[:4096])
    except (KeyError, Refused):
        return []
    if found is None:
        return []
    return [problem("ignored-manifest", f"this looks like a manifest, but {aside} holds content, so it does nothing", path=path,
                    mark=Mark(1, 1), hint="move it to another folder if it was meant as a manifest")]  # fmt: skip


def _file(path: str, blob: str, data: bytes, judges: validate.Judges) -> File:
    documents, problems = reader.load(data, path)
    entries: list[Entry] = []
    broken: list[Broken] = []
    suspect = plain.perhaps(data.decode("utf-8", "replace"))
    taken = {(found.line, found.column) for found in problems}
    for index, doc in enumerate(documents):
        errors = validate.document(doc, judges)
        # What the reader said about a place is enough: the schema would only repeat it.
        problems += [found for found in errors if (found.line, found.column) not in taken]
        if errors:
            broken += _recognised(doc)
        else:
            problems += plain.in_document(doc) if suspect else ()
            kind, name = doc.value["kind"], doc.value["metadata"]["name"]
            entries.append(Entry(doc=doc, kind=kind, name=name, blob=blob, index=index))
    if any(found.code in reader.LOSES_DOCUMENTS for found in problems):
        broken += _salvaged(data.decode("utf-8", "replace"))
    return File(tuple(entries), tuple(problems), tuple(broken))


def _recognised(doc: Document) -> list[Broken]:
    value = doc.value
    metadata = value.get("metadata") if isinstance(value, dict) else None
    if isinstance(metadata, dict) and isinstance(metadata.get("name"), str) and isinstance(value.get("kind"), str):
        return [Broken(Ref(value["kind"], metadata["name"]), doc)]
    return []


def _salvaged(text: str) -> list[Broken]:
    """Kind and name of the documents of a text that isn't YAML, as far as a glance tells."""
    found: list[Broken] = []
    for part in re.split(r"^---", text, flags=re.MULTILINE):
        kind, name = _KIND.search(part), _NAME.search(part)
        if kind and name:
            found.append(Broken(Ref(kind.group(1), name.group(1) or name.group(2))))
    return found
