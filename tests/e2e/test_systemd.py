"""A host that systemd runs: units of our own, started, enabled, and restarted when what they load changes."""

from __future__ import annotations

from collections.abc import Callable

from lab import Fleet, Spec

UNIT = """\
kind: File
metadata: {name: hello-unit}
spec:
  hosts: all
  path: /etc/systemd/system/hello.service
  content: |
    [Service]
    ExecStart=/bin/sh -c 'echo started >> /srv/starts; exec sleep infinity'
    [Install]
    WantedBy=multi-user.target
  onChange: systemctl daemon-reload
---
kind: File
metadata: {name: hello-conf}
spec: {hosts: all, path: /etc/hello.conf, content: "level=%d\\n"}
---
kind: Service
metadata: {name: hello}
spec:
  hosts: all
  running: true
  enabled: true
  restartOn: [File/hello-conf]
  dependsOn: [File/hello-unit]
"""


def test_a_service_follows_its_files(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(Spec(root="bookworm", systemd=True))
    (host,) = fleet.hosts
    fleet.write("hello.yaml", UNIT % 1)
    fleet.land()
    fleet.apply()
    assert host.run("systemctl is-active hello; systemctl is-enabled hello").stdout.split() == ["active", "enabled"]
    assert host.read("/srv/starts") == "started\n"
    fleet.write("hello.yaml", UNIT % 2)
    fleet.land()
    fleet.apply()
    assert host.read("/etc/hello.conf") == "level=2\n"
    assert host.read("/srv/starts") == "started\n" * 2
    host.run("systemctl stop hello; systemctl disable hello")
    fleet.trueup("observe")
    fleet.apply()
    assert host.run("systemctl is-active hello; systemctl is-enabled hello").stdout.split() == ["active", "enabled"]
    assert fleet.trueup("plan", expect=0)
