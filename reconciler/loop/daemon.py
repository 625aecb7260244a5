"""The daemon, as prose:

1. Something wakes it: a push, a fetch that brought a commit, `sync`, the time to look again, the time to try again.
2. It walks the line once, in a worker thread, so that signals and systemd are answered meanwhile.
3. What came of it is told. A round that crashed is told too, and tried again after a while; it ends nothing.
4. Asked to stop, it lets the trip under way come to its end, within a limit, and is gone.

What a round does is line.py's; the daemon knows only when.
"""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from ..core.problem import Refused
from .log import Log
from .pulse import Pulse
from .systemd import Notify
from .wake import Wakes

RETRY = (5.0, 30.0, 60.0, 300.0)
"""Seconds until a round that crashed is tried again: the first time, the second, …, and then always the last."""


WAITING = frozenset({"no-commit"})
"""Codes of what is no fault: the first push is waited for."""


@dataclass(frozen=True, kw_only=True)
class Reasons:
    """Why a round is walked: for people, and for the line, which looks at hosts anew when `again` is asked for."""

    words: tuple[str, ...]

    @property
    def again(self) -> bool:
        """True when hosts are to be looked at even if what is known of them is fresh."""
        return bool({"sync", "signal"} & set(self.words))

    def __str__(self) -> str:
        return ", ".join(self.words)


@dataclass(kw_only=True)
class Daemon:
    """Wakes, rounds and the end. `run` returns when it was asked to `stop` and the round under way is over (True),
    or was given up on (False)."""

    walk: Callable[[Reasons], str]
    """Walks the line once; gives the word that says what came of it. May raise anything."""
    next_look: Callable[[], float]
    """When the next look is due, in seconds from now: the time to observe, or to try again what failed."""
    log: Log
    wakes: Wakes = field(default_factory=Wakes)
    notify: Notify = field(default_factory=lambda: Notify({}))
    pulse: Pulse = field(default_factory=Pulse)
    stop_limit: float = 60.0
    """Seconds that a trip under way gets to come to its end."""
    retry: tuple[float, ...] = RETRY
    _stopping: threading.Event = field(default_factory=threading.Event)
    _crashes: int = 0
    _refusal: str = ""
    """What the last round was refused with: said once, not at every try."""
    running: bool = False
    """True while a round is walked."""

    @property
    def stopping(self) -> bool:
        """For the line, between trips: True when no further one should start."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Asked to end; safe from a signal handler and from any thread."""
        self._stopping.set()
        # A handler runs inside the main thread, which may hold the queue's lock just then: so not from there.
        threading.Thread(target=self.wakes.wake, args=("stop",), daemon=True).start()

    def run(self) -> bool:
        self.pulse.beat()
        self.wakes.wake("start")
        while not self._stopping.is_set():
            words = self._sleep()
            if self._stopping.is_set():
                break
            if not self._walk(Reasons(words=words or ("clock",))):
                return False
        return True

    def _sleep(self) -> tuple[str, ...]:
        """Wait for a word or for the next look, and tell systemd meanwhile that nothing hangs."""
        end = time.monotonic() + self._until_next()
        while not self._stopping.is_set():
            left = end - time.monotonic()
            words = self.wakes.wait(min(max(left, 0.0), self._breath))
            if words or left <= 0:
                return words
            self._alive()
        return ()

    def _until_next(self) -> float:
        if self._crashes:
            wait = self.retry[min(self._crashes, len(self.retry)) - 1]
            return wait * random.uniform(0.9, 1.1)  # noqa: S311 (so that many daemons don't fall into step)
        try:
            return max(0.0, min(self.next_look(), 86_400.0))
        except Exception as error:
            self.log.say("clock-failed", level="error", text=_words(error))
            return 60.0

    def _walk(self, reasons: Reasons) -> bool:
        """One round in a thread of its own. False when it had to be given up at the end."""
        self.running = True
        worker = threading.Thread(target=self._one_round, args=(reasons,), name="round", daemon=True)
        worker.start()
        given_up_at: float | None = None
        while worker.is_alive():
            worker.join(self._breath if not self._stopping.is_set() else 0.1)
            self._alive()
            if self._stopping.is_set():
                given_up_at = given_up_at or time.monotonic() + self.stop_limit
                if time.monotonic() > given_up_at and worker.is_alive():
                    self.log.say(
                        "round-left", level="warning", text="the trip did not end in time; the next start re-plans"
                    )
                    return False
        self.running = False
        return True

    def _one_round(self, reasons: Reasons) -> None:
        started = time.monotonic()
        came_of_it = "crashed"
        self.pulse.began()
        self.log.say("round-start", why=str(reasons))
        try:
            came_of_it = self.walk(reasons)
        except Refused as refused:
            self._crashes += 1
            came_of_it = "waiting" if WAITING.issuperset(p.code for p in refused.problems) else "refused"
            self._refused(refused)
        except Exception as error:
            self._crashes += 1
            trace = traceback.extract_tb(error.__traceback__)
            at = f"{trace[-1].filename.rpartition('reconciler/')[2]}:{trace[-1].lineno}" if trace else ""
            self.log.say("round-crashed", level="error", text=_words(error), at=at, tries=self._crashes)
        else:
            self._crashes = 0
            self._refusal = ""
            self.notify.status(f"last round {came_of_it}")
            self.log.say("round-end", verdict=came_of_it, seconds=round(time.monotonic() - started, 3))
        finally:
            self.pulse.ended(came_of_it, time.monotonic() - started)

    def _refused(self, refused: Refused) -> None:
        """Nothing crashed: the world can't be read as it is (a repository that is gone, a full disk)."""
        again = self._refusal == str(refused)
        self._refusal = str(refused)
        if again:
            return
        for problem in refused.problems:
            level = "info" if problem.code in WAITING else "error"
            facts = {"code": problem.code, "place": problem.place, "text": problem.message, "next": problem.hint}
            self.log.say("round-refused", level=level, **facts)

    def _alive(self) -> None:
        self.pulse.beat()
        self.notify.alive()

    @property
    def _breath(self) -> float:
        return min(self.notify.watchdog or 1.0, 1.0)


def of_a_commit(refused: Refused) -> bool:
    """Whether it is what stands in a repository's files: their paths are within it, those of this machine are absolute."""
    return any(problem.path and not problem.path.startswith("/") for problem in refused.problems)


def told_elsewhere(refused: Refused) -> bool:
    """No fault (the first push is waited for), or a commit's errors, which the tip is shown with."""
    return of_a_commit(refused) or WAITING.issuperset(problem.code for problem in refused.problems)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


__all__ = ["RETRY", "WAITING", "Daemon", "Reasons", "of_a_commit", "told_elsewhere"]
