"""No lock-in: batch, plain and the exported playbook by a plain ansible-playbook leave the same host, to the byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import lab
from reconciler.core.model import Result, Visit
from reconciler.trip import playbook
from tests.trip.test_visits import ONE_FAILS

pytestmark = pytest.mark.hosts

FIRST = """\
kind: User
metadata: {name: cy}
spec: {hosts: all, uid: 4103, sudo: all}
---
kind: Group
metadata: {name: crew}
spec: {hosts: all, gid: 4100}
---
kind: User
metadata: {name: ada}
spec:
  hosts: all
  uid: 4101
  shell: /bin/bash
  comment: Ada, "the first"
  groups: [crew]
  sudo: all
  passwordHash: "$6$abc$Zm9vYmFyZm9vYmFy"
  sshKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIy5rkd8wTkd8M9VbSqgBDYPJKdT0uC1n8DzqG9e6xjb ada@desk"]
---
kind: User
metadata: {name: bo}
spec: {hosts: all, uid: 4102, groups: [crew]}
---
kind: File
metadata: {name: crew.conf}
spec:
  hosts: all
  path: /etc/crew.conf
  content: |
    # {{ not a template }} {% nor this %}
      indented, "quoted", 'quoted', \\\\backslash, tab\\tend
    colon: yes #hash
  mode: "0640"
  group: crew
  onChange: echo changed >> /etc/crew.log
