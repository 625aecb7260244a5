"""The daemon on a real repository, with a line of the test's own: pushes, sync, waiting, and who may serve a state."""

from __future__ import annotations

import io
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.kind import Kinds
from reconciler.core.model import Commit, Desired, Host, HostPast, Plan, Policy
from reconciler.core.problem import Refused
from reconciler.line import Look
from reconciler.loop import Bus, Log
from reconciler.loop.lock import holder, only_one
from reconciler.loop.server import Server
from reconciler.loop.systemd import Notify
from reconciler.repo import GitRepo
from reconciler.settings import Settings


def git(folder: Path, *args: str) -> str:
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    return subprocess.run(
        ["git", "-C", str(folder), *who, *args], check=True, capture_output=True, text=True
    ).stdout.strip()


class FakeStore:
    """Remembers when hosts were seen, as the line of this test says."""

    def __init__(self) -> None:
        self.seen: dict[str, HostPast] = {}

    def held(self) -> str:
        return ""

    def past_of_hosts(self) -> Mapping[str, HostPast]:
        return self.seen

    def meant(self, desired: Desired) -> Desired:
        return desired

    def pauses(self, now: float) -> tuple[()]:
        return ()


class FakeWorld:
    """What the daemon needs of a world, with two hosts."""

    def __init__(self, repo: GitRepo, settings: Settings) -> None:
        self.repo = repo
        self.settings = settings
        self.turn = threading.RLock()
        self.store = FakeStore()
        self.kinds = Kinds(by_name={})
        self.stopping = False
        self.fetch_trouble = ""
        self.now = time.time
        self.desired = Desired(hosts={name: Host(name=name) for name in ("db-1", "web-1")})
        self.named: tuple[Mapping[str, str], ...] = ()
        self.in_force = ""
        """The commit that the fleet is held to, when it is another than the newest."""

    def newest(self) -> str:
        return self.repo.resolve()

    def sources(self) -> tuple[Mapping[str, str], ...]:
        return self.named

    def knows_sources(self) -> bool:
        return True

    def held(self) -> str:
        return self.in_force

    def read(self, rev: str) -> Any:
        return None, type("Reading", (), {"desired": self.desired})


class Line:
    """The line of these tests: notes each walk, and what it is asked to look at."""

    def __init__(self) -> None:
        self.walks: list[tuple[str, tuple[str, ...]]] = []
        self.outcome = Plan(hosts_total=2)
        self.during: Callable[[], None] = lambda: None
        self.unseen: set[str] = set()
        self.held = Desired(hosts={"db-1": Host(name="db-1")}, policy=Policy(observe_every=300.0))
        """What the commit in force wants, when it is another than the newest."""

    def reconcile(self, world: FakeWorld, hosts: tuple[str, ...] = ()) -> Look:
        commit = world.newest()
        self.walks.append((commit, tuple(hosts)))
        self.during()
        now = time.time()
        world.store.seen = {
            name: HostPast(seen_at=now, tried_at=now) for name in world.desired.hosts.keys() - self.unseen
        }
        return Look(commit=Commit(id=commit), desired=world.desired, plan=self.outcome)

    def look(self, world: FakeWorld, rev: str) -> Look:
        held = rev == world.in_force
        return Look(commit=Commit(id=rev), desired=self.held if held else world.desired, plan=self.outcome)


class SlowRemote(GitRepo):
    """A remote that answers when the test lets it."""

    def __init__(self, url: str, cache: Path) -> None:
        super().__init__(url, cache_dir=cache)
        self.asked, self.answer = threading.Semaphore(0), threading.Semaphore(1)

    def fetch(self) -> bool:
        self.asked.release()
        assert self.answer.acquire(timeout=30)
        return super().fetch()


