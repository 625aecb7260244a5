"""From a push to *converged*, by the running daemon: 3 lab hosts, one file of each changed, default waves."""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import lab
from lab import Fleet

from ..table import Row, seconds

RUNS = 5
WRITE = "import os; open('/etc/own.part', 'w').write('x\\n'); os.replace('/etc/own.part', '/etc/own')"


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="tub-") as name, lab.up(3) as hosts:
        fleet = Fleet(
            hosts=hosts, folder=Path(name), key=hosts[0].key, settings={"TRUEUP_LOG_FORMAT": "json"}
        )  # fmt: skip
        fleet.make()
        fleet.inventory()
        fleet.write("trueup.yaml", "kind: Fleet\nmetadata: {name: lab}\nspec: {mode: enforce}\n")
        fleet.write("hello.yaml", manifest(0))
        fleet.land()
        with fleet.serve():
            fleet.trueup("wait", expect=None)
            whole, rest, waves = [], [], 0
            for number in range(1, RUNS + 1):
                fleet.write("hello.yaml", manifest(number))
                commit = fleet.commit()
                fleet.push()
                ended, waves = converged(fleet, commit)
                moved = (fleet.bare / "refs/heads/main").stat().st_mtime
                assert all(host.read("/etc/hello") == f"{number}" for host in hosts)
                own = statistics.median(seconds(lambda: write(fleet, hosts[0])) for _ in range(3))
                whole.append(ended - moved)
                rest.append(ended - moved - waves * own)
        yield Row.at_most(
            "push → converged, 3 hosts, one file: all but the hosts' own work", statistics.median(rest), 1.0, "s",
            f"median of {RUNS}: from the moment the branch moves to the end of the round whose re-reading found all three "
            f"converged ({statistics.median(whole):.2f} s in {waves} waves, one after the other), less one plain `ssh HOST "
            "python3` a wave that writes such a file over an open connection, timed beside it; the files were read",
        )  # fmt: skip


def manifest(number: int) -> str:
    return f"kind: File\nmetadata: {{name: /etc/hello}}\nspec: {{hosts: all, content: '{number}'}}\n"


def converged(fleet: Fleet, commit: str) -> tuple[float, int]:
    """When the round ended that brought the fleet to `commit` (seconds since 1970), and how many waves it had."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        waves, mine = 0, False
        for line in fleet.log.read_text().splitlines():
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("event") == "wave":
                mine = event["commit"] == commit
                waves = event["of"]
            elif event.get("event") == "round-end" and mine:
                assert event["verdict"] == "converged", event
                return datetime.fromisoformat(event["time"]).timestamp(), waves
        time.sleep(0.02)
    raise TimeoutError(f"{commit} was not reached")


def write(fleet: Fleet, host: lab.LabHost) -> None:
    """The same work by hand, over a connection that is open already."""
    way = ["ssh", "-F", "/dev/null", "-o", "ControlMaster=auto", "-o", f"ControlPath={fleet.folder}/own", "-o",
           "ControlPersist=60s", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i", str(host.key)]  # fmt: skip
    subprocess.run([*way, f"root@{host.address}", f'python3 -I -c "{WRITE}"'], check=True, capture_output=True)