---
kind: File
metadata: {name: /etc/long.conf}
spec: {hosts: all, content: "LONG", validate: "grep -q x %s"}
---
kind: File
metadata: {name: /srv/deep/er/file}
spec: {hosts: all, content: "deep\\n", parents: true}
---
kind: File
metadata: {name: /srv/folder}
spec: {hosts: all, state: directory, mode: "2775", group: crew}
---
kind: File
metadata: {name: /srv/link}
spec: {hosts: all, target: /srv/folder}
---
kind: File
metadata: {name: /etc/there.conf}
spec: {hosts: all, content: "new\\n"}
---
kind: CronJob
metadata: {name: tidy.up}
spec: {hosts: all, schedule: "5 4 * * *", user: ada, command: "test 50 -gt 3", env: {MAILTO: ops@example.com}}
---
kind: Service
metadata: {name: cron}
spec: {hosts: all, running: true, enabled: true}
""".replace("LONG", "x" * 300 + " y {{ z }} ")

SECOND = """\
kind: User
metadata: {name: cy}
spec: {hosts: all, uid: 4103, sudo: all}
---
kind: Group
metadata: {name: crew}
spec: {hosts: all, gid: 4100}
---
kind: User
metadata: {name: ada}
spec: {hosts: all, uid: 4101, shell: /bin/sh, groups: [], sudo: none, sshKeys: []}
---
kind: File
metadata: {name: crew.conf}
spec: {hosts: all, path: /etc/crew.conf, content: "short, no end of line", mode: "0600", owner: ada}
---
kind: File
metadata: {name: /srv/link}
spec: {hosts: all, target: /etc}
"""


def same(hosts: lab.Lab, raw) -> None:
    first, *others = [raw(host).splitlines() for host in hosts]
    for other in others:
        assert other == first


def run_playbook(fleet, visits: tuple[Visit, ...], host: lab.LabHost, folder: Path, expect: int = 0) -> str:
    """What somebody without trueup would do: plain ansible-playbook, secrets given in a file. Gives what it said."""
    book = folder / "export.yml"
    book.write_text(playbook.export(visits, fleet.kinds))
    secrets = playbook.Secrets()
    playbook.plays(visits, fleet.kinds, secrets)
    values = {name: fleet.sealer.open(at, value).decode() for name, (at, value) in secrets.names.items()}
    (folder / "secrets.json").write_text(json.dumps(values))
    known = folder / "known"
    known.write_text("".join(f"{host.address} {key}\n" for key in host.host_keys))
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"}
    # A Unix socket's path is short (unix(7): 108 bytes), a test's folder may be long.
    env["ANSIBLE_SSH_CONTROL_PATH_DIR"] = tempfile.gettempdir()
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-playbook"), "-i", f"{host.name},", "-e", f"ansible_host={host.address}",
            "-e", f"@{folder}/secrets.json", "--private-key", str(host.key),
            "--ssh-common-args", f"-o UserKnownHostsFile={known}", "-u", "root", str(book),
        ],
        env=env, capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


def test_batch_plain_and_the_exported_playbook_leave_the_same_host(make_fleet, raw, tmp_path):
    with lab.up(3) as hosts:
        fleet = make_fleet(hosts)
        batch, plain, exported = (host.name for host in hosts)
        for host in hosts:
            host.write("/etc/there.conf", "old\n")
            host.run("chmod 600 /etc/there.conf")
        for text in (FIRST, SECOND):
            fleet.observe(text)
            made = fleet.visits(text, (exported,))
            with ThreadPoolExecutor(1) as beside:  # the machine has two cores
                elsewhere = beside.submit(run_playbook, fleet, made, hosts[2], tmp_path)
                for strategy, name in (("batch", batch), ("plain", plain)):
                    fleet.set(strategy=strategy)
                    (report,) = fleet.act(text, (name,)).values()
                    assert report.trouble is None, report.trouble
                    assert {outcome.result for outcome in report.outcomes} == {Result.OK}, report.outcomes
                elsewhere.result()
            fleet.believe(made)
            same(hosts, raw)
            fleet.observe(text)
            left = {change.key for change in fleet.plan(text).changes if change.key.host != exported}
            assert not left, f"still to do after a re-read: {left}"
            own = [json.loads(host.read("/var/lib/trueup/test.json")) for host in hosts[:2]]
            assert [(o["kind"], o["name"], o["origin"]) for o in own[0]["owned"]] == [
                (o["kind"], o["name"], o["origin"]) for o in own[1]["owned"]
            ]
            assert own[0]["due"] == own[1]["due"] == {} and own[0]["loaded"] == own[1]["loaded"]


def test_plain_tells_failures_as_batch_does(make_fleet):
    with lab.up(1) as hosts:
        fleet = make_fleet(hosts, strategy="plain")
        fleet.observe(ONE_FAILS)
        (report,) = fleet.act(ONE_FAILS).values()
        found = {outcome.key.name: outcome.result for outcome in report.outcomes}
        assert found == {
            "/etc/checked.conf": Result.FAILED, "/etc/after.conf": Result.SKIPPED, "/etc/beside.conf": Result.OK,
        }  # fmt: skip
        assert hosts[0].exists("/etc/beside.conf") and not hosts[0].exists("/etc/checked.conf")
        own = json.loads(hosts[0].read("/var/lib/trueup/test.json"))["owned"]
        assert [entry["name"] for entry in own] == ["/etc/beside.conf"]


def test_an_exported_playbook_whose_only_change_fails_ends_as_failed(make_fleet, tmp_path):
    alone = ONE_FAILS.partition("---")[0]
    with lab.up(1) as hosts:
        fleet = make_fleet(hosts)
        fleet.observe(alone)
        said = run_playbook(fleet, fleet.visits(alone), hosts[0], tmp_path, expect=2)
        assert "failed: File//etc/checked.conf" in said


def test_ansible_lint_has_nothing_to_say(make_fleet, tmp_path):
    with lab.up(1) as hosts:
        fleet = make_fleet(hosts)
        hosts[0].write("/etc/there.conf", "old\n")
        books = [tmp_path / f"export{number}.yml" for number in range(2)]
        fleet.observe(FIRST)
        for book, text in zip(books, (FIRST, SECOND), strict=True):
            book.write_text(playbook.export(fleet.visits(text), fleet.kinds))
            if text is FIRST:
                fleet.act(text)
    assert "/srv/link" in books[1].read_text()
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-lint"), "--offline", "--profile", "production", "--strict", *map(str, books)],
        capture_output=True, text=True, cwd=tmp_path, timeout=180,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8", "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 0, "".join(book.read_text() for book in books) + done.stdout + done.stderr
