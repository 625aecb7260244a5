"""The way to a host, against a real sshd on this machine: each step's fault is named, nothing is pinned."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.model import Host
from reconciler.doctor import Finding, Status, host_findings
from reconciler.settings import Settings


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def way(tmp_path: Path) -> Iterator[tuple[Settings, Host]]:
    os.makedirs("/run/sshd", exist_ok=True)
    for name in ("host", "user", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    (tmp_path / "authorized").write_text((tmp_path / "user.pub").read_text())
    port = free_port()
    (tmp_path / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {tmp_path}/authorized\nPermitRootLogin yes\nPasswordAuthentication no\n"
    )
    sshd = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", tmp_path / "config"], stderr=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    settings = Settings(
        state_dir=tmp_path / "state", run_dir=tmp_path / "run", ssh_key=tmp_path / "user", connect_timeout=3
    )
    settings.state_dir.mkdir()
    yield settings, Host(name="web-1", address="127.0.0.1", port=port)
    sshd.send_signal(signal.SIGTERM)
    sshd.wait(10)


def found(settings: Settings, host: Host) -> dict[str, Finding]:
    return {finding.check: finding for finding in host_findings(settings, host)}


def test_a_good_way_is_good_at_each_step_and_nothing_is_pinned(way: tuple[Settings, Host]) -> None:
    settings, host = way
    checks = found(settings, host)
    assert list(checks) == ["resolves", "port", "host-key", "login", "host-python", "sudo", "host-clock", "host-disk"]
    assert not [finding for finding in checks.values() if finding.status is Status.FAILED], checks
    assert checks["host-key"].status is Status.WARNING and not settings.known_hosts.exists()
    committed = replace(host, host_keys=((settings.state_dir.parent / "host.pub").read_text().rsplit(" ", 1)[0],))
    assert found(settings, committed)["host-key"].status is Status.OK


def test_a_name_that_nobody_knows(way: tuple[Settings, Host]) -> None:
    settings, host = way
    checks = found(settings, replace(host, address="nohost.invalid"))
    assert list(checks) == ["resolves"] and checks["resolves"].status is Status.FAILED and checks["resolves"].fix


def test_a_port_that_is_closed_silent_or_something_else(way: tuple[Settings, Host]) -> None:
    settings, host = way
    assert "refused" in found(settings, replace(host, port=free_port()))["port"].says.lower()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        quick = replace(settings, connect_timeout=0.3)
        assert "no answer" in found(quick, replace(host, port=silent.getsockname()[1]))["port"].says


def test_a_login_that_is_refused_and_a_host_key_that_changed(way: tuple[Settings, Host]) -> None:
    settings, host = way
    folder = settings.state_dir.parent
    refused = found(replace(settings, ssh_key=folder / "other"), host)
    assert refused["login"].status is Status.FAILED and refused["login"].fix and "host-python" not in refused
    settings.known_hosts.write_text("web-1 " + (folder / "other.pub").read_text())
    changed = found(settings, host)
    assert changed["login"].status is Status.FAILED and "host key is not the one" in changed["login"].says


def test_an_address_that_would_add_a_line_to_sshs_configuration(way: tuple[Settings, Host]) -> None:
    settings, host = way
    checks = found(settings, replace(host, user="root\n  ProxyCommand touch /tmp/owned"))
    assert checks["login"].status is Status.FAILED
