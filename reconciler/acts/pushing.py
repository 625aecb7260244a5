"""A push to the bare repository: checked before any ref moves, and told about afterwards.

    pre_receive   each pushed branch → manifests → problems; the followed branch is refused with errors.
                  `-o plan` shows the plan and declines.                     (in the hook's own process: the objects
                  are in quarantine, where the daemon can't see them)
    post_receive  `accepted`; `-o wait` watches the daemon until the verdict. Nothing can be refused any more.

Only errors refuse. A commit that a guard would stop lands and waits; the fleet stays held to the one before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.problem import Problem, Refused, in_order
from ..ports import Files
from ..repo import GitRepo
from ..repo.hooks import Pushed, options, own_repo, pushed
from ..tell import remote
from ..tell.plan_view import not_checked

KNOWN_OPTIONS = ("plan", "wait")
OTHER_BRANCHES = 5
"""Problems shown of a branch that isn't followed: it is somebody's work in progress."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check of one commit found."""

    problems: tuple[Problem, ...]
    files: int
    seconds: float

    @property
    def errors(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)


Check = Callable[[Files], tuple[Problem, ...]]
PlanLines = Callable[[Files], Iterable[str]]
Say = Callable[[str], None]


def pre_receive(
    repo: GitRepo, pushes: Sequence[Pushed], asked: Sequence[str], *, check: Check, plan: PlanLines, say: Say
) -> bool:
    """True when the push may land. `check` gives a commit's problems, `plan` the lines of its plan; `say` is one line."""
    _say_unknown(asked, say)
    allowed = True
    for push in pushes:
        if not push.branch:
            continue  # tags and notes move nothing on hosts
        if push.branch != repo.branch:
            _other_branch(repo, push, check, say)
        elif not push.new:
            _say(say, f"error: {repo.branch} is what the fleet follows: it can't be deleted")
            _say(say, "hint: to follow another branch: trueup serve --branch NAME")
            allowed = False
        else:
            allowed = _followed(repo, push, asked, check, plan, say) and allowed
    return allowed


def _followed(repo: GitRepo, push: Pushed, asked: Sequence[str], check: Check, plan: PlanLines, say: Say) -> bool:
    try:
        files = repo.files(push.new)
        found = checked(files, check)
    except Refused as refused:
        found = Checked(problems=refused.problems, files=0, seconds=0.0)
    _say_all(say, remote.checked(found.files, found.seconds, found.problems))
    _say_all(say, remote.problem_lines(found.problems))
    if found.errors:
        _say_all(say, remote.refused(found.problems, push.old))
        return False
    if push.old and not _is_before(repo, push):
        _say(say, f"warning: a force-push: {push.old[:7]} is not before {push.new[:7]}")
    if "plan" in asked:
        try:
            _say_all(say, plan(files))
        except Refused as refused:
            _say_all(say, remote.problem_lines(refused.problems))
        _say(say, "trueup: only planned (-o plan): nothing was pushed, nothing changes")
        _say(say, "hint: the rejection below is meant; push without -o plan to roll it out")
        return False
    return True


def _other_branch(repo: GitRepo, push: Pushed, check: Check, say: Say) -> None:
    if not push.new:
        return
    try:
        found = checked(repo.files(push.new), check)
    except Refused as refused:
        found = Checked(problems=refused.problems, files=0, seconds=0.0)
    errors = tuple(problem for problem in found.problems if problem.severity == "error")
    if not errors:
        return
    _say_all(say, remote.checked(found.files, found.seconds, found.problems, branch=push.branch))
    _say_all(say, remote.problem_lines(errors[:OTHER_BRANCHES], errors_as="warning"))
    more = len(errors) - OTHER_BRANCHES
    if more > 0:
        _say(say, f"  and {more:,} more: trueup check --rev {push.branch}")
    _say(say, f"warning: {push.branch} is let in; on {repo.branch} it would be refused")


def checked(files: Files, check: Check) -> Checked:
    """Check one commit, with the time that it took."""
    started = time.monotonic()
    problems = check(files)
    return Checked(problems=problems, files=len(files.paths()), seconds=time.monotonic() - started)


def _is_before(repo: GitRepo, push: Pushed) -> bool:
    try:
        return repo.is_ancestor(push.old, push.new)
    except Refused:
        return False


