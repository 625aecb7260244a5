"""One fleet of three Debian releases, with Python 3.9, 3.11 and 3.13: made so, mended, and taken away again."""

from __future__ import annotations

import json

import pytest

import lab
from lab import LabHost, Spec

pytestmark = pytest.mark.hosts

RELEASES = {"bullseye": "3.9", "bookworm": "3.11", "trixie": "3.13"}
ADA = """\
kind: User
metadata: {name: ada}
spec:
  hosts: all
  uid: 2101
  comment: Ada Lovelace
  shell: /bin/bash
  groups: [operators]
  sshKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIy5rkd8wTkd8M9VbSqgBDYPJKdT0uC1n8DzqG9e6xjb ada@desk"]
  sudo: all
"""
EVERYTHING = f"""\
kind: Group
metadata: {{name: operators}}
spec: {{hosts: all, gid: 2001}}
---
{ADA}---
kind: File
metadata: {{name: /etc/motd}}
spec: {{hosts: all, content: "This is {{{{ host }}}}\\n", template: true, owner: root, group: root, mode: "0644"}}
---
kind: File
metadata: {{name: /srv/app}}
spec: {{hosts: all, state: directory, owner: ada, group: operators, mode: "2775"}}
---
kind: File
metadata: {{name: /srv/app/current}}
spec: {{hosts: all, target: releases/7, dependsOn: [File//srv/app]}}
---
kind: CronJob
metadata: {{name: tidy.tmp}}
spec: {{hosts: all, schedule: 15 4 * * *, user: ada, command: find /var/tmp -mtime +30 -delete, env: {{MAILTO: ""}}}}
---
kind: Package
metadata: {{name: base}}
spec: {{hosts: all, names: [sudo, cron]}}
---
kind: Service
metadata: {{name: cron}}
spec: {{hosts: all, running: true}}
"""
BEA = "kind: User\nmetadata: {name: bea}\nspec: {hosts: all, sudo: all}\n"


def python_of(host: LabHost) -> str:
    return host.run("/usr/bin/python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'").stdout.strip()


def test_all_kinds_on_every_release(make_fleet):
    with lab.up([Spec(name=release, root=release) for release in RELEASES]) as hosts:
        assert {host.name: python_of(host) for host in hosts} == RELEASES
        fleet = make_fleet(hosts)
        fleet.apply(EVERYTHING)
        assert [host.run(STATE).stdout for host in hosts] == [MADE.format(host=host.name) for host in hosts]

        for host in hosts:
            host.run(BY_HAND)
        fleet.apply(EVERYTHING)
        assert [host.run(STATE).stdout for host in hosts] == [MADE.format(host=host.name) for host in hosts]
        fleet.observe(EVERYTHING)
        assert not fleet.plan(EVERYTHING).changes

        fleet.apply(BEA)
        assert [host.run(STATE, check=False).stdout for host in hosts] == [
            GONE.format(host=host.name) for host in hosts
        ]
        for host in hosts:
            own = json.loads(host.read("/var/lib/trueup/test.json"))
            assert {(one["kind"], one["name"]) for one in own["owned"] if one["origin"] == "created"} == {
                ("User", "bea")
            }


BY_HAND = """\
usermod -s /bin/sh ada; gpasswd -d ada operators; echo x > /etc/motd; chmod 0700 /srv/app; rm /srv/app/current
sed -i s/delete/print/ /etc/cron.d/*tidy*; : > /home/ada/.ssh/authorized_keys
start-stop-daemon --stop --quiet --retry 10 --name cron
"""
STATE = """\
getent passwd ada | cut -d: -f3,4,7; getent group operators; cat /etc/motd; stat -c '%a %U %G' /srv/app; readlink /srv/app/current
grep -hv '^#' /etc/cron.d/*tidy*; wc -l < /home/ada/.ssh/authorized_keys; pgrep -cx cron; dpkg -s cron sudo | grep -c ' installed$'
"""
MADE = """\
2101:2101:/bin/bash
operators:x:2001:ada
This is {host}
2775 ada operators
releases/7
MAILTO=""
15 4 * * * ada find /var/tmp -mtime +30 -delete
1
1
2
"""
GONE = """\
2101:2101:/bin/bash
This is {host}
1
2
"""
"""The account is locked and stays, and so does what was found: the message of the day, the packages, the service."""
