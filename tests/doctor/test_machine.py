"""Faults of a set-up, each provoked here, and found by the doctor with a fix."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.doctor import Finding, Status, machine, machine_findings, repository
from reconciler.loop.lock import only_one
from reconciler.repo.hooks import make_bare
from reconciler.settings import Settings
from reconciler.world import World


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    def make(**more: Any) -> Settings:
        return Settings(**{"state_dir": tmp_path / "state", "run_dir": tmp_path / "run", **more})

    return make


def wrong(finding: Finding, status: Status = Status.FAILED) -> str:
    assert finding.status is status, finding
    assert finding.fix, "a fault without a fix helps nobody"
    return finding.says


def test_a_state_folder_that_others_can_read(settings: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    finding = machine.state_dir(settings())
    assert "open to others" in wrong(finding, Status.WARNING) and finding.fix == f"chmod 0700 {tmp_path}/state"
    (tmp_path / "state").chmod(0o700)
    assert machine.state_dir(settings()).status is Status.OK


def test_a_state_folder_of_another_user(
    settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    monkeypatch.setattr("os.access", lambda place, mode: False)  # root may write everywhere
    assert "can't be written" in wrong(machine.state_dir(settings()))


def test_a_full_disk(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 10 * 1024**2}))
    assert "GiB free" in wrong(machine.disk(settings()))


def test_a_key_that_others_can_read_and_one_that_is_not_there(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    key = tmp_path / "id"
    key.write_text("k")
    key.chmod(0o644)
    finding = machine.secret_files(settings(ssh_key=key))
    assert "can be read by others" in wrong(finding) and finding.fix == f"chmod 0600 {key}"
    assert "No such file" in wrong(machine.secret_files(settings(become_password_file=tmp_path / "nowhere")))
    key.chmod(0o600)
    assert machine.secret_files(settings(ssh_key=key)).status is Status.OK


def test_nothing_to_log_in_with(
    settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert "no key" in wrong(machine.ssh_login(settings()))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_ed25519").touch()
    assert machine.ssh_login(settings()).status is Status.OK


def test_pins_that_are_gone_while_there_is_a_state(settings: Callable[..., Settings], tmp_path: Path) -> None:
    assert machine.known_hosts(settings()).status is Status.OK
    (tmp_path / "state").mkdir()
    (tmp_path / "state/state.duckdb").touch()
    assert "is gone" in wrong(machine.known_hosts(settings()), Status.WARNING)


def test_a_state_that_looked_at_no_host_yet_has_lost_no_pins(settings: Callable[..., Settings]) -> None:
    World.open(settings()).close()
    assert settings().database.exists()
    assert machine.known_hosts(settings()).status is Status.OK
    settings().known_hosts.unlink()
    assert "is gone" in wrong(machine.known_hosts(settings()), Status.WARNING)


def test_inotify_used_up(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_inotify_instances", lambda: 10_000_000)
    finding = machine.inotify(settings())
    assert "instances of this user are taken" in wrong(finding) and "max_user_instances" in finding.fix


def test_inotify_instances_are_counted(settings: Callable[..., Settings]) -> None:
    import ctypes

    def one_more() -> int:
        before = machine._inotify_instances()
        handle = ctypes.CDLL(None).inotify_init1(os.O_CLOEXEC)
        try:
            return machine._inotify_instances() - before
        finally:
            os.close(handle)

    assert 1 in (one_more() for _ in range(50)), "others of this user come and go, too, but not between all"


def test_no_daemon_and_a_socket_that_nobody_serves(settings: Callable[..., Settings], tmp_path: Path) -> None:
    assert "no trueup serve runs" in wrong(machine.daemon(settings()), Status.WARNING)
    (tmp_path / "run").mkdir()
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(settings().socket))
    left.close()
    assert "nobody answers" in wrong(machine.daemon(settings()))


def test_a_daemon_whose_socket_is_elsewhere(settings: Callable[..., Settings], tmp_path: Path) -> None:
    with only_one(settings()):
        finding = machine.daemon(settings(run_dir=tmp_path / "other"))
    assert f"process {os.getpid()} serves" in wrong(finding) and "TRUEUP_SOCKET" in finding.fix


def test_a_configuration_that_others_can_write(settings: Callable[..., Settings], tmp_path: Path) -> None:
    place = tmp_path / "server.yaml"
    place.touch()
    place.chmod(0o666)
    assert "can be written by others" in wrong(machine.config_file(settings(), {"TRUEUP_CONFIG": str(place)}))


def test_ansible_of_another_version(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.14.0")
    assert "2.14.0" in wrong(machine.ansible(settings()))


def test_an_ssh_client_that_is_not_there(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert "no ssh" in wrong(machine.ssh_client(settings()))


def test_too_few_open_files(settings: Callable[..., Settings]) -> None:
    assert "open files" in wrong(machine.open_files(settings(forks=10_000_000)), Status.WARNING)


def test_a_page_that_would_not_be_served(settings: Callable[..., Settings], tmp_path: Path) -> None:
    finding = machine.page(settings(listen="0.0.0.0:8080"))
    assert "asks nobody" in wrong(finding) and "pageTokenFile" in finding.fix
    (tmp_path / "token").write_text("short")
    (tmp_path / "token").chmod(0o600)
    assert "openssl rand" in machine.page(settings(page_token_file=tmp_path / "token")).fix
    assert "tlsCertificate" in wrong(machine.page(settings(tls_key=tmp_path / "key")))


# ---------------------------------------------------------------- the repository


def by_name(settings: Settings) -> dict[str, Finding]:
    return {finding.check: finding for finding in repository.findings(settings)}


def test_no_repository_a_wrong_one_and_one_of_another_user(settings: Callable[..., Settings], tmp_path: Path) -> None:
    assert "no repository" in wrong(by_name(settings())["repo"])
    (tmp_path / "run").mkdir()
    settings().socket.touch()
    told = by_name(settings())["repo"]
    assert told.status is Status.SKIPPED and "the daemon has its own" in told.says
    settings().socket.unlink()
    wrong(by_name(settings(repo=str(tmp_path / "nowhere")))["repo"])
    place = make_bare(tmp_path / "fleet.git", environ={})
    for folder in [place, *place.rglob("*")]:
        os.chown(folder, 12345, 12345)
    finding = by_name(settings(repo=str(place)))["repo"]
    wrong(finding)
    assert "safe.directory" in finding.fix


def test_hooks_that_do_not_run(settings: Callable[..., Settings], tmp_path: Path) -> None:
    place = make_bare(tmp_path / "fleet.git", environ={})
    found = by_name(settings(repo=str(place)))
    assert found["hook-pre-receive"].status is found["hook-post-receive"].status is Status.OK
    assert "no branch main yet" in wrong(found["repo"], Status.WARNING)
    (place / "hooks/pre-receive").chmod(0o644)
    assert "not executable" in wrong(by_name(settings(repo=str(place)))["hook-pre-receive"])
    (place / "hooks/post-receive").unlink()
    assert "not checked" in wrong(by_name(settings(repo=str(place)))["hook-post-receive"], Status.WARNING)
    make_bare(place, environ={}, python="/opt/gone/python")
    assert "/opt/gone/python, which is gone" in wrong(by_name(settings(repo=str(place)))["hook-pre-receive"])
    subprocess.run(["git", "-C", place, "config", "receive.advertisePushOptions", "false"], check=True)
    assert "push options are off" in wrong(by_name(settings(repo=str(place)))["push-options"])


# ---------------------------------------------------------------- the whole


def test_a_check_that_fails_itself_is_a_finding(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(settings: Settings) -> Finding:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(machine, "CHECKS", (broken, machine.python))
    first, second, *_ = machine_findings(settings())
    assert first.status is Status.FAILED and "ZeroDivisionError" in first.says and second.status is Status.OK


def test_every_check_answers_on_this_machine(settings: Callable[..., Settings]) -> None:
    found = list(machine_findings(settings()))
    assert len(found) == len(machine.CHECKS) + 1
    assert not [finding for finding in found if "could not be made" in finding.says]


def test_the_manual_lists_every_check(settings: Callable[..., Settings]) -> None:
    page = (Path(__file__).parents[2] / "docs/doctor.md").read_text()
    for finding in machine_findings(settings()):
        assert f"| {finding.check} |" in page, finding.check
