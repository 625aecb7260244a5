"""kill -9 of what trueup has others do: the runner of Ansible beside it, and its own program on a host."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lab import Fleet, LabHost, raw

COUNTED = """\
kind: File
metadata: {name: /etc/a-counted}
spec:
  hosts: all
  content: "1\\n"
  onChange: echo run >> /srv/runs
"""
SLOW = """\
kind: File
metadata: {name: /etc/b-slow}
spec:
  hosts: all
  content: "2\\n"
  dependsOn: [File//etc/a-counted]
  validate: /srv/slow %s
"""


def until(what: Callable[[], bool], limit: float = 120) -> None:
    end = time.monotonic() + limit
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def prepare(fleet: Fleet) -> LabHost:
    host = fleet.hosts[0]
    host.write("/srv/slow", "#!/bin/sh\necho $PPID > /srv/working\nwhile [ ! -e /srv/go ]; do sleep 0.1; done\n")
    host.run("chmod 755 /srv/slow")
    fleet.write("a.yaml", COUNTED)
    fleet.write("b.yaml", SLOW)
    return host


def right(fleet: Fleet, host: LabHost) -> None:
    assert [host.read(path) for path in ("/etc/a-counted", "/etc/b-slow")] == ["1\n", "2\n"]
    assert host.read("/srv/runs") == "run\n", "the effect was doubled, or lost"
    own = raw.own_file(host)
    assert {one["name"]: one.get("pending") for one in own["owned"]} == {"/etc/a-counted": None, "/etc/b-slow": None}
    assert own["due"] == {}
    assert fleet.trueup("plan", expect=0)
    assert fleet.trueup("state", "verify").returncode == 0


def test_the_runner_is_killed_and_the_host_goes_on(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(1)
    host = prepare(fleet)
    with fleet.serve() as daemon:
        fleet.land()
        until(lambda: host.exists("/srv/working"))
        for child in descendants(daemon.pid):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        host.write("/srv/go", "")
        until(lambda: host.exists("/etc/b-slow"))
        assert daemon.poll() is None, "the daemon lives on"
        fleet.trueup("sync")
        fleet.trueup("observe")
        until(lambda: fleet.trueup("plan", expect=None).returncode == 0)
        right(fleet, host)


def test_the_hosts_own_program_is_killed_between_two_changes(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(1)
    host = prepare(fleet)
    with fleet.serve() as daemon:
        fleet.land()
        until(lambda: host.exists("/srv/working") and bool(host.read("/srv/working").strip()))
        # The program, by its own id: the parent of the check that it waits for.
        host.run("kill -9 " + host.read("/srv/working").strip())
        host.write("/srv/go", "")
        until(lambda: fleet.trueup("sync", expect=None).returncode == 0)
        fleet.trueup("observe", expect=None)
        until(lambda: host.exists("/etc/b-slow"))
        until(lambda: fleet.trueup("plan", expect=None).returncode == 0)
        assert daemon.poll() is None
        right(fleet, host)
