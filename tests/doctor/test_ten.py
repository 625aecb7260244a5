"""The ten most common faults of a set-up, as the manual lists them: each provoked, each found by the check that is named
there, each with a fix."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import Spec
from reconciler.doctor import Finding, Status, host_findings, machine, repository
from reconciler.repo.hooks import make_bare
from reconciler.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs/doctor.md"
Make = Callable[..., Settings]


@pytest.fixture
def settings(tmp_path: Path) -> Make:
    def make(**more: Any) -> Settings:
        return Settings(**{"state_dir": tmp_path / "state", "run_dir": tmp_path / "run", **more})

    return make


def no_key(settings: Make, tmp: Path, monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    monkeypatch.setenv("HOME", str(tmp))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return [machine.ssh_login(settings())]


def open_key(settings: Make, tmp: Path, monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    (tmp / "id").write_text("k")
    (tmp / "id").chmod(0o640)
    return [machine.secret_files(settings(ssh_key=tmp / "id"))]


def not_in_the_group(settings: Make, tmp: Path, monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    (tmp / "run").mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(settings().socket))
    listener.listen()

    # root may open any socket: so that another user asks, in a process of its own.
    tmp.chmod(0o755)
    for folder in tmp.parents:
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o011)
    settings().socket.chmod(0o660)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        found = machine.daemon(settings())
        os.write(writer, "\0".join((found.check, found.status.value, found.says, found.fix)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    check, status, says, fix = os.read(reader, 4096).decode().split("\0")
    os.close(reader)
    os.close(writer)
    listener.close()
    return [Finding(check=check, status=Status(status), says=says, fix=fix)]


def no_daemon(settings: Make, tmp: Path, monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    return [machine.daemon(settings())]


def dead_hooks(settings: Make, tmp: Path, monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    place = make_bare(tmp / "fleet.git", environ={})
    (place / "hooks/pre-receive").chmod(0o644)
    subprocess.run(["git", "-C", place, "config", "receive.advertisePushOptions", "false"], check=True)
    return list(repository.findings(settings(repo=str(place))))


def anothers_repository(settings: Make, tmp: Path, monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    place = make_bare(tmp / "fleet.git", environ={})
    for folder in [place, *place.rglob("*")]:
        os.chown(folder, 12345, 12345)
    return list(repository.findings(settings(repo=str(place))))


def no_room(settings: Make, tmp: Path, monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    (tmp / "state").mkdir()
    monkeypatch.setattr("os.access", lambda place, mode: False)  # root may write everywhere
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 10 * 1024**2}))
    return [machine.state_dir(settings()), machine.disk(settings())]


HERE = {
    "there is no key to log in with": no_key,
    "others can read the key": open_key,
    "you aren't in the group trueup": not_in_the_group,
    "no `trueup serve` runs": no_daemon,
    "the hooks don't run": dead_hooks,
    "the repository is another user's": anothers_repository,
    "the state is another user's, or its disk is full": no_room,
}
ON_A_HOST = {
    "the host doesn't have the key, or it's another user's": "rm -f ~ada/.ssh/authorized_keys",
    "its host key changed": "",
    "`sudo -n` is refused": "rm -f /etc/sudoers.d/*",
}


def rows() -> dict[str, tuple[str, ...]]:
    """Fault → the checks that find it, of the manual's first table."""
    table = PAGE.read_text().partition("## The ten")[2].partition("## All")[0]
    cells = [re.split(r"\s*\|\s*", line.strip("| ")) for line in table.splitlines() if line.startswith("| ")][1:]
    return {fault: tuple(checks.split(", ")) for _, checks, fault, _ in cells}


def test_the_manual_lists_ten_and_each_is_provoked_here() -> None:
    assert len(rows()) == 10
    assert set(rows()) == set(HERE) | set(ON_A_HOST)


def assert_found(fault: str, findings: list[Finding]) -> None:
    by_check = {finding.check: finding for finding in findings}
    for check in rows()[fault]:
        finding = by_check[check]
        assert finding.status in (Status.FAILED, Status.WARNING) and finding.says and finding.fix, finding


@pytest.mark.parametrize("fault", sorted(HERE))
def test_on_this_machine(fault: str, settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_found(fault, HERE[fault](settings, tmp_path, monkeypatch))


@pytest.mark.hosts
def test_on_a_host(tmp_path: Path) -> None:
    import lab
    from reconciler.core.model import Host

    with lab.up([Spec(user="ada", sudo="nopasswd")]) as hosts:
        (there,) = hosts
        settings = Settings(
            state_dir=tmp_path / "state", run_dir=tmp_path / "run", ssh_key=there.key, connect_timeout=20
        )
        host = Host(
            name="lab-1", address=there.address, port=there.port, user="ada", become=True, host_keys=there.host_keys
        )
        assert not [one for one in host_findings(settings, host) if one.status is Status.FAILED]
        faults = dict(ON_A_HOST)
        for fault in (
            "`sudo -n` is refused",
            "the host doesn't have the key, or it's another user's",
            "its host key changed",
        ):
            command = faults.pop(fault)
            if command:
                there.run(command)
            else:
                there.new_host_key()
            assert_found(fault, list(host_findings(settings, host)))
        assert not faults
