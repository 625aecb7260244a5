"""What a kind may ask for while one manifest is resolved on one host: files of the repository, what came from outside of
it, and rendered templates."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..core.kind import Finding, Unresolved
from ..core.model import Host, Json, State, canonical, digest
from ..core.outside import Resolved
from ..core.problem import Problem, Refused
from ..ports import Files, Outside
from . import words
from .codes import problem
from .documents import Entry
from .marks import Mark
from .reader import Field

if TYPE_CHECKING:
    from .templates import Failure, Templates


OUTSIDE = "//"
"""With this before it, a source's text among the paths that a manifest rests on: no path begins so."""


class Library:
    """What all manifests of one reading share: each file is read once, each template compiled once, each source from
    outside looked up once, so that all see the same of it."""

    def __init__(self, files: Files, contexts: Mapping[str, tuple[str, State]], outside: Outside | None = None) -> None:
        self.files = files
        self._outside = outside
        self._sources: dict[str, Resolved | Problem] = {}
        self._contexts = contexts
        """Host name → a digest of what a template sees there, and its `vars`."""
        self._bytes: dict[str, bytes] = {}
        self._trees: dict[str, dict[str, str]] = {}
        self._templates: Templates | None = None

    def read(self, path: str) -> bytes:
        if path not in self._bytes:
            self._bytes[path] = self.files.read(path)
        return self._bytes[path]

    def tree(self, folder: str) -> Mapping[str, str]:
        """Path within `folder` → blob id; empty when there is no such folder. `.` is the whole repository."""
        if folder not in self._trees:
            start = "" if folder in ("", ".") else folder + "/"
            paths = self.files.paths()
            self._trees[folder] = {path[len(start) :]: blob for path, blob in paths.items() if path.startswith(start)}
        return self._trees[folder]

    def source(self, told: State) -> Resolved | Problem:
        """What a source outside the repository came to, or why nobody knows."""
        name = canonical(told)
        if name not in self._sources:
            self._sources[name] = self._looked_up(told)
        return self._sources[name]

    def _looked_up(self, told: State) -> Resolved | Problem:
        hint = "see docs/content.md: where trueup runs with its settings it is fetched once"
        unknown = problem(
            "no-outside", "this content was never fetched, and nobody here may fetch it", path="", hint=hint
        )
        if self._outside is None:
            return unknown
        try:
            known = self._outside.known(told)
        except Refused as wrong:
            return replace(wrong.problems[0], message="; ".join(one.message for one in wrong.problems))
        if known is not None:
            return known
        trouble = self._outside.trouble(told)
        return trouble.problem if trouble is not None else unknown

    def source_digest(self, told: State) -> str:
        """The same, as one word: another one means that what rests on it is resolved anew."""
        found = self.source(told)
        return f"{found.tree} {found.digest}" if isinstance(found, Resolved) else f"{found.code} {found.message}"

    @property
    def outside(self) -> Outside:
        assert self._outside is not None, "what was brought came from there"
        return self._outside

    def render(self, text: str, host: Host) -> Json:
        if self._templates is None:
            from .templates import Templates  # Jinja2 costs 60 ms: only repositories with templates pay

            self._templates = Templates()
        return self._templates.render(text, host=host, variables=self._contexts[host.name][1])


@dataclass(frozen=True, slots=True)
class Brought:
    """core.kind.Brought: files of a source outside the repository."""

    files: Mapping[str, str]
    version: str
    _library: Library

    def read(self, path: str) -> bytes:
        return self._library.outside.blob(self.files[path])

    def size(self, path: str) -> int:
        return self._library.outside.size(self.files[path])


