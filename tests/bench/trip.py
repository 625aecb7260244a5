"""Rough ratios of visits against `ansible all -m ping` of the same hosts in the same minute. Not a test: run it by hand.

    python -m tests.bench.trip [HOSTS] [RESOURCES]

Prints seconds and ratios: a cold and a warm ping, a look, a first apply, a round that finds nothing to do (warm), each
with curve25519 as the key exchange. What apply did is read from the hosts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import lab
from reconciler.core.diff import fields
from reconciler.core.kind import Kinds, OpContext
from reconciler.core.model import Absent, Action, Change, Host, Key, Look, Meaning, Reason, Report, State, Visit, digest
from reconciler.manifests.kinds import load_kinds
from reconciler.settings import Settings
from reconciler.trip import AnsibleTrip

KEX = "^curve25519-sha256"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIy5rkd8wTkd8M9VbSqgBDYPJKdT0uC1n8DzqG9e6xjb"


class NoSecrets:
    def open(self, host: str, value: State) -> bytes:
        raise KeyError(value)


def wanted(count: int) -> list[tuple[str, str, State]]:
    """A fifth each of accounts with keys, cron jobs and folders; the rest files."""
    made: list[tuple[str, str, State]] = []
    for number in range(count):
        match number % 5:
            case 0:
                spec: State = {"uid": 5000 + number, "shell": "/bin/bash", "sshKeys": [f"{KEY} k{number}"]}
                made.append(("User", f"bench{number}", spec))
            case 1:
                made.append(("CronJob", f"job{number}", {"schedule": "5 4 * * *", "user": "root", "command": "true"}))
            case 2:
                made.append(("File", f"/srv/d{number}", {"state": "directory", "mode": "0755"}))
            case _:
                made.append(("File", f"/etc/bench{number}.conf", {"content": f"n = {number}\n" * 20, "mode": "0644"}))
    return made


def looks(kinds: Kinds, host: Host, count: int) -> tuple[Look, ...]:
    ctx = OpContext(host=host, fleet="bench", secrets_key="00" * 32)
    return tuple(
        Look(key=Key(host.name, kind, name), request=kinds[kind].look(name, kinds[kind].normal(name, spec), ctx))
        for kind, name, spec in wanted(count)
    )


def first(kinds: Kinds, visit: Visit, count: int) -> Visit:
    """The visit with everything to be made, as on a fresh host."""
    ctx = OpContext(host=visit.host, fleet="bench", secrets_key="00" * 32)
    changes = []
    for kind, name, given in wanted(count):
        spec = kinds[kind].normal(name, given)
        want = Meaning(spec=spec, digest=digest(spec))
        changes.append(
            Change(
                key=Key(visit.host.name, kind, name),
                action=Action.CREATE,
                reason=Reason.NEW_IN_GIT,
                fields=fields(kinds[kind], want, Absent()),
                want=want,
            )
        )
    ops = {change.key: kinds[change.key.kind].ops(change, ctx) for change in changes}
    return replace(visit, changes=tuple(changes), ops=ops)


def timed(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


def main(hosts: int, resources: int) -> None:
    kinds = load_kinds()
    with tempfile.TemporaryDirectory(prefix="tub-") as name, lab.up(hosts) as up:
        folder = Path(name)
        settings = Settings(state_dir=folder, run_dir=folder / "run", ssh_key=up[0].key, kex=KEX, forks=20)
        trip = AnsibleTrip(kinds, settings, NoSecrets())
        inventory = [Host(name=h.name, address=h.address, host_keys=h.host_keys) for h in up]
        visits = [Visit(host=h, looks=looks(kinds, h, resources), fleet="bench") for h in inventory]

        def go(made: list[Visit]) -> None:
            reports: list[Report] = []
            trip.go(made, reports.append, lambda host, words: None)
            assert len(reports) == len(made)
            for report in reports:
                assert report.trouble is None, report.trouble
                assert all(outcome.result.value == "ok" for outcome in report.outcomes), report.outcomes

        known = folder / "known"
        known.write_text("".join(f"{h.address} {key}\n" for h in up for key in h.host_keys))
        (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": {h.name: {
            "ansible_host": h.address, "ansible_user": "root", "ansible_ssh_private_key_file": str(h.key),
        } for h in up}}}))  # fmt: skip
        ssh = f"-o ControlMaster=auto -o ControlPersist=120s -o KexAlgorithms={KEX} -o UserKnownHostsFile={known}"
        env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": name, "LANG": "C.UTF-8",
            "ANSIBLE_SSH_ARGS": ssh, "ANSIBLE_PIPELINING": "1", "ANSIBLE_FORKS": "20", "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        }  # fmt: skip

        def ping() -> None:
            subprocess.run(
                ["ansible", "all", "-m", "ping", "-i", f"{folder}/hosts.json"], env=env, check=True, capture_output=True
            )

        rows = {"ping, cold connections": timed(ping), "ping, warm": timed(ping)}
        rows["first look (cold, source)"] = timed(lambda: go(visits))
        trip.batch.bundler.bundle(  # made once a version, not once a round
            frozenset(op.module for visit in [first(kinds, visits[0], resources)] for ops in visit.ops.values() for op in ops),
            frozenset(kind for kind, _, _ in wanted(resources)),
            trip.batch.pythons.of(inventory[0].name),
        )  # fmt: skip
        trip.close()
        rows["first apply (cold connections)"] = timed(lambda: go([first(kinds, visit, resources) for visit in visits]))
        again = [timed(lambda: go(visits)) for _ in range(3)]
        rows["nothing to do (warm)"] = sorted(again)[1]
        for host in up:
            assert host.run("grep -c ^bench /etc/passwd").stdout.strip() == str(len(range(0, resources, 5)))
            assert host.run("ls /etc/cron.d/trueup-job* | wc -l").stdout.strip() == str(len(range(1, resources, 5)))
        cold, warm = rows["ping, cold connections"], rows["ping, warm"]
        print(f"{hosts} hosts × {resources} resources")
        for label, seconds in rows.items():
            print(
                f"{label:34} {seconds:6.2f} s   ÷ ping cold {seconds / cold:5.2f}   ÷ ping warm {seconds / warm:5.2f}"
            )
        trip.close()


if __name__ == "__main__":
    words = [int(word) for word in sys.argv[1:]]
    main(*(words + [20, 50][len(words) :]))
