"""One row of `make bench`: a figure beside what it must reach."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """A figure: `value` and `target` as a person reads them with their units (`0.93 × ping`, `≤ 1.1 × ping`); `met` says
    whether the one reaches the other, `how` in a sentence how it was measured."""

    name: str
    value: str
    target: str
    met: bool
    how: str

    @classmethod
    def at_most(cls, name: str, value: float, limit: float, unit: str, how: str) -> Row:
        """A figure that must not be above `limit`; both in `unit` (`s`, `MB`, `× ping`)."""
        return cls(name=name, value=f"{value:.3g} {unit}", target=f"≤ {limit:g} {unit}", met=value <= limit, how=how)

    @classmethod
    def at_least(cls, name: str, value: float, limit: float, unit: str, how: str) -> Row:
        """A figure that must not be below `limit`; both in `unit` (`× faster`)."""
        return cls(name=name, value=f"{value:.3g} {unit}", target=f"≥ {limit:g} {unit}", met=value >= limit, how=how)

    def record(self) -> dict[str, str | bool]:
        """The row as bench-results.json has it."""
        return {"name": self.name, "value": self.value, "target": self.target, "met": self.met}


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes, in seconds by the monotonic clock."""
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def interleaved(contenders: Sequence[Callable[[], object]], runs: int = 3) -> list[float]:
    """The median seconds of each contender over `runs` turns in which each goes once: a slow minute of a noisy machine
    falls on all of them alike, so that their ratios hold."""
    turns = [[seconds(work) for work in contenders] for _ in range(runs)]
    return [statistics.median(times) for times in zip(*turns, strict=True)]