class Running:
    def __init__(self, tmp: Path, line: Line, *, remote: bool = False) -> None:
        self.bare, self.work = tmp / "fleet.git", tmp / "work"
        for folder in (self.bare, self.work):
            folder.mkdir()
        git(self.bare, "init", "-q", "--bare", "-b", "main")
        git(self.work, "init", "-q", "-b", "main")
        self.push("first")
        self.line = line
        self.log = io.StringIO()
        self.bus = Bus()
        settings = Settings(state_dir=tmp / "state", run_dir=tmp / "run", repo=str(self.bare))
        self.repo = SlowRemote(f"file://{self.bare}", tmp / "mirrors") if remote else GitRepo(self.bare)
        self.server = Server(FakeWorld(self.repo, settings), self.bus, Log(self.bus, stream=self.log), Notify({}), 5)  # type: ignore[arg-type]
        self._ready = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        assert self._ready.wait(30)

    def _run(self) -> None:
        with self.server.watching():
            self._ready.set()
            self.server.daemon.run()

    def push(self, message: str, *more: str) -> str:
        git(self.work, "commit", "-q", "--allow-empty", "-m", message)
        git(self.work, "push", "-q", *more, str(self.bare), "main")
        return git(self.work, "rev-parse", "HEAD")

    def eventually(self, true: Callable[[], bool], within: float = 30) -> None:
        end = time.monotonic() + within
        while not true():
            assert time.monotonic() < end, self.log.getvalue()
            time.sleep(0.005)

    def stop(self) -> None:
        self.server.stop()
        self.bus.close()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    made = Line()
    monkeypatch.setattr("reconciler.loop.server.line.reconcile", made.reconcile)
    monkeypatch.setattr("reconciler.loop.server.line.look", made.look)
    return made


@pytest.fixture
def running(tmp_path: Path, line: Line) -> Iterator[Running]:
    made = Running(tmp_path, line)
    yield made
    made.stop()


def test_a_push_is_walked_at_once_and_looks_only_at_what_is_due(running: Running) -> None:
    running.eventually(lambda: len(running.line.walks) == 1)
    second = running.push("second")
    running.eventually(lambda: len(running.line.walks) == 2)
    assert running.line.walks[1] == (second, ())


def test_a_sync_looks_at_all_hosts_or_at_those_that_it_names(running: Running) -> None:
    running.eventually(lambda: len(running.line.walks) == 1)
    running.server.sync()
    running.eventually(lambda: len(running.line.walks) == 2)
    running.server.sync({"selector": "web-*"})
    running.eventually(lambda: len(running.line.walks) == 3)
    assert [hosts for _, hosts in running.line.walks[1:]] == [("db-1", "web-1"), ("web-1",)]
    with pytest.raises(Refused, match="no host matches"):
        running.server.sync({"selector": "nobody"})


def test_a_stopped_commit_that_adds_a_host_does_not_make_rounds_of_its_own(running: Running) -> None:
    """Nobody looks at that host while the commit waits, so it can't be what is due next."""
    running.eventually(lambda: len(running.line.walks) == 1)
    world: Any = running.server.world
    world.in_force = world.newest()
    running.line.unseen = {"web-1"}
    running.push("adds web-1")
    running.eventually(lambda: len(running.line.walks) == 2 and not running.server.daemon.running)
    assert 200 < running.server._next_look() <= 301, "the rhythm is that of the commit in force"


def test_pushes_during_a_round_are_one_round_after_it(running: Running) -> None:
    running.eventually(lambda: len(running.line.walks) == 1)
    go_on = threading.Event()
    running.line.during = lambda: bool(go_on.wait(5)) and None
    running.push("second")
    running.eventually(lambda: len(running.line.walks) == 2)
    for number in range(3):
        last = running.push(f"during {number}")
    time.sleep(0.2)
    assert len(running.line.walks) == 2
    go_on.set()
    running.eventually(lambda: len(running.line.walks) == 3)
    time.sleep(0.2)
    assert running.line.walks[2:] == [(last, ())]


def test_who_waits_for_a_commit_hears_of_it_and_of_a_newer_one(running: Running) -> None:
    running.eventually(lambda: len(running.line.walks) == 1)
    commit = running.push("second")
    events = list(running.server.wait({"commit": commit, "limit": 5}))
    assert events[-1]["verdict"] == "converged" and events[-1]["standing"]["hosts"] == 2
    running.push("third")
    running.eventually(lambda: len(running.line.walks) >= 3)
    assert list(running.server.wait({"commit": commit[:10], "limit": 5}))[-1]["verdict"] == "converged"
    running.line.outcome = replace(running.line.outcome, unreachable={"web-1": "no answer"})
    running.server.sync()
    running.eventually(lambda: (running.server.standing()["standing"] or {})["outcome"] == "away")
    last = list(running.server.wait({"limit": 5}))[-1]
    assert last["verdict"] == "away" and last["standing"]["why"] == ({"host": "web-1", "why": "no answer"},)


