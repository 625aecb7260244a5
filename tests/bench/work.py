"""The work that contenders do on lab hosts, in each one's own language, and the judge who reads the hosts after it.

A fifth each: accounts with a key, cron jobs, folders; two fifths files. All contenders get the same ssh settings.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import lab
from lab import Lab
from reconciler.core.diff import fields
from reconciler.core.kind import Kinds, OpContext
from reconciler.core.model import Absent, Action, Change, Host, Key, Look, Meaning, Reason, Report, State, Visit, digest
from reconciler.manifests.kinds import load_kinds
from reconciler.settings import Settings
from reconciler.trip import AnsibleTrip

KEX = "^curve25519-sha256"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIy5rkd8wTkd8M9VbSqgBDYPJKdT0uC1n8DzqG9e6xjb"
FORKS = 20


class NoSecrets:
    def open(self, host: str, value: State) -> bytes:
        raise KeyError(value)


def wanted(count: int) -> list[tuple[str, str, State]]:
    """Kind, name and spec of `count` resources."""
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


class Bench:
    """Fresh hosts, and the files by which contenders reach them."""

    def __init__(self, folder: Path, hosts: Lab, work: list[tuple[str, str, State]]) -> None:
        self.folder, self.hosts, self.work = folder, hosts, work
        self.kinds: Kinds = load_kinds()
        self.known = folder / "known"
        self.known.write_text("".join(f"{h.address} {key}\n" for h in hosts for key in h.host_keys))
        self.inventory = folder / "hosts.json"
        ways = {
            h.name: {"ansible_host": h.address, "ansible_user": "root", "ansible_ssh_private_key_file": str(h.key)}
            for h in hosts
        }
        self.inventory.write_text(json.dumps({"all": {"hosts": ways}}))
        ssh = f"-o ControlMaster=auto -o ControlPersist=120s -o KexAlgorithms={KEX} -o UserKnownHostsFile={self.known}"
        self.env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder), "LANG": "C.UTF-8",
            "ANSIBLE_SSH_ARGS": ssh, "ANSIBLE_PIPELINING": "1", "ANSIBLE_FORKS": str(FORKS),
            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        }  # fmt: skip
        settings = Settings(
            state_dir=folder / "state", run_dir=folder / "run", ssh_key=hosts[0].key, kex=KEX, forks=FORKS
        )
        self.trip = AnsibleTrip(self.kinds, settings, NoSecrets())
        inventory = [Host(name=h.name, address=h.address, host_keys=h.host_keys) for h in hosts]
        self.looks = [Visit(host=host, looks=self._looks(host), fleet="bench") for host in inventory]
        self.firsts = self.making(work)

    # ---- trueup

    def _context(self, host: Host) -> OpContext:
        return OpContext(host=host, fleet="bench", secrets_key="00" * 32)

    def _looks(self, host: Host) -> tuple[Look, ...]:
        ctx = self._context(host)
        return tuple(
            Look(
                key=Key(host.name, kind, name),
                request=self.kinds[kind].look(name, self.kinds[kind].normal(name, spec), ctx),
            )
            for kind, name, spec in self.work
        )

    def making(self, work: list[tuple[str, str, State]]) -> list[Visit]:
        """Visits that make `work`, a part of all of it."""
        return [self._first(visit, work) for visit in self.looks]

    def _first(self, visit: Visit, work: list[tuple[str, str, State]]) -> Visit:
        changes = []
        for kind, name, given in work:
            spec = self.kinds[kind].normal(name, given)
            want = Meaning(spec=spec, digest=digest(spec))
            changes.append(
                Change(
                    key=Key(visit.host.name, kind, name), action=Action.CREATE, reason=Reason.NEW_IN_GIT,
                    fields=fields(self.kinds[kind], want, Absent()), want=want,
                )
            )  # fmt: skip
        ctx = self._context(visit.host)
        ops = {change.key: self.kinds[change.key.kind].ops(change, ctx) for change in changes}
        return replace(visit, changes=tuple(changes), ops=ops)

    def go(self, visits: list[Visit]) -> None:
        reports: list[Report] = []
        self.trip.go(visits, reports.append, lambda host, words: None)
        assert len(reports) == len(visits)
        for report in reports:
            assert report.trouble is None, report.trouble
            assert all(outcome.result.value == "ok" for outcome in report.outcomes), report.outcomes

    def ready(self) -> None:
        """As a controller is that has looked at its hosts: their Pythons are known, bundles are made (once a version),
        Ansible is imported. The connections are new again."""
        self.go(self.looks)
        self.trip.batch.bundler.bundle(
            frozenset(op.module for ops in self.firsts[0].ops.values() for op in ops),
            frozenset(kind for kind, _, _ in self.work),
            self.trip.batch.pythons.of(self.looks[0].host.name),
        )
        self.trip.hang_up()

    def apply(self) -> None:
        self.go(self.firsts)

    # ---- the others

    def run(self, argv: list[str], **more: str) -> None:
        done = subprocess.run(argv, env={**self.env, **more}, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, (argv, done.stdout[-3000:], done.stderr[-3000:])

    def ping(self, name: str = "ping") -> None:
        """By connections of its own; the same `name` again finds them open."""
        control = {"ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / name)}
        self.run(["ansible", "all", "-m", "ping", "-i", str(self.inventory)], **control)

    def script(self) -> str:
        """The work as a shell script: what no tool can be much faster than."""
        lines = ["set -e"]
        for kind, name, spec in self.work:
            if kind == "User":
                home = f"/home/{name}"
                lines += [
                    f"useradd -m -u {spec['uid']} -s {spec['shell']} -p '*' {name}",
                    f"mkdir -m 700 {home}/.ssh",
                    f"printf '%s\\n' {shlex.quote(spec['sshKeys'][0])} > {home}/.ssh/authorized_keys",
                    f"chmod 600 {home}/.ssh/authorized_keys",
                    f"chown -R {name}:{name} {home}/.ssh",
                ]
            elif kind == "CronJob":
                path = f"/etc/cron.d/trueup-{name}"
                lines.append(f"printf '%s\\n' {shlex.quote(cron_line(spec))} > {path}.part")
                lines.append(f"mv {path}.part {path}")
            elif "content" in spec:
                lines.append(f"printf %s {shlex.quote(spec['content'])} > {name}.part")
                lines.append(f"chmod {spec['mode']} {name}.part; mv {name}.part {name}")
            else:
                lines.append(f"mkdir -p -m {spec['mode']} {name}")
        return "\n".join(lines) + "\n"

    def parallel_ssh(self) -> None:
        text = self.script()
        argv = ["ssh", "-F", "/dev/null", "-o", f"KexAlgorithms={KEX}", "-o", f"UserKnownHostsFile={self.known}"]

        def one(host: lab.LabHost) -> None:
            way = [*argv, "-o", "BatchMode=yes", "-i", str(host.key), f"root@{host.address}", "sh"]
            subprocess.run(way, input=text, text=True, capture_output=True, check=True)

        with ThreadPoolExecutor(FORKS) as pool:
            list(pool.map(one, self.hosts))

    def playbook(self) -> Path:
        """The work as somebody writes it for Ansible: one task a resource, and two more for a key."""
        tasks: list[dict[str, object]] = []
        for kind, name, spec in self.work:
            if kind == "User":
                home = f"/home/{name}"
                tasks += [
                    {"ansible.builtin.user": {"name": name, "uid": spec["uid"], "shell": spec["shell"], "password": "*"}},
                    {"ansible.builtin.file": {"path": f"{home}/.ssh", "state": "directory", "mode": "0700", "owner": name}},
                    {"ansible.builtin.copy": {"dest": f"{home}/.ssh/authorized_keys", "content": f"{spec['sshKeys'][0]}\n",
                                              "mode": "0600", "owner": name}},
                ]  # fmt: skip
            elif kind == "CronJob":
                minute, hour, *_ = spec["schedule"].split()
                job = {"name": name, "user": spec["user"], "job": spec["command"], "minute": minute, "hour": hour}
                tasks.append({"ansible.builtin.cron": {**job, "cron_file": f"trueup-{name}"}})
            elif "content" in spec:
                file = {"dest": name, "content": spec["content"], "mode": spec["mode"]}
                tasks.append({"ansible.builtin.copy": file})
            else:
                tasks.append({"ansible.builtin.file": {"path": name, "state": "directory", "mode": spec["mode"]}})
        path = self.folder / "site.json"
        path.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
        return path

    def deploy(self) -> tuple[Path, Path]:
        """The work for pyinfra: its inventory and its deploy."""
        lines = ["from io import StringIO", "from pyinfra.operations import files, server"]
        for kind, name, spec in self.work:
            if kind == "User":
                words = f"uid={spec['uid']}, shell={spec['shell']!r}, home='/home/{name}', create_home=True"
                lines.append(f"server.user(user={name!r}, {words}, public_keys={list(spec['sshKeys'])!r})")
            elif kind == "CronJob":
                source = f"StringIO({cron_line(spec) + chr(10)!r})"
                lines.append(f"files.put(src={source}, dest='/etc/cron.d/trueup-{name}', mode='644')")
            elif "content" in spec:
                lines.append(f"files.put(src=StringIO({spec['content']!r}), dest={name!r}, mode='644')")
            else:
                lines.append(f"files.directory(path={name!r}, mode='755')")
        ways = [
            (h.address, {"ssh_user": "root", "ssh_key": str(h.key), "ssh_known_hosts_file": str(self.known)})
            for h in self.hosts
        ]
        (self.folder / "inventory.py").write_text(f"hosts = {ways!r}\n")
        (self.folder / "deploy.py").write_text("\n".join(lines) + "\n")
        return self.folder / "inventory.py", self.folder / "deploy.py"

    # ---- the judge

    def verify(self) -> None:
        """Read every host: all resources are there, with what is in them."""
        lines = ["set -e"]
        for kind, name, spec in self.work:
            if kind == "User":
                keys = f"/home/{name}/.ssh/authorized_keys"
                lines.append(f"[ \"$(id -u {name}) $(stat -c '%U %a' {keys})\" = '{spec['uid']} {name} 600' ]")
                lines.append(f"grep -qF {shlex.quote(spec['sshKeys'][0])} {keys}")
            elif kind == "CronJob":
                lines.append(f"grep -qF {shlex.quote(cron_line(spec))} /etc/cron.d/trueup-{name}")
            elif "content" in spec:
                lines.append(f"printf %s {shlex.quote(spec['content'])} | cmp -s - {name}")
                lines.append(f"[ $(stat -c 0%a {name}) = {spec['mode']} ]")
            else:
                lines.append(f"[ \"$(stat -c '%F 0%a' {name})\" = 'directory {spec['mode']}' ]")
        for host in self.hosts:
            host.run("sh -xc " + shlex.quote("\n".join(lines)))


def cron_line(spec: State) -> str:
    return f"{spec['schedule']} {spec['user']} {spec['command']}"


@contextmanager
def bench(hosts: int, work: list[tuple[str, str, State]]) -> Iterator[Bench]:
    """Fresh hosts, gone after it."""
    with tempfile.TemporaryDirectory(prefix="tub-") as name, lab.up(hosts) as up:
        made = Bench(Path(name), up, work)
        try:
            yield made
        finally:
            made.trip.close()


CORE = "ansible-core==2.19.14"
"""For peers that are Ansible's."""


def peer(name: str, *packages: str) -> Path:
    """The folder of the programs of a peer, in a venv of its own that is kept for the next bench."""
    place = Path(__file__).parents[2] / "build" / "peers" / name
    marker = place / "packages.txt"
    if not marker.exists() or marker.read_text() != " ".join(packages):
        quiet: Callable[[list[str]], object] = lambda argv: subprocess.run(argv, check=True, capture_output=True)  # noqa: E731
        quiet([sys.executable, "-m", "venv", "--clear", str(place)])
        quiet([str(place / "bin" / "pip"), "install", *packages])
        marker.write_text(" ".join(packages))
    return place / "bin"
