"""`trueup serve` as a process: it says where it is, is alone on its state, sees pushes, and is gone when asked."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.repo.hooks import make_bare

FLEET = "apiVersion: trueup.dev/v1\nkind: Fleet\nmetadata: {name: prod}\nspec: {mode: enforce}\n"


class Fleet:
    """A bare repository with trueup's hooks, a checkout, a state, and the command."""

    def __init__(self, tmp: Path) -> None:
        self.tmp = tmp
        home = tmp / "home"
        home.mkdir()
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "TRUEUP_"))} | {
            "HOME": str(home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "TRUEUP_STATE_DIR": str(tmp / "state"),
            "TRUEUP_RUN_DIR": str(tmp / "run"),
            "TRUEUP_LISTEN": "127.0.0.1:0",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.org",
        }
        self.bare = make_bare(tmp / "fleet.git", environ=self.env)
        self.work = tmp / "work"
        self.work.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "origin", str(self.bare))
        self.started: list[subprocess.Popen[str]] = []

    def git(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", "-C", self.work, *args], capture_output=True, text=True, env=self.env, timeout=60)

    def commit(self, name: str, text: str) -> str:
        (self.work / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", name)
        return self.git("rev-parse", "HEAD").stdout.strip()

    def push(self, *more: str) -> tuple[int, list[str]]:
        done = self.git("push", *more, "origin", "main")
        told = [
            line.removeprefix("remote: ").rstrip() for line in done.stderr.splitlines() if line.startswith("remote: ")
        ]
        return done.returncode, told

    def trueup(self, *args: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-c", "from reconciler.cli import main; main()", *args]
        return subprocess.run(argv, capture_output=True, text=True, env=self.env, timeout=60, cwd=self.work)

    def serve(self, repo: str = "") -> tuple[subprocess.Popen[str], str]:
        """A running daemon and its page's address."""
        repo = repo or str(self.bare)
        process = subprocess.Popen(
            [sys.executable, "-c", "from reconciler.cli import main; main()", "serve", "--repo", repo],
            stdout=subprocess.PIPE, stderr=(self.tmp / "log").open("a"), text=True, env=self.env,
        )  # fmt: skip
        self.started.append(process)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        assert lines[0] == f"trueup follows main of {repo}\n", self.log
        assert lines[2] == f"socket  {self.tmp}/run/fleet.sock\n"
        return process, lines[1].split()[1]

    @property
    def log(self) -> str:
        return (self.tmp / "log").read_text()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
            process.wait(10)


def test_from_the_first_push_to_the_verdict_and_a_clean_end(fleet: Fleet) -> None:
    process, url = fleet.serve()
    first = fleet.commit("trueup.yaml", FLEET)
    code, told = fleet.push("-o", "wait")
    assert code == 0
    assert told[0].startswith("trueup: 1 file checked in 0.") and told[0].endswith(" s: 0 errors, 0 warnings")
    assert told[1:] == [
        "trueup: accepted. Ctrl-C stops the watching, not the roll-out",
        f"success: 0 hosts converged on {first[:7]}",
    ]
    done = fleet.trueup("wait", first[:10])
    assert done.returncode == 0 and done.stdout == f"success: 0 hosts converged on {first[:7]}\n"

    second = fleet.commit("a.yaml", "kind: Nothing\n")
    code, told = fleet.push()
    assert code == 1 and told[-1] == f"error: refused, 1 error; the fleet stays on {first[:7]}"
    done = fleet.trueup("wait", second)
    assert done.returncode == 1 and "error[" in done.stderr

    # A page that is open, and somebody who waits, must not hold up the end.
    with urllib.request.urlopen(url + "events", timeout=30) as stream:
        assert stream.readline()
        waiting = subprocess.Popen(
            [sys.executable, "-c", "from reconciler.cli import main; main()", "sync", "--wait"],
            env=fleet.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, fleet.log
        waiting.wait(30)
    assert not (fleet.tmp / "run/fleet.sock").exists()
    assert "Traceback" not in fleet.log, fleet.log


def test_a_bad_commit_that_got_in_all_the_same_leaves_the_last_good_one_in_force(fleet: Fleet) -> None:
    first = fleet.commit("trueup.yaml", FLEET)
    assert fleet.push()[0] == 0
    fleet.serve()
    assert fleet.trueup("wait", "--limit", "20").returncode == 0
    bad = fleet.commit("a.yaml", "kind: Nothing\n")
    (fleet.bare / "hooks/pre-receive").rename(fleet.bare / "hooks/away")
    code, told = fleet.push("-o", "wait")
    assert code == 0 and f"error: {bad[:7]} has errors; the fleet stays on {first[:7]}" in told
    done = fleet.trueup("wait", bad)
    assert done.returncode == 1 and f"hint: trueup check --rev {bad[:7]}" in done.stdout


def test_a_first_commit_that_is_bad_is_a_verdict_too(fleet: Fleet) -> None:
    bad = fleet.commit("a.yaml", "kind: Nothing\n")
    (fleet.bare / "hooks/pre-receive").rename(fleet.bare / "hooks/away")
    fleet.push()
    fleet.serve()
    done = fleet.trueup("wait", "--limit", "20")
    assert done.returncode == 1 and done.stdout.startswith(
        f"error: {bad[:7]} has errors; the fleet stays on what it was"
    )
    fleet.commit("a.yaml", FLEET)
    code, told = fleet.push("-o", "wait")
    assert code == 0 and told[-1].startswith("success: ")


def test_a_remote_is_followed_and_fetched_at_once_when_asked(fleet: Fleet) -> None:
    fleet.commit("trueup.yaml", FLEET)
    fleet.push()
    fleet.serve(f"file://{fleet.bare}")
    second = fleet.commit("trueup.yaml", FLEET + "# more\n")
    fleet.push()
    done = fleet.trueup("sync", "--wait")
    assert done.returncode == 0 and f"success: 0 hosts converged on {second[:7]}" in done.stdout, (
        done.stderr + fleet.log
    )


def test_hup_is_a_sync(fleet: Fleet) -> None:
    fleet.commit("trueup.yaml", FLEET)
    fleet.push()
    process, _ = fleet.serve()
    assert fleet.trueup("wait", "--limit", "20").returncode == 0
    process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 10
    while "round-start why=sync" not in fleet.log:
        assert time.monotonic() < end, fleet.log
        time.sleep(0.02)


def test_a_plan_is_shown_with_and_without_a_daemon_and_nothing_lands(fleet: Fleet) -> None:
    fleet.commit("trueup.yaml", FLEET)
    for _ in ("without a daemon", "with one"):
        code, told = fleet.push("-o", "plan")
        assert code == 1 and "changes nothing on 0 hosts" in told[1], told
        assert told[-2:] == [
            "trueup: only planned (-o plan): nothing was pushed, nothing changes",
            "hint: the rejection below is meant; push without -o plan to roll it out",
        ]
        assert not (fleet.bare / "refs/heads/main").exists()
        fleet.serve() if _ == "without a daemon" else None


def test_a_second_daemon_is_refused_and_a_killed_one_is_followed(fleet: Fleet) -> None:
    fleet.commit("trueup.yaml", FLEET)
    fleet.push()
    process, _ = fleet.serve()
    second = fleet.trueup("serve", "--repo", str(fleet.bare))
    assert second.returncode == 1 and f"another trueup serve (process {process.pid})" in second.stderr
    process.kill()
    process.wait(10)
    fleet.serve()
    assert fleet.trueup("wait", "--limit", "20").returncode == 0


def test_without_a_daemon_sync_and_wait_say_so(fleet: Fleet) -> None:
    for command in ("sync", "wait"):
        done = fleet.trueup(command)
        assert done.returncode == 1 and "error[no-daemon]" in done.stderr and "trueup serve" in done.stderr


def test_the_hook_of_another_repository_has_contents_asked_and_nothing_else(fleet: Fleet) -> None:
    fleet.commit("trueup.yaml", FLEET)
    fleet.push()
    assert "error[no-daemon]" in fleet.trueup("sync", "--content").stderr
    fleet.serve()
    assert fleet.trueup("wait", "--limit", "20").returncode == 0
    done = fleet.trueup("sync", "--content", "--format", "json")
    assert done.returncode == 0 and json.loads(done.stdout)["seconds"] <= 10
    said = fleet.trueup("sync", "--content").stdout
    assert re.fullmatch(
        r"Asked: what comes from outside the repository, (now|in \d+ s, as it was asked just before)\.\n", said
    )
    assert fleet.trueup("sync", "--content", "web-1").returncode == 64
    assert "why=sync" not in fleet.log, "no round for it"


def test_a_repository_that_is_none_is_told_at_the_start(fleet: Fleet) -> None:
    done = fleet.trueup("serve", "--repo", str(fleet.tmp / "nowhere"))
    assert done.returncode == 1 and "error[repo-missing]" in done.stderr
    done = fleet.trueup("serve", "--listen", "nonsense", "--repo", str(fleet.bare))
    assert done.returncode == 1 and "Traceback" not in done.stderr


def test_a_page_whose_port_is_taken_is_told_at_the_start(fleet: Fleet) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = fleet.trueup("serve", "--repo", str(fleet.bare), "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 1 and "error[listen-failed]" in done.stderr
    assert not (fleet.tmp / "run/fleet.sock").exists()
