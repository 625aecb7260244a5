"""Nothing on a host waits without a limit: an alarm that interrupts what runs, and ends what it started."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any, Dict, List, Optional


class TimeUp(BaseException):
    """Raised by the alarm. A BaseException, so that code which catches every Exception doesn't swallow it."""


class Limit:
    """`with Limit(seconds):` raises TimeUp when they are over, and again every two seconds until it is heard.

    Then all descendants of this process are killed: they belong to what was interrupted.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = max(0.1, seconds)

    def __enter__(self) -> "Limit":
        self._before = signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, self.seconds, 2.0)
        return self

    def _ring(self, number: int, frame: Optional[FrameType]) -> None:
        raise TimeUp()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)
        if kind is TimeUp:
            kill_descendants()


def kill_descendants() -> None:
    """SIGKILL for every process that descends from this one, and reap the direct children among them."""
    children: Dict[int, List[int]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % entry, "rb") as file:
                # pid (comm) state ppid …: comm may hold spaces and brackets, so read from its last bracket (proc(5)).
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        children.setdefault(parent, []).append(int(entry))
    queue: List[int] = list(children.get(os.getpid(), ()))
    direct = list(queue)
    while queue:
        pid = queue.pop()
        queue.extend(children.get(pid, ()))
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    for pid in direct:
        try:
            os.waitpid(pid, os.WNOHANG)
        except OSError:
            pass
