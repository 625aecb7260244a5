"""All checks of this machine, in order. A check that itself fails is a finding, never a traceback."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ..core.problem import Refused
from ..settings import Settings
from . import machine, repository
from .finding import Finding, failed


def machine_findings(settings: Settings) -> Iterator[Finding]:
    for check in machine.CHECKS:
        yield from guarded(check.__name__.replace("_", "-"), lambda check=check: [check(settings)])  # type: ignore[misc]
    yield from guarded("repo", lambda: repository.findings(settings))


def guarded(name: str, make: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from make()
    except Refused as refused:
        problem = refused.problems[0]
        yield failed(name, problem.message, problem.hint)
    except Exception as error:
        yield failed(name, f"this check could not be made: {type(error).__name__}: {error}", "please report it")


__all__ = ["guarded", "machine_findings"]