class Ask:
    """core.kind.Resolving for one manifest on one host; remembers what was asked for."""

    def __init__(self, library: Library, entry: Entry, host: Host | None) -> None:
        self.host = host.name if host else ""
        self.files: dict[str, str] = {}
        self.failure: Problem | None = None
        self._library = library
        self._entry = entry
        self._host = host

    def file(self, path: str) -> tuple[bytes, str]:
        paths = self._library.files.paths()
        plain = self._inside(path)
        self.files[plain] = paths.get(plain, "")
        if plain not in paths:
            guess = words.near(plain, _beside(plain, paths))
            folder = any(other.startswith(plain + "/") for other in paths)
            why = (
                f"{words.value_words(plain)} is a folder of the repository"
                if folder
                else f"the repository has no file {words.value_words(plain)}"
            )
            raise self._refuse("no-such-file", why, path, "correct the path, or add the file",
                               f"did you mean `{guess}`?" if guess else "")  # fmt: skip
        try:
            return self._library.read(plain), paths[plain]
        except KeyError:
            raise self._refuse("no-such-file", f"{plain} went away while it was read", path, "try again") from None

    def tree(self, folder: str) -> Mapping[str, str]:
        plain = self._inside(folder)
        found = self._library.tree(plain)
        self.files[plain + "/"] = digest(found)
        if not found:
            paths = self._library.files.paths()
            guess = words.near(plain, {posixpath.dirname(other) for other in paths} - {""})
            why = (
                f"{words.value_words(plain)} is a file"
                if plain in paths
                else f"the repository has no folder {words.value_words(plain)}"
            )
            raise self._refuse("no-such-file", why, folder, "correct the path, or add files to it",
                               f"did you mean `{guess}`?" if guess else "")  # fmt: skip
        return found

    def sizes(self, folder: str) -> Mapping[str, int]:
        plain = self._inside(folder)
        start = "" if plain == "." else plain + "/"
        return {path: self._library.files.size(start + path) for path in self.tree(folder)}

    def outside(self, told: State) -> Brought:
        self.files[OUTSIDE + canonical(told)] = self._library.source_digest(told)
        found = self._library.source(told)
        if isinstance(found, Resolved):
            return Brought(found.files, found.digest, self._library)
        doc = self._entry.doc
        mark = doc.at(self._holding(told))
        failure = replace(
            found, path=doc.path, line=mark.line, column=mark.column, length=mark.length, severity="error"
        )
        raise self._unresolved(failure)

    def _inside(self, path: str) -> str:
        plain = posixpath.normpath(path) if path else ""
        if path.startswith("/") or plain == ".." or plain.startswith("../") or "\0" in path:
            raise self._refuse("outside-repo", f"{words.value_words(path)} lies outside the repository", path,
                               "name a file from the top of the repository")  # fmt: skip
        return plain

    def render(self, text: str, where: str) -> Json:
        from .templates import Failure

        if self._host is None:
            raise ValueError("per_host has to say that a template is rendered: it differs from host to host")
        try:
            return self._library.render(text, self._host)
        except Failure as failure:
            raise self._template(failure, text, where) from None

    def _template(self, failure: Failure, text: str, where: str) -> Unresolved:
        """A template's failure at its own line: of the file `where`, or of the manifest's field that holds `text`."""
        guess = words.near(failure.word, failure.known) if failure.word else ""
        hint = "mend the template"
        if failure.code == "undefined-variable":
            hint = "define it in trueup.yaml, Vars or the Host, or give a default: {{ vars.x | default('…') }}"
        shift, length = _within(text, failure)
        mark = Mark(failure.line, shift + 1, length) if where else self._inline(text, failure.line, shift, length)
        return self._unresolved(
            problem(
                failure.code,
                failure.message,
                path=where or self._entry.doc.path,
                mark=mark,
                hint=hint,
                label=f"did you mean `{guess}`?" if guess else "",
            )
        )

    def _inline(self, text: str, line: int, shift: int, length: int) -> Mark:
        doc, field = self._entry.doc, self._holding(text)
        start, block = doc.at(field), doc.block_start(field)
        if block != start:
            return Mark(block.line + line - 1, block.column + shift, length)
        if "\n" not in text and start.length >= len(text):
            return Mark(start.line, start.column + shift + (1 if doc.quoted(field) else 0), length)
        return start  # a quoted text over several lines: only YAML knows where its lines went

    def _refuse(self, code: str, message: str, path: str, hint: str, label: str = "") -> Unresolved:
        doc = self._entry.doc
        return self._unresolved(
            problem(code, message, path=doc.path, mark=doc.at(self._holding(path)), hint=hint, label=label)
        )

    def _unresolved(self, failure: Problem) -> Unresolved:
        self.failure = failure
        return Unresolved(Finding(code=failure.code, message=failure.message, hint=failure.hint))

    def _holding(self, said: Json) -> Field:
        """The field of the spec that says `said`, else the spec."""
        for name, value in self._entry.spec.items():
            if value == said:
                return ("spec", name)
        return ("spec",)


def _within(text: str, failure: Failure) -> tuple[int, int]:
    """Where in its line a failure is, from 0, and how long: the word it is about, else the line's first character."""
    lines = text.split("\n")
    line = lines[failure.line - 1] if 0 < failure.line <= len(lines) else ""
    found = re.search(rf"\b{re.escape(failure.word)}\b", line) if failure.word else None
    if found:
        return found.start(), len(failure.word)
    return len(line) - len(line.lstrip()), 1


def _beside(path: str, paths: Iterable[str]) -> list[str]:
    """Paths that a mistyped one may have meant: of the same folder, or with the same last part."""
    folder, name = posixpath.split(path)
    return [other for other in paths if posixpath.dirname(other) == folder or posixpath.basename(other) == name][:500]
