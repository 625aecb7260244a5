"""The checks that a command asked for: this machine's, and those of one host of the fleet.

Where a daemon runs they are its own: by the user that it is, with its keys, its limits and what its unit lets it see. Whoever
asks has other ones, and would be told of faults that nobody has.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator

from ..core.model import Host
from ..core.problem import Problem, Refused
from ..door.owner import acting
from ..settings import Settings, load
from ..tell.clean import plural
from . import machine
from .finding import Finding, Status, failed
from .way import host_findings
from .whole import guarded, machine_findings


def findings(host: str = "", repo: str = "") -> Iterator[Finding]:
    """All of this machine; with `host`, those of the way to it instead. Raises Refused for a host nobody declares."""
    given = {"TRUEUP_REPO": os.path.abspath(repo) if os.path.exists(repo) else repo} if repo else {}
    try:
        settings = load({**os.environ, **given})
    except Refused as refused:
        for problem in refused.problems:
            yield failed("settings", f"{problem.place} {problem.message}".strip(), problem.hint)
        return
    if repo:
        yield from made(settings, host)
    else:
        yield from asked(settings, host)


def asked(settings: Settings, host: str) -> Iterator[Finding]:
    """Of the daemon; where none answers, made here by the user whose the state is. Raises Refused as `findings` does."""
    told = _of_the_daemon(settings, host)
    if told is not None:
        yield from told
        return
    with acting(settings.state_dir):
        yield from made(settings, host)


def made(settings: Settings, host: str) -> Iterator[Finding]:
    """The same, made by this process. Raises Refused for a host nobody declares."""
    if host:
        declared = _declared(settings, host)
        yield from guarded("way", lambda: host_findings(settings, declared))
    else:
        yield from machine_findings(settings)


def _of_the_daemon(settings: Settings, host: str) -> list[Finding] | None:
    """None where no daemon answers that knows the question. Raises Refused as it does."""
    from .. import door

    try:
        answer = door.ask(settings, "doctor", {"host": host})
    except Refused as refused:
        codes = {problem.code for problem in refused.problems}
        if "door-denied" in codes:  # nothing else that would be found is of the daemon's
            return [machine.daemon(settings)]
        if codes & {"no-daemon", "door-silent", "door-unknown-ask"}:
            return None
        raise
    return [Finding(**{**one, "status": Status(one["status"])}) for one in answer["checks"]]


def _declared(settings: Settings, name: str) -> Host:
    """The host as the newest commit that can be read declares it."""
    from .. import manifests
    from ..acts.outside import outside_of
    from ..acts.planning import files_of

    files = files_of(settings, None, "")
    reading = manifests.read(files, manifests.load_kinds(), outside=outside_of(settings))
    if reading.desired is None:
        raise Refused(
            Problem(
                code="manifests",
                message="the repository has errors, so its hosts can't be read",
                hint="trueup check shows them",
            )
        )
    hosts = reading.desired.hosts
    if name not in hosts:
        near = difflib.get_close_matches(name, hosts, n=1)
        hint = (
            f"did you mean {near[0]}?"
            if near
            else f"the repository declares {plural(len(hosts), 'host')}: trueup status --all"
        )
        raise Refused(Problem(code="no-host", message=f"no Host is called {name}", hint=hint))
    return hosts[name]


__all__ = ["asked", "findings", "made"]
