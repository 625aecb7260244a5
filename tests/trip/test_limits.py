"""The alarm of a host's visit: it ends what takes too long, at whatever moment it rings, and nothing else after that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from reconciler.core.model import Host
from reconciler.settings import Settings
from reconciler.trip import ssh
from reconciler.trip.host import limits, ops
from reconciler.trip.host.limits import TimeUp, within


def test_what_takes_too_long_is_interrupted_with_all_it_started() -> None:
    started: list[subprocess.Popen[bytes]] = []

    def call() -> None:
        started.append(subprocess.Popen(["sleep", "600"]))
        started[0].wait()

    with pytest.raises(TimeUp):
        within(0.2, call)
    assert started[0].wait(timeout=30) == -signal.SIGKILL or started[0].returncode is not None


def test_ssh_ends_a_line_that_died_after_a_minute(tmp_path: Path) -> None:
    """As ssh itself reads what we wrote: no alarm rings on a host that lost its power (ssh_config(5), ServerAliveCountMax)."""
    host = Host(name="h1", address="192.0.2.1")
    config = ssh.Ways(Settings(state_dir=tmp_path), tmp_path, strict=False).config(host, known=False)
    told = subprocess.run(["ssh", "-G", "-F", str(config), host.name], capture_output=True, text=True, check=True)
    said = dict(line.split(" ", 1) for line in told.stdout.splitlines() if " " in line)
    assert 0 < int(said["serveraliveinterval"]) * int(said["serveralivecountmax"]) <= 60


class Ringer:
    """Traces `within` and rings once, at its line number `step` counted from the moment that the alarm is set."""

    def __init__(self, step: int) -> None:
        self.left = step
        self.armed = False
        self.rang = False
        self.before = signal.getsignal(signal.SIGALRM)

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code is not within.__code__:
            return None
        self.armed = self.armed or signal.getitimer(signal.ITIMER_REAL)[0] > 0
        if event == "line" and self.armed and signal.getsignal(signal.SIGALRM) is not self.before:
            self.left -= 1
            if self.left == 0:
                self.rang = True
                signal.raise_signal(signal.SIGALRM)
        return self


def test_an_alarm_between_any_two_steps_leaves_no_alarm_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Either the call's answer or TimeUp comes out, no alarm is set then, and the handler is the one from before."""
    monkeypatch.setattr(limits, "kill_descendants", lambda: None)
    before, tracing = signal.getsignal(signal.SIGALRM), sys.gettrace()
    answers = []
    for step in range(1, 100):
        ringer = Ringer(step)
        sys.settrace(ringer)
        try:
            answers.append(within(60.0, lambda: 7))
        except TimeUp:
            answers.append(0)
        finally:
            sys.settrace(tracing)
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0), step
        assert signal.getsignal(signal.SIGALRM) is before, step
        if not ringer.rang:
            break
    assert set(answers) == {0, 7} and len(answers) >= 5, answers


def test_one_fleets_visit_does_not_sweep_away_what_another_ones_works_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops, "SCRATCH", str(tmp_path))
    dead = subprocess.Popen(["true"])
    dead.wait()
    at_work = os.getppid()
    for name in (f"ops-{at_work}", f"ops-{os.getpid()}", f"ops-{dead.pid}", "left-by-an-old-version"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("")
    (tmp_path / f"check-{at_work}").write_text("")
    (tmp_path / f"check-{dead.pid}").write_text("")
    ops.sweep()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"check-{at_work}", f"ops-{at_work}"]
