"""One round at a time, whatever wakes it; a round that raises ends nothing; an end within its limit."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.core.problem import Problem, Refused
from reconciler.loop import Daemon, Log
from reconciler.loop.daemon import Reasons
from reconciler.loop.systemd import Notify


class Running:
    """A daemon in a thread, with a line of the test's own."""

    def __init__(
        self, walk: Callable[[Reasons], str], next_look: Callable[[], float] = lambda: 3600.0, **more: object
    ) -> None:
        self.log = io.StringIO()
        self.daemon = Daemon(walk=walk, next_look=next_look, log=Log(stream=self.log), **more)  # type: ignore[arg-type]
        self.clean: bool | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        self.clean = self.daemon.run()

    def stop(self, within: float = 5) -> float:
        started = time.monotonic()
        self.daemon.stop()
        self.thread.join(within)
        assert not self.thread.is_alive(), "it did not stop"
        return time.monotonic() - started


def eventually(true: Callable[[], bool], within: float = 5) -> None:
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.005)


def test_it_walks_once_at_the_start_and_once_for_each_wake() -> None:
    walks: list[str] = []
    running = Running(lambda why: walks.append(str(why)) or "Converged")  # type: ignore[func-returns-value]
    eventually(lambda: walks == ["start"])
    running.daemon.wakes.wake("push")
    eventually(lambda: walks == ["start", "push"])
    running.stop()
    assert running.clean is True


def test_one_round_at_a_time_and_many_wakes_are_one_round() -> None:
    busy = threading.Lock()
    walks: list[tuple[str, ...]] = []
    go_on = threading.Event()
    overlapped: list[bool] = []

    def walk(why: Reasons) -> str:
        if not busy.acquire(blocking=False):
            overlapped.append(True)
            return "?"
        walks.append(why.words)
        go_on.wait(5)
        busy.release()
        return "Converged"

    running = Running(walk)
    eventually(lambda: len(walks) == 1)
    for _ in range(10):
        running.daemon.wakes.wake("push")
        running.daemon.wakes.wake("sync")
    time.sleep(0.05)
    assert len(walks) == 1
    go_on.set()
    eventually(lambda: len(walks) == 2)
    running.stop()
    assert not overlapped and walks[1] == ("push", "sync") and len(walks) == 2


def test_it_looks_again_when_that_is_due() -> None:
    walks: list[str] = []
    running = Running(lambda why: walks.append(str(why)) or "Converged", next_look=lambda: 0.02)  # type: ignore[func-returns-value]
    eventually(lambda: len(walks) >= 4)
    running.stop()
    assert walks[0] == "start" and set(walks[1:]) == {"clock"}


def test_a_round_that_raises_is_told_and_tried_again_and_ends_nothing() -> None:
    walks: list[float] = []

    def walk(why: Reasons) -> str:
        walks.append(time.monotonic())
        if len(walks) < 3:
            raise ZeroDivisionError("a fault of ours\x1b[31m")
        return "Converged"

    running = Running(walk, retry=(0.02, 0.05))
    eventually(lambda: len(walks) >= 3)
    running.stop()
    told = running.log.getvalue()
    assert told.count("round-crashed") == 2 and "ZeroDivisionError: a fault of ours" in told and "\x1b" not in told
    assert "round-end verdict=Converged" in told


def test_a_push_is_looked_at_at_once_even_while_a_crash_is_waited_out() -> None:
    walks: list[str] = []

    def walk(why: Reasons) -> str:
        walks.append(str(why))
        if len(walks) == 1:
            raise RuntimeError("once")
        return "Converged"

    running = Running(walk, retry=(3600.0,))
    eventually(lambda: "round-crashed" in running.log.getvalue())
    running.daemon.wakes.wake("push")
    eventually(lambda: walks == ["start", "push"])
    running.stop()


def test_what_can_not_be_read_is_told_once_and_not_at_each_try() -> None:
    walks: list[str] = []

    def walk(why: Reasons) -> str:
        walks.append(str(why))
        raise Refused(Problem(code="repo-missing", message="it is gone", hint="bring it back"))

    running = Running(walk, retry=(0.01,))
    eventually(lambda: len(walks) >= 5)
    running.stop()
    assert running.log.getvalue().count("it is gone") == 1 and "bring it back" in running.log.getvalue()


def test_a_branch_without_a_commit_is_waited_for_in_peace() -> None:
    def walk(why: Reasons) -> str:
        raise Refused(Problem(code="no-commit", message="the branch main has no commit yet", hint="push one"))

    running = Running(walk, retry=(0.01,))
    eventually(lambda: "no commit yet" in running.log.getvalue())
    running.stop()
    assert "error" not in running.log.getvalue()


def test_asked_to_stop_it_lets_the_trip_end() -> None:
    ended: list[bool] = []

    def walk(why: Reasons) -> str:
        time.sleep(0.3)
        ended.append(True)
        return "Converged"

    running = Running(walk)
    eventually(lambda: running.daemon.running)
    running.stop()
    assert ended == [True] and running.clean is True


def test_a_trip_that_does_not_end_is_left_behind_at_the_limit() -> None:
    go_on = threading.Event()
    running = Running(lambda why: str(go_on.wait(30)), stop_limit=0.2)
    eventually(lambda: running.daemon.running)
    assert running.stop() < 2
    assert running.clean is False and "round-left" in running.log.getvalue()
    go_on.set()


def test_the_line_is_told_to_stop_between_trips() -> None:
    waves: list[int] = []
    made = threading.Event()

    def walk(why: Reasons) -> str:
        made.wait(5)
        for wave in range(1000):
            if running.daemon.stopping:
                return "stopping"
            waves.append(wave)
            time.sleep(0.01)
        return "Converged"

    running = Running(walk)
    made.set()
    eventually(lambda: len(waves) > 2)
    assert running.stop() < 2 and len(waves) < 900


def test_systemd_hears_that_it_lives_also_during_a_long_round(tmp_path: Path) -> None:
    place = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(place))
        systemd.settimeout(3)
        notify = Notify({"NOTIFY_SOCKET": str(place), "WATCHDOG_USEC": "100000"})
        notify.ready("page on 127.0.0.1:8080")
        assert systemd.recv(100) == b"READY=1\nSTATUS=page on 127.0.0.1:8080"
        go_on = threading.Event()
        running = Running(lambda why: str(go_on.wait(10)), notify=notify)
        eventually(lambda: running.daemon.running)
        for _ in range(3):
            assert systemd.recv(100) == b"WATCHDOG=1"
        go_on.set()
        running.stop()


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
def test_without_systemd_nothing_is_said_and_nothing_fails(environ: dict[str, str]) -> None:
    notify = Notify(environ)
    notify.ready()
    notify.alive()
    notify.stopping()
    assert notify.watchdog == 0
