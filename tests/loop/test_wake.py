"""A push is seen at once, by inotify on a real repository; without inotify it is seen all the same, and said."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from watchdog.observers.api import BaseObserver

from reconciler.core.problem import Problem, Refused
from reconciler.loop import RefWatch, Wakes
from reconciler.loop.wake import Poller
from reconciler.repo import GitRepo


def git(folder: Path, *args: str) -> str:
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    return subprocess.run(
        ["git", "-C", str(folder), *who, *args], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    bare, work = tmp_path / "bare.git", tmp_path / "work"
    bare.mkdir()
    work.mkdir()
    git(bare, "init", "-q", "--bare", "-b", "main")
    git(work, "init", "-q", "-b", "main")
    git(work, "remote", "add", "origin", str(bare))
    return bare, work


class Seen:
    """When the watcher called, and what it complained of."""

    def __init__(self, bare: Path, **more: Any) -> None:
        self.times: list[float] = []
        self.troubles: list[str] = []
        self._came = threading.Event()
        self.repo = GitRepo(bare)
        self.watch = RefWatch(self.repo.git_dir, self.repo.tip, self._moved, self.troubles.append, **more)
        self.watch.start()

    def _moved(self) -> None:
        self.times.append(time.monotonic())
        self._came.set()

    def within(self, seconds: float, act: Callable[[], None]) -> float:
        """Seconds from the end of `act` until the call; negative when it was seen while `act` still ran."""
        self._came.clear()
        act()
        ended = time.monotonic()
        assert self._came.wait(seconds), "nothing was seen"
        return self.times[-1] - ended


@pytest.fixture
def watching(places: tuple[Path, Path]) -> Iterator[Callable[..., Seen]]:
    made: list[Seen] = []

    def start(**more: Any) -> Seen:
        made.append(Seen(places[0], **more))
        return made[-1]

    yield start
    for seen in made:
        seen.watch.stop()


def test_pushes_of_every_sort_are_seen_at_once(places: tuple[Path, Path], watching: Callable[..., Seen]) -> None:
    bare, work = places
    seen = watching()
    delays = []
    for number in range(5):
        git(work, "commit", "-q", "--allow-empty", "-m", str(number))
        delays.append(seen.within(20, lambda: git(work, "push", "-q", "origin", "main")))
    git(bare, "pack-refs", "--all", "--prune")
    git(work, "commit", "-q", "--allow-empty", "-m", "after packing")
    delays.append(seen.within(20, lambda: git(work, "push", "-q", "origin", "main")))
    git(work, "reset", "-q", "--hard", "HEAD~2")
    delays.append(seen.within(20, lambda: git(work, "push", "-q", "-f", "origin", "main")))
    delays.append(seen.within(20, lambda: git(bare, "update-ref", "-d", "refs/heads/main")))
    # The median, and not 0.1 s: the machine is shared. By what the kernel tells, not by a look every so many seconds.
    assert sorted(delays)[len(delays) // 2] < 1 and not seen.troubles


def test_a_branch_with_a_slash_and_other_branches(places: tuple[Path, Path]) -> None:
    bare, work = places
    calls: list[str] = []
    repo = GitRepo(bare, "env/prod")
    watch = RefWatch(repo.git_dir, repo.tip, lambda: calls.append(repo.tip()), lambda text: None)
    watch.start()
    try:
        git(work, "commit", "-q", "--allow-empty", "-m", "one")
        git(work, "push", "-q", "origin", "HEAD:refs/heads/other")
        time.sleep(0.3)
        assert calls == [], "another branch wakes nobody"
        git(work, "push", "-q", "origin", "HEAD:refs/heads/env/prod")
        end = time.monotonic() + 20
        while not calls and time.monotonic() < end:
            time.sleep(0.01)
        assert calls == [git(work, "rev-parse", "HEAD")]
    finally:
        watch.stop()


def test_without_inotify_pushes_are_polled_for_and_that_is_said_loudly(
    places: tuple[Path, Path], watching: Callable[..., Seen]
) -> None:
    class Exhausted(BaseObserver):
        def __init__(self) -> None:
            pass

        def schedule(self, *args: Any, **more: Any) -> Any:
            raise OSError(24, "inotify instance limit reached")

    _, work = places
    seen = watching(observer=Exhausted, poll=0.05)
    assert len(seen.troubles) == 1 and "max_user_instances" in seen.troubles[0]
    git(work, "commit", "-q", "--allow-empty", "-m", "one")
    assert seen.within(2, lambda: git(work, "push", "-q", "origin", "main")) < 1


def test_words_that_come_during_a_round_are_one_wake(places: tuple[Path, Path]) -> None:
    wakes = Wakes()
    for word in ("push", "sync", "push"):
        wakes.wake(word)
    assert wakes.wait(0) == ("push", "sync")
    assert wakes.wait(0.01) == ()


def test_a_remote_is_fetched_in_its_own_time_and_at_once_when_asked() -> None:
    done: list[tuple[bool, int, str]] = []
    answers: list[Any] = [
        True,
        Refused(Problem(code="repo-unreachable", message="no answer", hint="Look at the way.")),
        False,
    ]
    came = threading.Semaphore(0)

    def fetch() -> bool:
        answer = answers.pop(0) if answers else False
        if isinstance(answer, Exception):
            raise answer
        return bool(answer)

    def note(moved: bool, asked: int, trouble: str) -> None:
        done.append((moved, asked, trouble))
        came.release()

    poller = Poller(fetch, note, every=60)
    poller.start()
    assert came.acquire(timeout=20)
    for number in (1, 2):
        assert poller.now() == number
        assert came.acquire(timeout=20)
    poller.stop()
    assert done == [(True, 0, ""), (False, 1, "no answer: Look at the way."), (False, 2, "")]
