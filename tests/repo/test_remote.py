"""Remotes that are followed: over file://, over SSH to a real sshd, over HTTP(S) to Git's own backend."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pygit2
import pytest

from reconciler.acts import planning
from reconciler.core.problem import Refused
from reconciler.repo import Credentials, GitRepo
from reconciler.repo.remote import is_remote, knows, ssh_host
from reconciler.settings import Settings
from tests.webs import Web, certificate, serve

MakeGit = Callable[..., Any]


def refusal(call: Callable[[], object]) -> Any:
    with pytest.raises(Refused) as refused:
        call()
    [told] = refused.value.problems
    assert told.hint
    return told


# ---------------------------------------------------------------- file://


def test_a_fetch_follows_the_branch_through_pushes_force_pushes_and_removal(make_git: MakeGit, tmp_path: Path) -> None:
    git = make_git()
    first = git.commit("first", a_dot_yaml="1\n")
    repo = GitRepo(f"file://{git.folder}", cache_dir=tmp_path / "cache")
    assert repo.remote and repo.tip() == ""
    assert repo.fetch() is True and repo.tip() == first
    assert repo.fetch() is False
    second = git.commit("second", a_dot_yaml="2\n")
    assert repo.fetch() is True and repo.files().read("a.yaml") == b"2\n" and repo.tip() == second
    git("reset", "-q", "--hard", first)
    other = git.commit("other", a_dot_yaml="3\n")
    assert repo.fetch() is True and repo.tip() == other
    git("branch", "-m", "main", "trunk")
    assert repo.fetch() is True and repo.tip() == ""
    assert repo.files("trunk").commit.id == other


def test_a_second_start_has_what_was_fetched_before(make_git: MakeGit, tmp_path: Path) -> None:
    git = make_git()
    first = git.commit("first")
    GitRepo(f"file://{git.folder}", cache_dir=tmp_path / "cache").fetch()
    shutil.rmtree(git.folder)
    again = GitRepo(f"file://{git.folder}", cache_dir=tmp_path / "cache")
    assert again.tip() == first
    assert refusal(again.fetch).code == "repo-missing"


def test_a_killed_fetchs_lock_does_not_stop_the_next(make_git: MakeGit, tmp_path: Path) -> None:
    git = make_git()
    git.commit("first")
    repo = GitRepo(f"file://{git.folder}", cache_dir=tmp_path / "cache")
    repo.fetch()
    lock = repo.path / "refs/heads/main.lock"
    lock.touch()
    os.utime(lock, (time.time() - 3600, time.time() - 3600))
    git.commit("second")
    assert repo.fetch() is True


def test_the_mirror_never_holds_the_urls_login(make_git: MakeGit, tmp_path: Path) -> None:
    repo = GitRepo("https://bot:s3cret@localhost:1/fleet.git", cache_dir=tmp_path / "cache")
    assert "s3cret" not in repo.place
    told = refusal(repo.fetch)
    assert told.code == "repo-unreachable" and "s3cret" not in told.message
    for place in repo.path.rglob("*"):
        assert "s3cret" not in str(place) and (not place.is_file() or b"s3cret" not in place.read_bytes())


@pytest.mark.parametrize("url", ["http://git.example.org/f.git", "git://git.example.org/f.git"])
def test_a_transport_that_anyone_can_read_and_change_is_refused(url: str, tmp_path: Path) -> None:
    assert refusal(lambda: GitRepo(url, cache_dir=tmp_path)).code == "repo-insecure"


def test_a_transport_that_pygit2_was_built_without_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pygit2, "features", 0)
    for url in ("ssh://git@git.example.org/f.git", "git@git.example.org:f.git", "https://git.example.org/f.git"):
        told = refusal(lambda url=url: GitRepo(url, cache_dir=tmp_path))  # type: ignore[misc]
        assert told.code == "repo-transport" and "built without" in told.message


@pytest.mark.parametrize(
    ("place", "remote"),
    [
        ("/srv/fleet.git", False),
        ("fleet", False),
        ("./a:b/c", False),
        ("git@host:fleet.git", True),
        ("host:fleet", True),
        ("ssh://h/x", True),
    ],
)
def test_what_is_a_remote(place: str, remote: bool) -> None:
    assert is_remote(place) is remote


def test_hosts_of_ssh_urls() -> None:
    assert ssh_host("git@example.org:fleet.git") == ("example.org", 22)
    assert ssh_host("ssh://git@example.org:2222/fleet.git") == ("example.org", 2222)
    assert ssh_host("https://example.org/fleet.git") is None


def test_known_hosts_lines_plain_with_port_and_hashed(tmp_path: Path) -> None:
    key = "ssh-ed25519 AAAA"
    assert knows([f"a,b {key}"], "b") and not knows([f"a,b {key}"], "c")
    assert knows([f"[b]:2222 {key}"], "b", 2222) and not knows([f"[b]:2222 {key}"], "b")
    assert not knows([f"#b {key}", f"@revoked b {key}", "b"], "b")
    place = tmp_path / "known_hosts"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "k"], check=True)
    place.write_text("host.example " + (tmp_path / "k.pub").read_text())
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", place], check=True, capture_output=True)
    assert knows(place.read_text().splitlines(), "host.example") and not knows(place.read_text().splitlines(), "other")


# ---------------------------------------------------------------- ssh://


class Sshd:
    """An sshd of our own on a loopback port, in the foreground, with one key that may log in as root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700)
        os.makedirs("/run/sshd", exist_ok=True)
        for name in ("host", "user", "other", "hostother"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        (folder / "authorized").write_text((folder / "user.pub").read_text())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._start("host")

    def _start(self, host_key: str) -> None:
        config = self.folder / "config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/{host_key}\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.folder}/authorized\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\n"
        )
        self.process = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("sshd did not start")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)

    def reborn(self) -> None:
        self.stop()
        self._start("hostother")

    def line(self) -> str:
        return f"[127.0.0.1]:{self.port} {(self.folder / 'host.pub').read_text()}"


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    server = Sshd(tmp_path / "sshd")
    yield server
    server.stop()


