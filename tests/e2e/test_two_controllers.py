"""Two trueups that both think a host is theirs: the second says whose it is, until when, and what to do."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace

from lab import Fleet, LabHost, raw

MADE = 'kind: File\nmetadata: {name: /etc/made.conf}\nspec: {hosts: all, content: "%s\\n"}\n'


def second(first: Fleet) -> Fleet:
    """Another controller of the same hosts: its own repository and state, as on another machine."""
    folder = first.folder / "second"
    other = replace(first, folder=folder, settings={"TRUEUP_CONTROLLER_ID": "the-second"})
    folder.mkdir()
    shutil.copytree(first.bare, other.bare)
    other.git("clone", "--quiet", str(other.bare), str(other.clone))
    other.git("config", "user.name", "Bo")
    other.git("config", "user.email", "bo@example.com")
    (folder / "server.yaml").write_text("# All is said by TRUEUP_* variables.\n")
    return other


def lease(host: LabHost, until: float) -> None:
    """Let the lease end then, by the host's clock."""
    own = raw.own_file(host)
    own["lease"]["until"] = int(until)
    host.write("/var/lib/trueup/lab.json", json.dumps(own))


def test_the_second_is_told_who_holds_the_host_and_until_when(make_fleet: Callable[..., Fleet]) -> None:
    first = make_fleet(1, controller_id="the-first")
    host = first.hosts[0]
    first.write("made.yaml", MADE % "first")
    first.land()
    first.apply()
    other = second(first)
    other.write("made.yaml", MADE % "second")
    other.land()
    told = other.trueup("apply", expect=1).stdout
    assert "another trueup is responsible for it: the-first holds this host until" in told and "next: " in told
    whole = " ".join(other.trueup("status", host.name, expect=None).stdout.split())
    until = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(raw.own_file(host)["lease"]["until"]))
    assert "the-first holds this host until " + until in whole
    assert "stop one of the two, or wait until the lease ends" in whole
    assert host.read("/etc/made.conf") == "first\n", "nothing was done"
    first.write("made.yaml", MADE % "again")
    first.land()
    first.apply()
    assert host.read("/etc/made.conf") == "again\n", "who holds it goes on"
    lease(host, time.time() - 1)
    other.trueup("observe")
    other.apply()
    assert host.read("/etc/made.conf") == "second\n", "a lease that has ended is taken over"
    assert raw.own_file(host)["lease"]["holder"] == "the-second"


def test_two_daemons_on_one_state(fleet: Fleet) -> None:
    fleet.land()
    with fleet.serve() as daemon:
        told = fleet.trueup("serve", "--repo", str(fleet.bare), expect=1)
        assert "error[daemon-running]" in told.stderr and f"process {daemon.pid}" in told.stderr
        assert "next: " in told.stderr
