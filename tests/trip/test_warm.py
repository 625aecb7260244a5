"""Ansible imported once: runs are forked from one process, which nothing depends on and which outlives nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.settings import Settings
from reconciler.trip import run
from reconciler.trip.warm import Warm

PLAY = """
- hosts: all
  gather_facts: false
  connection: local
  tasks:
    - ansible.builtin.debug: {msg: "got {{ word }} in {{ lookup('pipe', 'pwd') }}"}
    - ansible.builtin.assert: {that: word == 'well'}
"""


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    """The runs of the server `pid`: each leads a session, unlike what Ansible starts while it is imported."""
    found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in found if leads(child)]


def leads(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid
    except OSError:
        return False


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class Runs:
    """Starts runs as ansible_runner does: by name, from the PATH. Each waits for its word."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warm = Warm(Settings(state_dir=folder / "state", run_dir=folder / "run"))
        self.env = {
            **run.environment(self.warm.at, self.warm.settings),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(folder),
        }
        (folder / "play.yml").write_text(PLAY)
        (folder / "hosts.yml").write_text("all: {hosts: {here: {ansible_connection: local}}}\n")
        self.number = 0
        self.started: list[subprocess.Popen[str]] = []

    @property
    def server(self) -> int:
        assert self.warm._alive is not None
        return self.warm._alive.process.pid

    def start(self, **more: str) -> tuple[subprocess.Popen[str], Path]:
        """A run, and the pipe on which it waits for its variables."""
        self.number += 1
        words = self.folder / f"words{self.number}"
        os.mkfifo(words)
        env = {**self.env, **more}
        env["PATH"] = f"{self.warm.ready(self.env)}:{env['PATH']}"
        process = subprocess.Popen(
            ["/usr/bin/env", "ansible-playbook", "-i", "hosts.yml", "-e", f"@{words}", "play.yml"],
            env=env, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.started.append(process)
        return process, words

    def end(self, started: tuple[subprocess.Popen[str], Path], word: str = "well") -> tuple[int, str]:
        process, words = started
        words.write_text(f'{{"word": "{word}"}}')
        said, _ = process.communicate(timeout=60)
        return process.returncode, said

    def forked(self) -> int:
        """The process of the run that the server has just begun."""
        until(lambda: children(self.server))
        return children(self.server)[0]

    def close(self) -> None:
        for process in self.started:
            with suppress(OSError):
                process.kill()
            process.communicate()
        self.warm.close()


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.close()


def test_a_run_is_forked_and_ends_as_it_ends(runs: Runs) -> None:
    first = runs.start()
    runs.forked()
    status, said = runs.end(first)
    assert (status, "got well in " + str(runs.folder) in said) == (0, True), said
    until(lambda: not children(runs.server))
    fds = len(os.listdir(f"/proc/{runs.server}/fd"))
    server = runs.server
    status, said = runs.end(runs.start(AWX_ANYTHING="of this run"), "ill")
    assert (status, "got ill" in said) == (2, True), said
    both = [runs.start(), runs.start()]
    until(lambda: len(children(server)) == 2)
    assert [runs.end(one)[0] for one in both] == [0, 0]
    until(lambda: not children(server))
    assert runs.server == server
    until(lambda: len(os.listdir(f"/proc/{server}/fd")) <= fds)  # it may lag behind by one client, not by all
    (kept,) = os.listdir(runs.warm.at / "tmp")  # the server's own
    assert os.listdir(runs.warm.at / "tmp" / kept) == []


def test_nobody_else_gets_in_and_nothing_secret_is_told(runs: Runs) -> None:
    started = runs.start(AWX_WORD="marked-word")
    runs.forked()
    at = runs.warm.at
    assert at.stat().st_mode & 0o077 == 0 and (at / "bin").stat().st_mode & 0o077 == 0
    for shown in ("cmdline", "environ"):
        assert b"marked-word" not in Path(f"/proc/{runs.server}/{shown}").read_bytes()
    assert runs.end(started)[0] == 0


def test_other_settings_start_a_process_of_their_own(runs: Runs) -> None:
    runs.end(runs.start())
    started = runs.start(ANSIBLE_FORKS="7")
    real = str(Path(sys.executable).with_name("ansible-playbook")).encode()
    until(lambda: real in Path(f"/proc/{started[0].pid}/cmdline").read_bytes())
    assert not children(runs.server)
    assert runs.end(started)[0] == 0


def test_killed_before_a_run(runs: Runs) -> None:
    """Whoever notices: the client starts cold, the owner starts another."""
    env = {**runs.env, "PATH": f"{runs.warm.ready(runs.env)}:{runs.env['PATH']}"}
    before = runs.server
    os.kill(before, signal.SIGKILL)
    until(lambda: gone(before))
    done = subprocess.run(["/usr/bin/env", "ansible-playbook", "--version"], env=env, capture_output=True, timeout=60)
    assert done.returncode == 0 and b"ansible-playbook [core" in done.stdout
    started = runs.start()
    assert runs.server != before
    runs.forked()
    assert runs.end(started)[0] == 0


def test_killed_during_a_run(runs: Runs) -> None:
    """The run ends with it: nobody could tell any more how it ended. It is not begun again by itself."""
    started = runs.start()
    forked = runs.forked()
    os.kill(runs.server, signal.SIGKILL)
    said, _ = started[0].communicate(timeout=60)
    assert started[0].returncode == 250 and "died" in said
    until(lambda: gone(forked))
    assert runs.end(runs.start())[0] == 0


def test_a_run_that_nobody_waits_for_is_killed(runs: Runs) -> None:
    process, _ = runs.start()
    forked = runs.forked()
    process.kill()
    until(lambda: gone(forked))
    until(lambda: not children(runs.server))
    assert runs.end(runs.start())[0] == 0


def test_signals_pass_through(runs: Runs) -> None:
    process, _ = runs.start()
    runs.forked()
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 99, said
    process, _ = runs.start()
    runs.forked()
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM


def test_it_dies_with_its_owner(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from reconciler.settings import Settings; "
        "from reconciler.trip.warm import Warm; at = Path(sys.argv[1]); warm = Warm(Settings(state_dir=at, run_dir=at)); "
        "warm.ready({'PATH': '/usr/bin:/bin', 'LANG': 'C.UTF-8'}); print(warm._alive.process.pid, flush=True); time.sleep(600)"
    )
    owner = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    server = int(owner.stdout.readline())
    owner.kill()
    owner.wait()
    until(lambda: gone(server))
