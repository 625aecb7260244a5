"""The checks that a command asked for: this machine's, and those of one host of the fleet."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator

from ..core.model import Host
from ..core.problem import Problem, Refused
from ..settings import Settings, load
from ..tell.clean import plural
from .finding import Finding, failed
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
    if host:
        declared = _declared(settings, host)
        yield from guarded("way", lambda: host_findings(settings, declared))
    else:
        yield from machine_findings(settings)


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


__all__ = ["findings"]
