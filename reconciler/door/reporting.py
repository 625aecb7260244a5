"""Reports: questions over the whole fleet, each a folder of reports/."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..core.model import Desired, Json
from ..core.problem import Problem, Refused
from .looking import commit_json, in_force, stand, text

if TYPE_CHECKING:
    from ..world import World

Args = Mapping[str, Json]


def reports(world: World, args: Args) -> dict[str, Json]:
    """The reports that there are."""
    from reports import folders

    from ..store.report import read

    found = [read(name) for name in folders()]
    return {
        "format": 1,
        "reports": [{"name": one.name, "title": one.title, "description": one.description} for one in found],
    }


def report(world: World, args: Args) -> dict[str, Json]:
    """One report, answered now: columns, rows, and how old what it rests on is."""
    from reports import folders

    from ..clock import rfc3339
    from ..store.report import answer, read

    name = text(args, "report") or text(args, "name")
    if name not in folders():
        known = ", ".join(folders())
        raise Refused(
            Problem(code="unknown-report", message=f"there is no report {name[:100]}", hint=f"the reports are {known}")
        )
    desired = in_force(world) or Desired()
    problems = world.read(desired.commit.id)[1].problems if desired.commit.id else ()
    view, stood = stand(world, desired)
    oldest, _, never = stood.all.seen
    return {
        "format": 1,
        "report": name,
        "now": rfc3339(world.now()),
        "fleet": desired.policy.name,
        "commit": commit_json(desired.commit),
        "hosts": len(desired.hosts),
        "neverSeen": never,
        "oldestLook": rfc3339(oldest),
        **answer(view, read(name), problems, world.now()),
    }
