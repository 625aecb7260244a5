"""kill -9 in the middle of a round: the next start finishes it, loses nothing and does nothing twice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from lab import Fleet, LabHost

SLOW = """\
kind: File
metadata: {name: /etc/slow}
spec:
  hosts: all
  content: "v%d\\n"
  onChange: echo run >> /srv/runs; sleep 2
"""


def until(what: Callable[[], bool], limit: float = 40) -> None:
    end = time.monotonic() + limit
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def runs(host: LabHost) -> int:
    return host.run("cat /srv/runs 2>/dev/null", check=False).stdout.count("run")


def test_the_next_start_finishes(fleet: Fleet) -> None:
    fleet.write("slow.yaml", SLOW % 1)
    for number in range(5):
        fleet.write(
            f"f{number}.yaml",
            f'kind: File\nmetadata: {{name: /etc/f{number}}}\nspec: {{hosts: all, content: "{number}\\n"}}\n',
        )
    with fleet.serve() as daemon:
        commit = fleet.land()
        until(lambda: runs(fleet.hosts[0]) == 1)
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait(timeout=30)
    with fleet.serve():
        fleet.trueup("wait", commit)
        for host in fleet.hosts:
            assert host.read("/etc/slow") == "v1\n"
            assert [host.read(f"/etc/f{number}") for number in range(5)] == [f"{number}\n" for number in range(5)]
            assert runs(host) == 1, "the effect was doubled"
        assert fleet.trueup("plan", expect=0)


def test_a_daemon_asked_to_stop_ends_well(fleet: Fleet) -> None:
    fleet.write("slow.yaml", SLOW % 1)
    with fleet.serve() as daemon:
        fleet.land()
        until(lambda: runs(fleet.hosts[0]) == 1)
        daemon.terminate()
        assert daemon.wait(timeout=30) in (0, 130, -signal.SIGTERM)
    fleet.apply()
    assert [runs(host) for host in fleet.hosts] == [1, 1]