def test_who_waits_for_a_sync_hears_what_came_of_the_round_that_it_caused(running: Running) -> None:
    """Not of the round before it, which had converged, nor of one that had begun before it was asked for."""
    running.eventually(lambda: len(running.line.walks) == 1 and not running.server.daemon.running)
    assert running.server.standing()["standing"]["outcome"] == "converged"
    go_on, began = threading.Event(), threading.Semaphore(0)

    def during() -> None:
        began.release()
        assert go_on.wait(30)
        go_on.clear()
        if len(running.line.walks) == 3:
            running.line.outcome = replace(running.line.outcome, unreachable={"web-1": "no answer"})

    running.line.during = during
    running.push("its round runs when somebody asks")
    assert began.acquire(timeout=30)
    asked = running.server.sync()
    assert asked["running"] and asked["round"] == 3
    heard: list[str] = []
    watcher = threading.Thread(
        target=lambda: heard.extend(
            event["event"] + event.get("verdict", "") for event in running.server.wait({"round": 3, "limit": 30})
        )
    )
    watcher.start()
    go_on.set()
    assert began.acquire(timeout=30), "the round that was asked for"
    assert running.server.standing()["standing"]["outcome"] == "converged", "so went the one that ran"
    assert list(running.server.wait({"round": 3, "limit": 0.1}))[-1]["verdict"] == "running"
    assert not [event for event in heard if event.startswith("verdict")]
    go_on.set()
    watcher.join(30)
    assert heard[-1] == "verdictaway"
    running.line.during = lambda: None
    for number in range(4, 10):  # quicker than the answer to who asked: never one too many
        running.eventually(lambda: not running.server.daemon.running)
        asked = running.server.sync()
        assert (asked["running"], asked["round"]) == (False, number)
        assert list(running.server.wait({"round": number, "limit": 30}))[-1]["verdict"] == "away"


def test_who_asks_for_a_fetch_is_told_of_the_round_after_it(tmp_path: Path, line: Line) -> None:
    running = Running(tmp_path, line, remote=True)
    try:
        remote = running.repo
        assert isinstance(remote, SlowRemote) and remote.asked.acquire(timeout=30)
        running.eventually(lambda: len(line.walks) >= 1 and not running.server.daemon.running)
        second = running.push("while nobody looks")
        walked, asked = len(line.walks), running.server.sync()
        assert remote.asked.acquire(timeout=30)
        running.server.daemon.wakes.wake("content")  # a round of its own, before the fetch has ended
        running.eventually(lambda: len(line.walks) > walked and not running.server.daemon.running)
        caused = {"round": asked["round"], "fetch": asked["fetch"]}
        assert list(running.server.wait({**caused, "limit": 0.1}))[-1]["verdict"] == "running"
        remote.answer.release()
        assert list(running.server.wait({**caused, "limit": 30}))[-1]["verdict"] == "converged"
        assert line.walks[-1][0] == second
    finally:
        remote.answer.release()
        running.stop()


def test_a_fault_in_a_round_is_told_and_the_next_push_is_walked(running: Running) -> None:
    running.eventually(lambda: len(running.line.walks) == 1)

    def fault() -> None:
        raise ZeroDivisionError("ours")

    running.line.during = fault
    running.push("second")
    running.eventually(lambda: "round-crashed" in running.log.getvalue())
    running.line.during = lambda: None
    third = running.push("third")
    running.eventually(lambda: running.line.walks[-1][0] == third)
    running.eventually(lambda: "verdict=converged" in running.log.getvalue())


# ---------------------------------------------------------------- one daemon a state


def test_a_second_daemon_on_the_same_state_is_refused_with_the_process_that_has_it(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "state", run_dir=tmp_path)
    assert holder(settings.state_dir) is None
    with only_one(settings):
        assert holder(settings.state_dir) == os.getpid()
        with pytest.raises(Refused) as refused, only_one(settings):
            pass
        [told] = refused.value.problems
        assert told.code == "daemon-running" and f"process {os.getpid()}" in told.message
    assert holder(settings.state_dir) is None
    with only_one(settings):
        pass


def test_a_lock_of_a_killed_daemon_holds_nobody_up(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, run_dir=tmp_path)
    (tmp_path / "serve.lock").write_text("99999\n")
    with only_one(settings):
        assert holder(tmp_path) == os.getpid()