# ---------------------------------------------------------------- afterwards


def post_receive(
    branch: str, pushes: Sequence[Pushed], asked: Sequence[str], *, watch: Callable[[str], Iterator[str]], say: Say
) -> None:
    """Say what becomes of the followed branch. `watch(commit)` gives lines until the verdict, and raises Refused
    when no daemon answers."""
    landed = [push for push in pushes if push.branch == branch and push.new]
    if not landed:
        return
    commit = landed[-1].new
    if "wait" not in asked:
        _say(say, f"trueup: accepted {commit[:7]}; to follow it: trueup wait {commit[:7]}")
        return
    _say(say, "trueup: accepted. Ctrl-C stops the watching, not the roll-out")
    try:
        for line in watch(commit):
            say(line)
    except Refused as refused:
        _say_all(say, remote.problem_lines(refused.problems, errors_as="warning"))
        _say(say, "hint: the push has landed; trueup serve rolls it out when it runs")


def _say_unknown(asked: Sequence[str], say: Say) -> None:
    for option in asked:
        if option not in KNOWN_OPTIONS:
            _say(say, f"warning: push option {option!r} is not one of trueup's ({', '.join(KNOWN_OPTIONS)})")


def _say(say: Say, text: str) -> None:
    _say_all(say, remote.lines(text))


def _say_all(say: Say, lines: Iterable[str]) -> None:
    for line in lines:
        say(line)


# ---------------------------------------------------------------- the hook's own process


def hook(name: str, environ: Mapping[str, str], lines: Iterable[str], folder: Path, say: Say) -> bool:
    """What a hook of a bare repository does; False when the push is to be refused. `lines` are its standard input.

    Nothing of a fault of trueup's own lets a push in that was not checked; nothing of it fails a push that has landed.
    """
    pushes, asked = pushed(lines), options(environ)
    try:
        repo = own_repo(environ, folder)
        if name == "post-receive":
            post_receive(repo.branch, pushes, asked, watch=_watch(environ), say=say)
            return True
        judge = _Judge(environ, say)
        return pre_receive(repo, pushes, asked, check=judge.check, plan=judge.plan, say=say)
    except Refused as refused:
        _say_all(say, remote.problem_lines(refused.problems))
        return name == "post-receive"


class _Judge:
    """Checks and plans in this process; the manifests of a push are read once."""

    def __init__(self, environ: Mapping[str, str], say: Say) -> None:
        from .. import settings
        from ..manifests.kinds import load_kinds
        from ..outside.once import Once
        from ..secrets import FleetKey, Sealer, Sources

        self._settings = settings.load(environ)
        self._outside = Once.of(self._settings, lambda words: say(f"trueup: {words}"), again=True)
        self._kinds = load_kinds()
        # Who pushes can't read the fleet's key, and need not: secrets are then not compared, and the plan says so.
        self._sealer = Sealer(FleetKey.read(self._settings.fleet_key_file), sources=Sources(settings=self._settings))
        self._parsed: dict[str, Any] = {}
        self._read: dict[str, Any] = {}

    def check(self, files: Files) -> tuple[Problem, ...]:
        return in_order(self._reading(files).problems)

    def plan(self, files: Files) -> Iterator[str]:
        from . import planning

        reading = self._reading(files)
        if reading.desired is not None:
            yield from remote.plan(self._kinds, planning.plan_of(self._settings, self._kinds, reading.desired, None))
            if reading.unchecked:
                yield from remote.lines("trueup: " + not_checked(reading.unchecked))

    def _reading(self, files: Files) -> Any:
        from .. import manifests

        commit = files.commit.id
        if commit not in self._read:
            self._read[commit] = manifests.read(
                files, self._kinds, self._sealer.reading(files).seal, cache=self._parsed, outside=self._outside
            )
        return self._read[commit]


def _watch(environ: Mapping[str, str]) -> Callable[[str], Iterator[str]]:
    def watch(commit: str) -> Iterator[str]:
        from .. import door, settings
        from ..tell.remote_wait import Follow

        yield from Follow().lines(door.stream(settings.load(environ), "wait", {"commit": commit}))

    return watch


__all__ = ["Checked", "checked", "hook", "post_receive", "pre_receive"]
