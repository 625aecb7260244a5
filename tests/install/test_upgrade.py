"""A newer wheel over an older one, on the older one's state: nothing is lost, the first plan is the same. And the way
back, which is refused where the state has moved on."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wheels

from lab import Fleet

FEWER_TABLES = "e49f06df6e5f4eefc11904ae7459b6cda164e5a2"


def git(*words: str) -> str:
    """What git says; empty where it knows no such commit: a shallow clone has no past."""
    done = subprocess.run([*wheels.GIT, *words], check=False, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def before() -> dict[str, str]:
    """Name → commit: the one before this one, and the last one that had fewer tables. TRUEUP_UPGRADE_FROM names another.
    Where the past isn't at hand, this commit's wheel goes over itself."""
    if chosen := os.environ.get("TRUEUP_UPGRADE_FROM"):
        return {"the chosen one": git("rev-parse", "--verify", chosen)}
    found = {"the commit before": git("rev-parse", "--verify", "--quiet", "HEAD^") or git("rev-parse", "HEAD")}
    older = git("rev-parse", "--verify", "--quiet", f"{FEWER_TABLES}^{{commit}}")
    return {**found, "the schema before": older} if older else found


def told(fleet: Fleet, *words: str, expect: int = 0) -> Any:
    return json.loads(fleet.trueup(*words, "--format", "json", expect=expect).stdout)


def gist(plan: Any) -> list[Any]:
    """What would be done, and why."""
    return sorted(
        [change["host"], change["kind"], change["name"], change["action"], change["reason"], change["fields"]]
        for change in plan["changes"]
    )


@pytest.mark.hosts
@pytest.mark.parametrize("since", sorted(before()))
def test_over_an_older_one(since: str, wheel: Path, make_fleet: Callable[[Path], Fleet], tmp_path: Path) -> None:
    place = wheels.place(tmp_path / "venv")
    old = wheels.of_commit(before()[since], tmp_path)
    fleet = make_fleet(wheels.install(old, place))
    (host,) = fleet.hosts
    for name in ("motd", "issue"):
        fleet.write(
            f"{name}.yaml", f'kind: File\nmetadata: {{name: /etc/{name}}}\nspec: {{hosts: all, content: "a\\n"}}\n'
        )
    fleet.land()
    fleet.apply()
    host.write("/etc/motd", "by hand\n")
    fleet.trueup("observe", expect=None)
    plan = told(fleet, "plan", expect=2)
    fleet.trueup("pause", "lab-1", "--why", "upgrade", expect=None)
    history = told(fleet, "history")
    pauses, pins = told(fleet, "status")["pauses"], fleet.state / "known_hosts"
    key, pinned = (fleet.state / "fleet.key").read_bytes(), pins.read_bytes() if pins.exists() else b""

    wheels.install(wheel, place)
    events = told(fleet, "history")["events"]
    assert [(event["at"], event["what"]) for event in events] == [
        (event["at"], event["what"]) for event in history["events"]
    ]
    assert told(fleet, "status")["pauses"] == pauses and len(pauses) == 1
    assert (fleet.state / "fleet.key").read_bytes() == key and (pins.read_bytes() if pins.exists() else b"") == pinned
    fleet.trueup("resume", "lab-1")
    # What another version's probe has read is Unknown until it is looked at anew: no change comes of it before.
    assert [change for change in gist(told(fleet, "plan", expect=None)) if change not in gist(plan)] == []
    fleet.trueup("observe", expect=(0, 2))
    assert gist(told(fleet, "plan", expect=2)) == gist(plan)
    with fleet.serve():
        fleet.trueup("sync", "--wait")
        assert host.read("/etc/motd") == "a\n"
    # Ownership came along: what leaves Git goes.
    fleet.remove("issue.yaml")
    fleet.land()
    fleet.apply()
    assert told(fleet, "plan")["changes"] == []

    if since == "the schema before":
        wheels.install(old, place)
        refused = fleet.trueup("status", expect=1)
        assert "error[state-newer]" in refused.stderr and "next:" in refused.stderr
        wheels.install(wheel, place)
        assert told(fleet, "plan")["changes"] == []
