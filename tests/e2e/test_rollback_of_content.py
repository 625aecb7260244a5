"""A site of another repository put back to a version that was tidied meanwhile, or that must not be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from lab import Fleet, LabHost
from reconciler.outside.keeper import Sources
from reconciler.outside.tidying import BEFORE
from reconciler.settings import load
from reconciler.world import World
from tests.gits import Git
from tests.gits import docs as docs
from tests.gits import make_git as make_git
from tests.gits import own_git_world as own_git_world

from .test_rollback import shown

SITE = """\
kind: Site
metadata: {{name: docs}}
spec:
  hosts: all
  domains: [docs.example.com]
  keep: 2
  from: {{git: {docs}, ref: {ref}}}
"""
COUNT = 8


def tidy(fleet: Fleet, before: int = BEFORE) -> None:
    """As the daemon does, of what would be older than an hour by then."""
    settings = load(fleet.environment())
    world = World.open(settings)
    try:
        world.read(world.repo.tip())
        assert world.knows_sources()
        Sources.of(settings, settings.state_dir).tidy(world.sources(), world.contents(), recent=-1, before=before)
    finally:
        world.close()


def versions(fleet: Fleet) -> dict[str, str]:
    """Version → what going back to it takes, the newest first."""
    told = json.loads(fleet.trueup("rollback", "docs", "--list", "--format", "json").stdout)
    return {one["version"]: one["back"]["how"] for one in told["versions"]}


def test_what_is_put_back_stays_and_what_went_has_to_be_fetched_again(
    make_fleet: Callable[..., Fleet], docs: Git, tmp_path: Path
) -> None:
    fleet: Fleet = make_fleet(1, content_from=str(tmp_path))
    host: LabHost = fleet.hosts[0]
    fleet.write("docs.yaml", SITE.format(docs=docs.folder, ref="main"))
    commits = []
    for number in range(COUNT):
        commits.append(docs.commit(str(number), index_dot_html=f"<h1>{number}</h1>\n"))
        if number == 0:
            fleet.land("Docs")
        fleet.apply()
        assert shown(host) == f"<h1>{number}</h1>"
    how = versions(fleet)
    known = list(how)
    assert list(how.values()) == ["instant"] * 2 + ["upload"] * (COUNT - 2)

    # It is sent once more: the host has dropped it long ago. Tidied, it stays, and heals from nothing.
    told = fleet.trueup("rollback", "docs", "--to", known[-1], "--why", "the first was best").stdout
    assert "no longer kept" not in told and shown(host) == "<h1>0</h1>"
    tidy(fleet)
    host.run("rm -rf /srv/trueup/sites/docs /srv/trueup/blobs")
    fleet.trueup("observe", "all", expect=None)
    fleet.apply()
    assert shown(host) == "<h1>0</h1>"

    # One that went says so, before and after it is tried, and what to do.
    fleet.trueup("rollback", "docs", "--end")
    assert shown(host) == f"<h1>{COUNT - 1}</h1>"
    assert list(versions(fleet).values()) == ["instant"] * 2 + ["upload"] * BEFORE + ["gone"]
    listed = fleet.trueup("rollback", "docs", "--list").stdout.splitlines()
    assert listed[-2].endswith("  no: 1 file is gone") and "Git has to name that version again" in listed[-1], listed
    told = fleet.trueup("rollback", "docs", "--to", known[-2], "--why", "the second was better", expect=1).stdout
    assert "1 file of it came from outside the repository and are no longer kept here" in told, told
    assert "Git has to name its version again, which fetches it" in " ".join(told.split()), told
    assert shown(host) == f"<h1>{COUNT - 1}</h1>", "the site stays on the air as it was"
    fleet.write("docs.yaml", SITE.format(docs=docs.folder, ref=commits[1]))
    fleet.land("The second version")
    fleet.apply()
    assert shown(host) == "<h1>1</h1>"

    # The last few were kept for it.
    fleet.write("docs.yaml", SITE.format(docs=docs.folder, ref="main"))
    fleet.land("The newest")
    fleet.apply()
    told = fleet.trueup("rollback", "docs", "--to", known[3], "--why", "a good one").stdout
    assert "no longer kept" not in told and shown(host) == f"<h1>{COUNT - 4}</h1>"

    # What is gone here is no matter where the host still has it.
    docs.commit("the last", index_dot_html="<h1>last</h1>\n")
    fleet.trueup("rollback", "docs", "--end")
    fleet.apply()
    tidy(fleet, before=0)
    assert [*versions(fleet).values()][:3] == ["instant", "instant", "gone"]
    told = fleet.trueup("rollback", "docs", "--why", "the last was none").stdout
    assert "no longer kept" not in told and shown(host) == f"<h1>{COUNT - 4}</h1>"
