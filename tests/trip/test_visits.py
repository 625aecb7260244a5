"""Visits to real hosts: what a round does, what it leaves, and what it remembers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reconciler.core.model import Absent, Origin, Present, Result
from reconciler.trip import ssh, wire

pytestmark = pytest.mark.hosts

PEOPLE = """\
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
  groups: [crew]
  sshKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIy5rkd8wTkd8M9VbSqgBDYPJKdT0uC1n8DzqG9e6xjb ada@desk"]
---
kind: File
metadata: {name: /etc/crew.conf}
spec: {hosts: all, content: "crew = ada\\n", mode: "0640", group: crew}
---
kind: CronJob
metadata: {name: tidy}
spec: {hosts: all, schedule: "5 4 * * *", user: ada, command: "true"}
"""

ONE_FAILS = """\
kind: File
metadata: {name: /etc/checked.conf}
spec: {hosts: all, content: "x\\n", validate: "grep -q y %s"}
---
kind: File
metadata: {name: /etc/after.conf}
spec: {hosts: all, content: "x\\n", dependsOn: [File//etc/checked.conf]}
---
kind: File
metadata: {name: /etc/beside.conf}
spec: {hosts: all, content: "x\\n"}
"""
"""Where the first fails, what depends on it is left out, and what is beside it is done."""


def test_a_look_reads_and_writes_nothing(fleet):
    reports = fleet.observe(PEOPLE)
    for host in fleet.lab:
        report = reports[host.name]
        assert report.trouble is None, report.trouble
        assert len(report.readings) == 4 and {type(r.seen) for r in report.readings} == {Absent}
        assert report.owned == () and report.machine_id == host.machine_id
        assert report.facts["os"].startswith("Debian") and abs(report.facts["clockSkew"]) < 5
        assert host.run("ls /var/lib/trueup").stdout == ""


def test_a_round_makes_it_so_and_a_second_finds_nothing_to_do(fleet):
    reports = fleet.apply(PEOPLE)
    for host in fleet.lab:
        assert host.run("id ada").stdout.startswith("uid=4101(ada)")
        assert host.run("stat -c '%a %G' /etc/crew.conf; cat /etc/crew.conf").stdout == "640 crew\ncrew = ada\n"
        assert "AAAAC3NzaC1lZDI1NTE5" in host.read("/home/ada/.ssh/authorized_keys")
        own = json.loads(host.read("/var/lib/trueup/test.json"))
        assert [(o["kind"], o["name"], o["origin"]) for o in own["owned"]] == [
            ("CronJob", "tidy", "created"), ("File", "/etc/crew.conf", "created"),
            ("Group", "crew", "created"), ("User", "ada", "created"),
        ]  # fmt: skip
        assert not any("pending" in entry for entry in own["owned"])
        assert own["lease"]["holder"] == fleet.settings.controller_id and own["machineId"] == host.machine_id
        assert host.run("stat -c '%a %U' /var/lib/trueup/test.json").stdout == "600 root\n"
        assert {mine.origin for mine in reports[host.name].owned} == {Origin.CREATED}
    fleet.observe(PEOPLE)
    assert fleet.plan(PEOPLE).changes == ()
    assert fleet.settings.known_hosts.read_text() == ""  # committed keys pin nobody
    fleet.trip.behind.settle()
    assert list((fleet.folder / "runs").iterdir()) == [fleet.trip.warm.at]  # of the runs nothing is left


def test_a_host_that_moved_on_since_it_was_seen_is_left_alone(fleet):
    text = 'kind: File\nmetadata: {name: /etc/stale.conf}\nspec: {hosts: all, content: "from git\\n"}\n'
    fleet.observe(text)
    first, second = fleet.lab
    first.write("/etc/stale.conf", "by hand\n")
    second.write("/etc/stale.conf", "from git\n")
    reports = fleet.act(text)
    (stale,) = reports[first.name].outcomes
    assert stale.result is Result.STALE and first.read("/etc/stale.conf") == "by hand\n"
    (made,) = reports[second.name].outcomes  # right, but by whom? it is looked at anew, and adopted
    assert made.result is Result.STALE and not made.changed
    assert isinstance(fleet.seen[stale.key], Present)


def test_a_failure_stops_what_depends_on_it_and_nothing_else(fleet):
    fleet.observe(ONE_FAILS)
    for host in fleet.lab:
        outcomes = {o.key.name: o for o in fleet.act(ONE_FAILS, (host.name,))[host.name].outcomes}
        assert outcomes["/etc/checked.conf"].result is Result.FAILED
        assert "grep exited 1" in outcomes["/etc/checked.conf"].message
        assert outcomes["/etc/after.conf"].result is Result.SKIPPED
        assert outcomes["/etc/beside.conf"].result is Result.OK
        assert not host.exists("/etc/checked.conf") and not host.exists("/etc/after.conf")
        own = json.loads(host.read("/var/lib/trueup/test.json"))["owned"]
        assert {entry["name"] for entry in own} & {"/etc/checked.conf", "/etc/after.conf"} == set()


def test_on_change_runs_once_after_its_change(fleet):
    text = """\
kind: File
metadata: {name: /etc/watched.conf}
spec: {hosts: all, content: "1\\n", onChange: "echo ran >> /root/ran; echo noise; sleep 60 &"}
"""
    fleet.apply(text)
    fleet.observe(text)
    assert not fleet.act(text)[fleet.lab[0].name].outcomes
    for host in fleet.lab:
        assert host.read("/root/ran") == "ran\n"
        assert json.loads(host.read("/var/lib/trueup/test.json"))["due"] == {}


def test_what_leaves_git_leaves_the_host(fleet):
    text = 'kind: File\nmetadata: {name: /etc/leaving.conf}\nspec: {hosts: all, content: "x\\n"}\n'
    fleet.apply(text)
    fleet.apply(PEOPLE)
    for host in fleet.lab:
        assert not host.exists("/etc/leaving.conf")
        own = json.loads(host.read("/var/lib/trueup/test.json"))["owned"]
        assert "/etc/leaving.conf" not in {entry["name"] for entry in own}


def test_closing_leaves_no_connection_and_no_folder(fleet):
    fleet.observe(PEOPLE)
    folder = ssh.control_folder(fleet.settings)
    assert len(list(folder.iterdir())) == len(fleet.lab)
    fleet.trip.close()
    assert not folder.exists()


def test_what_nothing_was_read_of_is_left_alone(fleet):
    text = 'kind: File\nmetadata: {name: /etc/unread.conf}\nspec: {hosts: all, content: "x\\n"}\n'
    fleet.observe(text)
    made = tuple(replace(visit, looks=()) for visit in fleet.visits(text))
    reports = []
    fleet.trip.go(made, reports.append, lambda host, words: None)
    for report in reports:
        (outcome,) = report.outcomes
        assert outcome.result is Result.STALE and "nothing was read" in outcome.message
        assert not fleet.lab[report.host].exists("/etc/unread.conf")
    assert len(reports) == len(fleet.lab)


def test_an_answer_that_is_too_big_is_not_even_read(fleet, monkeypatch):
    monkeypatch.setattr(wire, "MOST_SAID", 200)
    for report in fleet.observe(PEOPLE).values():
        assert report.trouble.code == "bad-answer" and "too big" in report.trouble.why