def test_over_ssh_a_key_logs_in_and_the_servers_key_is_verified(
    make_git: MakeGit, tmp_path: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = make_git()
    first = git.commit("first")
    pins = tmp_path / "git_known_hosts"

    def repo(key: str = "user") -> GitRepo:
        credentials = Credentials(user="root", ssh_key=sshd.folder / key if key else None, known_hosts=(pins,))
        return GitRepo(
            f"ssh://root@127.0.0.1:{sshd.port}{git.folder}", cache_dir=tmp_path / "cache", credentials=credentials
        )

    told = refusal(repo().fetch)
    assert told.code == "repo-host-key" and "is not known" in told.message and "ssh-keyscan" in told.hint
    assert repo().tip() == "", "nothing may be fetched from a server that nobody knows"

    pins.write_text(sshd.line())
    assert repo().fetch() is True and repo().tip() == first

    told = refusal(repo("other").fetch)
    assert told.code == "repo-login"
    told = refusal(repo("nothere").fetch)
    assert told.code == "repo-login" and "can't be read" in told.message
    assert "chown" in told.hint and str(tmp_path) in told.hint
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    told = refusal(repo("").fetch)
    assert told.code == "repo-login" and "ssh's agent" in told.message and "gitSshKey" in told.hint

    sshd.reborn()
    git.commit("second")
    told = refusal(repo().fetch)
    assert told.code == "repo-host-key" and "NOT the known one" in told.message
    assert repo().tip() == first


# ---------------------------------------------------------------- http(s)


@pytest.fixture
def backends(make_git: MakeGit, tmp_path: Path) -> Iterator[tuple[str, str, Any]]:
    """A repository behind a login, plain at one URL and with a certificate nobody signed at another."""
    git = make_git("served")
    git.commit("first")
    servers = Web(), Web(certificate(tmp_path))
    plain, sealed = (serve(server, git, "git:t0ken") for server in servers)
    yield plain, sealed, git
    for server in servers:
        server.close()


def test_over_http_a_token_logs_in_and_a_wrong_one_is_named(backends: tuple[str, str, Any], tmp_path: Path) -> None:
    plain, _, git = backends
    token = tmp_path / "token"

    def repo(credentials: Credentials) -> GitRepo:
        return GitRepo(plain, cache_dir=tmp_path / "cache", credentials=credentials)

    told = refusal(repo(Credentials()).fetch)
    assert told.code == "repo-login" and "none is configured" in told.message
    token.write_text("wrong\n")
    told = refusal(repo(Credentials(token_file=token)).fetch)
    assert told.code == "repo-login" and "wrong" not in told.message
    told = refusal(repo(Credentials(token_file=tmp_path / "nothere")).fetch)
    assert told.code == "repo-login" and "nothere" in told.message
    token.write_text("t0ken\n")
    assert repo(Credentials(token_file=token)).fetch() is True
    assert repo(Credentials()).tip() == git("rev-parse", "HEAD")


def test_a_certificate_that_nobody_signed_is_refused(backends: tuple[str, str, Any], tmp_path: Path) -> None:
    _, sealed, _ = backends
    told = refusal(GitRepo(sealed, cache_dir=tmp_path / "cache").fetch)
    assert told.code == "repo-tls"


def test_a_server_that_accepts_and_says_nothing_does_not_hold_up_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.repo.remote._ANSWER_LIMIT", 1.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        repo = GitRepo(f"http://localhost:{silent.getsockname()[1]}/f.git", cache_dir=tmp_path / "cache")
        started = time.monotonic()
        assert refusal(repo.fetch).code == "repo-unreachable"
        assert time.monotonic() - started < 10


def test_a_plan_of_what_the_daemon_follows_reads_what_it_fetched(
    make_git: MakeGit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = make_git()
    first = git.commit("first")
    url, state = f"file://{git.folder}", tmp_path / "state"
    settings = Settings(repo=url, state_dir=state, run_dir=tmp_path / "run")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert GitRepo(url, cache_dir=state / "mirror").fetch()
    assert planning.files_of(settings, None, "").commit.id == first
    (here / "trueup.yaml").touch()
    assert planning.files_of(settings, None, "").commit.id == "", "in a fleet's folder it is the folder"


def test_a_login_that_is_the_daemons_alone_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "key"
    key.touch()
    settings = Settings(git_ssh_key=key, git_token_file=tmp_path / "gone")
    assert Credentials.at_hand(settings).ssh_key == key and Credentials.at_hand(settings).token_file is None
    monkeypatch.setattr("os.access", lambda place, mode: False)  # root may read everything
    assert Credentials.at_hand(settings).ssh_key is None, "then it is ssh's agent"
    assert Credentials.of(settings).ssh_key == key, "a daemon that may not read its own is to be told"
