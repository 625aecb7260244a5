"""How problems read: on a terminal, in JSON, as annotations on a pull request, in the `remote:` lines of a push.

Line 1 of each is whole by itself and begins `path:line:column: severity[code]:`, so that editors jump to it. The
first twenty are told in full, all others in one line each; none is dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence

from ..core.problem import Problem
from ..ports import Files
from . import remote as remote_lines
from .clean import clean, plural

IN_FULL = 20
WIDEST = 160
"""Columns of a source line that are shown; a longer one is cut around the marked place."""
_LINES = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_WITH_LINE_BEFORE = frozenset(("unknown-field", "duplicate-field"))
"""Codes about a field among its neighbours: the line before shows which ones."""
_THIRD_PERSON = {"add": "adds", "align": "aligns", "break": "breaks", "choose": "chooses", "close": "closes", "correct": "corrects",
                 "declare": "declares", "define": "defines", "drop": "drops", "give": "gives", "keep": "keeps", "label": "labels", "leave": "leaves",
                 "make": "makes", "mend": "mends", "move": "moves", "name": "names", "narrow": "narrows", "nest": "nests", "put": "puts",
                 "quote": "quotes", "remove": "removes", "rename": "renames", "replace": "replaces", "save": "saves", "say": "says",
                 "set": "sets", "shorten": "shortens", "split": "splits", "take": "takes", "use": "uses", "write": "writes"}  # fmt: skip


def as_json(problems: Iterable[Problem]) -> str:
    """The list for programs, in every case a list."""
    return json.dumps([problem.json() for problem in problems], indent=2, ensure_ascii=False) + "\n"


def text(problems: Sequence[Problem], files: Files | None = None, *, limit: int = IN_FULL) -> str:
    """All problems, the first `limit` with their source, who must act and the next step."""
    told = _Teller(files)
    parts = [told.full(problem) if index < limit else [headline(problem)] for index, problem in enumerate(problems)]
    return "".join(line + "\n" for part in parts for line in part)


def summary(problems: Sequence[Problem], files: int, seconds: float, *, held: str = "") -> str:
    """`2 errors, 1 warning in 1,004 files, 0.6 s.`, and what the fleet does meanwhile when there are errors."""
    found = counts(problems) or "No problems"
    line = f"{found} in {plural(files, 'file')}, {seconds:.1f} s."
    if any(problem.severity == "error" for problem in problems):
        stays = f"The fleet stays on {held[:7]}" if held else "The fleet stays as it is"
        line += f" {stays} until the errors are gone."
    return line


def counts(problems: Sequence[Problem]) -> str:
    """`2 errors, 1 warning`; empty when there are none."""
    errors = sum(1 for problem in problems if problem.severity == "error")
    warnings = len(problems) - errors
    return ", ".join(plural(count, word) for count, word in ((errors, "error"), (warnings, "warning")) if count)


def headline(problem: Problem) -> str:
    place = f"{clean(problem.place)}: " if problem.place else ""
    return f"{place}{problem.severity}[{problem.code}]: {clean(problem.message)}"


def github(problems: Sequence[Problem], files: Files | None = None, *, most: int = 10) -> str:
    """Annotations for a pull request, errors first, and the text form.

    GitHub shows ten errors and ten warnings of a step and drops the rest without a word, so the last line counts them.
    """
    ordered = sorted(problems, key=lambda problem: problem.severity != "error")
    lines = [_annotation(problem) for problem in ordered]
    errors = sum(1 for problem in ordered if problem.severity == "error")
    unseen = max(errors - most, 0) + max(len(ordered) - errors - most, 0)
    more = (
        f"and {unseen:,} more: annotations show {most} errors and {most} warnings, the log has all\n" if unseen else ""
    )
    return "".join(line + "\n" for line in lines) + text(problems, files) + more


def remote(problems: Sequence[Problem]) -> list[str]:
    """Plain lines of at most 72 columns for a push, errors first."""
    return list(remote_lines.problem_lines(problems))


def _annotation(problem: Problem) -> str:
    """A workflow command (docs.github.com, "Workflow commands for GitHub Actions"): properties and message are escaped."""
    properties = {"file": problem.path, "line": problem.line, "col": problem.column, "title": problem.code}
    if problem.line and problem.length > 1:
        properties["endColumn"] = problem.column + problem.length
    said = ",".join(f"{name}={_escaped(clean(str(value)), True)}" for name, value in properties.items() if value)
    message = (
        problem.message
        + (f"\n{problem.label}" if problem.label else "")
        + (f"\n{problem.hint}" if problem.hint else "")
    )
    return f"::{problem.severity} {said}::{_escaped(clean(message, keep=chr(10)), False)}"


def _escaped(text: str, in_property: bool) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if in_property else text


_VERBS = re.compile(rf"(^|, or |, and |; )({'|'.join(_THIRD_PERSON)})(?= )")


class _Teller:
    """Tells problems in full; each file is read once."""

    def __init__(self, files: Files | None) -> None:
        self._files = files
        self._lines: dict[str, list[str]] = {}

    def full(self, problem: Problem) -> list[str]:
        return [headline(problem), *self._excerpt(problem), *self._next(problem)]

    def _excerpt(self, problem: Problem) -> Iterator[str]:
        lines = self._source(problem.path) if problem.line and (problem.label or problem.hint) else []
        if not 0 < problem.line <= len(lines):
            if problem.label:
                yield f"  {clean(problem.label)}"
            return
        width = max(3, len(str(problem.line)) + 1)
        if problem.code in _WITH_LINE_BEFORE and problem.line > 1 and lines[problem.line - 2].strip():
            yield f"{problem.line - 1:>{width}} | {_shown(lines[problem.line - 2])[:WIDEST]}".rstrip()
        source = _shown(lines[problem.line - 1])
        start = max(problem.column - 1, 0)
        cut = max(0, start - WIDEST // 2) if len(source) > WIDEST else 0
        shown = source[cut : cut + WIDEST]
        yield f"{problem.line:>{width}} | {shown}".rstrip()
        length = max(1, min(problem.length, len(shown) - (start - cut)))
        marks = " " * (start - cut) + "^" * length
        yield f"{'':>{width}} | {marks} {clean(problem.label)}".rstrip()

    def _next(self, problem: Problem) -> Iterator[str]:
        if not problem.hint:
            return
        who = problem.who or self._author(problem)
        yield f"  next: {_by(clean(problem.hint), clean(who))}"

    def _author(self, problem: Problem) -> str:
        if self._files is None or not problem.path or not problem.line:
            return ""
        try:
            commit = self._files.author(problem.path, problem.line)
        except Exception:  # who wrote a line is a courtesy: a damaged history must not hide the problem itself
            return ""
        return f"{commit.author} ({commit.short})" if commit.author and commit.id else ""

    def _source(self, path: str) -> list[str]:
        if path not in self._lines:
            try:
                data = self._files.read(path) if self._files is not None else b""
            except Exception:  # the file may be what the problem is about
                data = b""
            self._lines[path] = _LINES.split(data.decode("utf-8", "replace").removeprefix("\ufeff"))
        return self._lines[path]


def _shown(line: str) -> str:
    """A source line with every character one column wide, so that the mark stands under its place."""
    return "".join(char if char.isprintable() else " " if char == "\t" else "\ufffd" for char in line)


def _by(hint: str, who: str) -> str:
    """The next step with who takes it: `Ada (3f9c2e1) renames it`."""
    if not who:
        return hint
    told = _VERBS.sub(lambda found: found.group(1) + _THIRD_PERSON[found.group(2)], hint)
    return f"{who} {told}" if hint.partition(" ")[0] in _THIRD_PERSON else f"{who}: {hint}"
