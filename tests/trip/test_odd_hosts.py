"""Hosts as they are in the world: other shells, other languages, a /tmp that runs nothing, a home that takes nothing."""

from __future__ import annotations

import json
import shlex
import subprocess
import time

import pytest

import lab
from lab import LabHost, Spec
from reconciler.core.model import Result

pytestmark = pytest.mark.hosts

EVERYTHING = """\
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
  comment: Ada IIi Lovelace
  sshKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIy5rkd8wTkd8M9VbSqgBDYPJKdT0uC1n8DzqG9e6xjb ada@desk"]
  sudo: all
---
kind: File
metadata: {name: /etc/crew.conf}
spec: {hosts: all, content: "crew = ıİşğ\\n", mode: "0640", group: crew, validate: "grep -q crew %s", onChange: "echo ran > /run/ran"}
---
kind: CronJob
metadata: {name: tidy}
spec: {hosts: all, schedule: "5 4 * * *", user: ada, command: "true"}
---
kind: Package
metadata: {name: cron}
spec: {hosts: all}
---
kind: Service
metadata: {name: cron}
spec: {hosts: all, running: true}
"""
SHELLS = {"root": "bookworm", "packages": "fish,tcsh"}
"""What only a root with other shells has."""
DEPLOY = {"user": "deploy", "sudo": "nopasswd"}
ODD: dict[str, tuple[Spec, str, str]] = {
    "noexec": (
        Spec(),
        "for at in /tmp /var/tmp /dev/shm; do mount -t tmpfs -o noexec,nosuid,nodev,mode=1777 none $at; done",
        "cp /bin/true /tmp/true; ! /tmp/true",
    ),
    "dash": (Spec(), "usermod -s /bin/dash root", "$LOGIN 'test -z \"$BASH\" && echo $0' | grep -q dash"),
    "fish": (Spec(**SHELLS), "usermod -s /usr/bin/fish root", "$LOGIN 'echo $FISH_VERSION' | grep -q [0-9]"),
    "csh": (Spec(**SHELLS), "usermod -s /bin/tcsh root", "$LOGIN 'echo $tcsh' | grep -q [0-9]"),
    "fish-user": (
        Spec(**SHELLS, **DEPLOY),
        "usermod -s /usr/bin/fish deploy",
        "$LOGIN 'echo $FISH_VERSION' | grep -q [0-9]",
    ),
    "csh-user": (Spec(**SHELLS, **DEPLOY), "usermod -s /bin/tcsh deploy", "$LOGIN 'echo $tcsh' | grep -q [0-9]"),
    "turkish": (
        Spec(),
        "printf 'LANG=tr_TR.UTF-8\\nLC_ALL=tr_TR.UTF-8\\n' | tee -a /etc/environment > /etc/default/locale",
        "$LOGIN 'echo $LC_ALL' | grep -q tr_TR",
    ),
    "ascii": (
        Spec(),
        "printf 'LANG=C\\nLC_ALL=C\\nPYTHONIOENCODING=ascii\\nPYTHONUTF8=0\\n' >> /etc/environment",
        "$LOGIN 'echo $PYTHONIOENCODING' | grep -q ascii",
    ),
    "read-only-home": (
        Spec(**DEPLOY),
        "mount --bind /home/deploy /home/deploy; mount -o remount,bind,ro /home/deploy",
        "! $LOGIN 'touch ~/x' 2>/dev/null",
    ),
    "read-only-root-home": (
        Spec(),
        "mount --bind /root /root; mount -o remount,bind,ro /root",
        "! $LOGIN 'touch ~/x' 2>/dev/null",
    ),
}
"""Name → what it is like, how it is made odd, and what shows that it is: run here, with $LOGIN for a login to it (and on
the host itself where no login is in it)."""


def is_odd(host: LabHost, proof: str) -> bool:
    if "$LOGIN" not in proof:
        return host.run(proof, check=False).returncode == 0
    login = shlex.join(host.ssh_argv())
    return subprocess.run(["bash", "-c", proof.replace("$LOGIN", login)], check=False).returncode == 0


def test_on_all_of_them_all_kinds_are_made_and_then_nothing_is_left_to_do(make_fleet):
    with lab.up([Spec(**{**vars(spec), "name": name}) for name, (spec, _, _) in ODD.items()]) as hosts:
        for name, (_, how, proof) in ODD.items():
            hosts[name].run(how)
            assert is_odd(hosts[name], proof), name
        fleet = make_fleet(hosts)
        fleet.observe(EVERYTHING)
        went = {
            name: report.trouble.why
            if report.trouble
            else [o.message for o in report.outcomes if o.result is not Result.OK]
            for name, report in fleet.act(EVERYTHING).items()
        }
        assert went == {name: [] for name in ODD}
        for host in hosts:
            assert made(host) == MADE, host.name
        fleet.observe(EVERYTHING)
        assert not fleet.plan(EVERYTHING).changes


def made(host: LabHost) -> str:
    return host.run(
        "getent passwd ada; cat /etc/crew.conf /run/ran; stat -c '%a %G' /etc/crew.conf; stat -c '%a %U' /home/ada/.ssh/authorized_keys"
    ).stdout


MADE = """\
ada:x:4101:4101:Ada IIi Lovelace:/home/ada:/bin/bash
crew = ıİşğ
ran
640 crew
600 ada
"""

FILE = 'kind: File\nmetadata: {name: /etc/x.conf}\nspec: {hosts: all, content: "x\\n"}\n'
YEARS = 10 * 365 * 86400


def set_clock(host: LabHost, ahead: int) -> None:
    """Python's clock on the host is `ahead` seconds before ours; its site module is read under -I too."""
    version = host.run("/usr/bin/python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'").stdout.strip()
    host.run(f"rm -f /usr/lib/python{version}/sitecustomize.py")
    host.write(
        f"/usr/lib/python{version}/sitecustomize.py",
        f"import time\nreal = time.time\ntime.time = lambda: real() + {ahead}\n",
    )


@pytest.mark.parametrize("ahead", [-YEARS, YEARS], ids=["past", "future"])
def test_a_host_with_another_clock_is_served_and_its_lease_goes_by_its_own(make_fleet, ahead):
    with lab.up(1) as hosts:
        host = hosts[0]
        set_clock(host, ahead)
        one, two = make_fleet(hosts, controller_id="one"), make_fleet(hosts, controller_id="two")
        before = time.time()
        reports = one.apply(FILE)
        report = reports[host.name]
        assert abs(report.facts["clockSkew"] - ahead) < 60
        assert before <= report.started <= report.ended <= time.time(), "the times of outcomes are ours"
        lease = json.loads(host.read("/var/lib/trueup/test.json"))["lease"]
        assert lease["holder"] == "one" and 0 < lease["until"] - (time.time() + ahead) <= 1800

        text = FILE.replace("x\\n", "y\\n")
        two.observe(text)
        assert two.act(text)[host.name].trouble.code == "leased"
        set_clock(host, ahead + 1900)  # half an hour later there
        assert two.act(text)[host.name].trouble is None
        # Its clock is put right. A lease that was written in the future counts for nothing, one in the past has ended.
        set_clock(host, 0)
        one.observe(FILE)
        assert one.act(FILE)[host.name].trouble is None
        assert host.read("/etc/x.conf") == "x\n"
