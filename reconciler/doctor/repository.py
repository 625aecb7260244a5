"""The fleet's repository: can it be read, does its tip check, do its hooks run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ..core.problem import Refused
from ..repo import Credentials, GitRepo
from ..repo.hooks.bare import HOOKS, MARK
from ..settings import Settings
from ..tell.clean import plural
from .finding import Finding, failed, ok, skipped, warning


def findings(settings: Settings) -> Iterator[Finding]:
    if not settings.repo and settings.socket.exists():
        yield skipped(
            "repo",
            "the daemon has its own (serve --repo), and nobody told doctor: doctor --repo PATH, or repo: PATH in server.yaml",
        )
        return
    if not settings.repo:
        yield failed(
            "repo",
            "no repository is configured",
            "trueup init --bare PATH, then repo: PATH in server.yaml (or TRUEUP_REPO)",
        )
        return
    try:
        repo = GitRepo(
            settings.repo,
            settings.branch,
            cache_dir=settings.state_dir / "mirror",
            credentials=Credentials.of(settings),
        )
        if repo.remote:
            repo.fetch()
        tip = repo.tip()
    except Refused as refused:
        problem = refused.problems[0]
        yield failed("repo", problem.message, problem.hint)
        return
    if not tip:
        yield warning(
            "repo", f"{repo.place} has no branch {settings.branch} yet", f"git push {repo.place} HEAD:{settings.branch}"
        )
    else:
        yield ok("repo", f"{repo.place}, {settings.branch} at {tip[:7]}")
        yield _checks(repo, settings)
    if repo.bare and not repo.remote:
        yield from _hooks(repo)


def _checks(repo: GitRepo, settings: Settings) -> Finding:
    from .. import manifests
    from ..acts.outside import outside_of

    problems = manifests.read(repo.files(), manifests.load_kinds(), outside=outside_of(settings)).problems
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        return failed(
            "manifests",
            f"the tip has {plural(len(errors), 'error')}; the first: {errors[0].place} {errors[0].message}",
            "trueup check --rev " + repo.branch,
        )
    return ok("manifests", f"the tip has no errors, {plural(len(problems), 'warning')}")


def _hooks(repo: GitRepo) -> Iterator[Finding]:
    place = repo.path
    fix = f"trueup init --bare {place}"
    for hook in HOOKS:
        script = place / "hooks" / hook
        if not script.is_file():
            yield warning(f"hook-{hook}", f"{script} is not there: pushes are not checked", fix)
            continue
        text = script.read_text(encoding="utf-8", errors="replace")
        python = re.search(r"^exec (\S+) -P ", text, re.MULTILINE)
        if MARK not in text:
            yield skipped(f"hook-{hook}", f"{script} is somebody else's")
        elif not os.access(script, os.X_OK):
            yield failed(
                f"hook-{hook}", f"{script} is not executable: Git leaves it out without a word", f"chmod 0755 {script}"
            )
        elif python and not os.access(python[1], os.X_OK):
            yield failed(f"hook-{hook}", f"it calls {python[1]}, which is gone: every push is refused", fix)
        else:
            yield ok(f"hook-{hook}", f"{script} runs")
    if repo.config("receive.advertisePushOptions") != "true":
        yield failed("push-options", "git push -o plan and -o wait fail: push options are off", fix)


__all__ = ["findings"]
