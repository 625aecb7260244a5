"""Nothing on a host waits without a limit: an alarm that interrupts what runs, and ends what it started."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Callable, Dict, List, Optional, TypeVar

Answer = TypeVar("Answer")
AGAIN = 2.0
"""Seconds from one ring to the next: code that catches everything may swallow the first."""


class TimeUp(BaseException):
    """Raised by the alarm. A BaseException, so that code which catches every Exception doesn't swallow it."""


def within(seconds: float, call: Callable[[], Answer]) -> Answer:
    """What `call` gives; raises TimeUp in it when the seconds are over, and again every two until it is heard. Then all
    descendants of this process are killed: they belong to what was interrupted.

    A function and not a context: an alarm may ring between any two steps, and from the entry of an `__exit__` it would
    escape with the alarm still set, to go off in whatever runs next. Here a ring while the inner `finally` begins is
    followed by the outer one, and the next ring is two seconds away.
    """
    over = False

    def ring(number: int, frame: Optional[FrameType]) -> None:
        if not over:
            raise TimeUp()

    before = signal.signal(signal.SIGALRM, ring)
    try:
        try:
            try:
                signal.setitimer(signal.ITIMER_REAL, max(0.1, seconds), AGAIN)
                return call()
            finally:
                over = True
                signal.setitimer(signal.ITIMER_REAL, 0)
        finally:
            over = True
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
    except TimeUp:
        kill_descendants()
        raise


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
