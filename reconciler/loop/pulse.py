"""What the daemon did since its start, counted: for /metrics and /readyz. Safe to share between threads."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""Upper bounds of a round's seconds, as Prometheus counts them: a glance at three hosts is the first, a wave that
upgrades packages the last."""
OUTCOMES = ("converged", "away", "failed", "unknown", "stopped", "observe", "running", "waiting", "refused", "crashed")
"""How a round can end: as acts/standing.py has it, `waiting` (for the first push) and `crashed` beside. All are counted from
0 on, so that a rate over one that has not happened yet is 0 and not missing."""
SUCCESS = frozenset({"converged", "away", "observe"})
"""Outcomes after which nothing is left to do for trueup: a host that doesn't answer is that host's trouble."""


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """A moment's copy of the counts. Times are seconds since 1970, 0 where it has not happened yet."""

    by_outcome: Mapping[str, int]
    within: tuple[int, ...]
    """For each of BUCKETS, how many rounds took that long or less."""
    count: int
    seconds: float
    began_at: float
    """When the round under way began; 0 when none is."""
    ended_at: float
    success_at: float
    outcome: str
    """Of the last round; empty before the first has ended."""


@dataclass(kw_only=True)
class Pulse:
    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _outcomes: Counter[str] = field(default_factory=Counter)
    _within: list[int] = field(default_factory=lambda: [0] * len(BUCKETS))
    _seconds: float = 0.0
    _began_at: float = 0.0
    _ended_at: float = 0.0
    _success_at: float = 0.0
    _outcome: str = ""
    _beat: float | None = None

    def beat(self) -> None:
        """The loop is alive; said at least once a second."""
        self._beat = self.monotonic()

    @property
    def silent(self) -> float:
        """Seconds since the last beat; infinite before the first."""
        return self.monotonic() - self._beat if self._beat is not None else float("inf")

    def began(self) -> None:
        with self._lock:
            self._began_at = self.now()

    def ended(self, outcome: str, seconds: float) -> None:
        """A round is over; `outcome` is one of OUTCOMES."""
        with self._lock:
            self._outcomes[outcome] += 1
            self._outcome = outcome
            self._seconds += seconds
            for index, bound in enumerate(BUCKETS):
                self._within[index] += seconds <= bound
            self._began_at = 0.0
            self._ended_at = self.now()
            if outcome in SUCCESS:
                self._success_at = self._ended_at

    def rounds(self) -> Rounds:
        with self._lock:
            return Rounds(
                by_outcome={name: self._outcomes[name] for name in sorted({*OUTCOMES, *self._outcomes})},
                within=tuple(self._within),
                count=sum(self._outcomes.values()),
                seconds=self._seconds,
                began_at=self._began_at,
                ended_at=self._ended_at,
                success_at=self._success_at,
                outcome=self._outcome,
            )


__all__ = ["BUCKETS", "OUTCOMES", "Pulse", "Rounds"]
