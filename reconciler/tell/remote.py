"""What somebody who pushes reads: `remote:` lines. Plain text, at most 72 columns, no colour, no cursor tricks.

Git itself colours a line that begins with error, warning, hint or success, so each sentence begins with its own word.
ASCII signs: a push is read in CI logs and old terminals.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from ..core.kind import Kinds
from ..core.model import Action, Plan
from ..core.problem import Problem
from . import hold, unseen
from .clean import clean, plural
from .plan_view import changed_hosts, groups

WIDTH = 72
IN_FULL = 20
"""Errors shown with their hint; more are one line each."""
AT_ALL = 200
"""Lines of problems at most: beyond it a number, and the command that shows all."""

SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-", Action.REPLACE: "-+"}


def lines(text: str, indent: str = "  ") -> Iterator[str]:
    """`text` in lines of at most WIDTH columns; the second and later ones indented, so that none looks like a new sentence."""
    yield from textwrap.wrap(
        clean(text), WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=True
    ) or [""]


def checked(files: int, seconds: float, problems: Sequence[Problem], branch: str = "") -> Iterator[str]:
    """`trueup: 1,004 files checked in 0.6 s: 0 errors, 1 warning`."""
    errors = sum(1 for problem in problems if problem.severity == "error")
    of = f" of {branch}" if branch else ""
    found = f"{plural(errors, 'error')}, {plural(len(problems) - errors, 'warning')}"
    yield from lines(f"trueup: {plural(files, 'file')}{of} checked in {seconds:.1f} s: {found}")


def problem_lines(problems: Iterable[Problem], *, errors_as: str = "error") -> Iterator[str]:
    """Errors first, then warnings; each begins with its word and its place."""
    ordered = sorted(problems, key=lambda problem: problem.severity != "error")
    for number, problem in enumerate(ordered[:AT_ALL]):
        word = errors_as if problem.severity == "error" else "warning"
        place = f"{problem.place} " if problem.place else ""
        yield from lines(f"{word}: {place}{problem.message}")
        if number < IN_FULL and problem.severity == "error" and problem.hint:
            yield from lines(f"hint: {problem.hint}")
    if len(ordered) > AT_ALL:
        yield from lines(f"hint: and {len(ordered) - AT_ALL:,} more: run trueup check")


def refused(problems: Sequence[Problem], held: str) -> Iterator[str]:
    """The last lines of a push that doesn't pass: what to type, and what the fleet does meanwhile."""
    errors = sum(1 for problem in problems if problem.severity == "error")
    yield from lines("hint: correct it, git commit --amend, then push again")
    stays = f"the fleet stays on {held[:7]}" if held else "the fleet has no commit yet"
    yield from lines(f"error: refused, {plural(errors, 'error')}; {stays}")


def plan(kinds: Kinds, made: Plan) -> Iterator[str]:
    """A plan's headline, guards, and for each group of equal changes a line, with what its kind says of it below."""
    hosts = changed_hosts(made)
    if not made.changes and made.unseen:
        yield from lines(f"trueup: plan {made.id[:8]}: {unseen.counted(made)}")
    elif not made.changes:
        yield from lines(f"trueup: plan {made.id[:8]} changes nothing on {plural(made.hosts_total, 'host')}")
    else:
        yield from lines(f"trueup: plan {made.id[:8]} changes {len(hosts):,} of {plural(made.hosts_total, 'host')}")
    for hit in made.stopped:
        yield from lines(f"warning: a guard will stop it: {hit.message}")
        if not hit.final:
            yield from lines(f"hint: if it is meant: trueup apply {made.id[:8]} --accept {hit.rule}")
    yield from group_lines(kinds, made)
    if made.unseen:
        for line in unseen.lines(made, 40):
            yield from lines(f"  {line}", "      ")
        yield from lines(f"  {unseen.FIRST}", "    ")
    if made.waiting:
        yield from lines(f"  {hold.waiting(made.waiting)}")
    never = [host for host in made.never_seen if host not in made.unreachable]
    if never:
        yield from lines(f"  {plural(len(never), 'host')} never looked at: not in this plan")
    if made.unreachable:
        yield from lines(f"  {plural(len(made.unreachable), 'host')} without an answer now: their part waits")


def group_lines(kinds: Kinds, made: Plan, most: int = 40) -> Iterator[str]:
    grouped = groups(kinds, made)
    for group in grouped[:most]:
        where = group.hosts[0] if len(group.hosts) == 1 else plural(len(group.hosts), "host")
        what = f"  {group.what}" if group.what else ""
        yield from lines(f"  {SIGNS[group.first.action]} {where}  {group.ref.kind} {group.ref.name}{what}", "      ")
        for note in group.notes:
            yield from lines(f"      {note}", "        ")
    if len(grouped) > most:
        yield from lines(f"  and {len(grouped) - most:,} more kinds of change")


__all__ = ["AT_ALL", "IN_FULL", "WIDTH", "checked", "group_lines", "lines", "plan", "problem_lines", "refused"]
