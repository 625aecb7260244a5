"""An error as data: what happened, where, who must act, what to do next. Printers read it, nobody parses it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong, with its place.

    `line` and `column` count from 1; 0 means the whole file, an empty `path` means no file at all.
    `code` is a word of a table (manifests/codes.py, a kind's own codes, or a room's troubles), documented with its cure.
    """

    code: str
    message: str
    path: str = ""
    line: int = 0
    column: int = 0
    severity: Severity = "error"
    hint: str = ""
    """The next step, as a statement."""
    label: str = ""
    """A few words under the marked place; the hint is used when empty."""
    length: int = 1
    """How many characters are marked from `column` on."""
    who: str = ""
    """Who must act, when known: the last author of the line, an administrator."""

    @property
    def place(self) -> str:
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part)

    def json(self) -> dict[str, object]:
        return {
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
        }


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """By path, line, column, then code: the one order in which problems are told."""
    return tuple(sorted(set(problems), key=lambda p: (p.path, p.line, p.column, p.code, p.message)))


class Refused(Exception):
    """Carries problems to whoever can tell them; raised where going on would make no sense. Never shown as a traceback."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems
