"""Ten minutes of 200 hosts of which a tenth comes and goes: all are right at the end, and the daemon is no bigger for it."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from lab import Fleet
from tests.e2e.conftest import make_fleet as make_fleet
from tests.e2e.test_flapping import flap

ROUNDS = 3
"""Rounds after which a daemon has done all that it does; a first one alone may take two minutes on a busy machine."""


def test_two_hundred_hosts_for_ten_minutes(make_fleet: Callable[..., Fleet]) -> None:
    """Its memory from minute 2 on, or from the third round's end where that is later, to minute 10."""
    fleet = make_fleet(200)
    seen: list[tuple[float, int]] = []
    warm: list[float] = []

    def sample(at: float, size: int) -> None:
        seen.append((at, size))
        if not warm and at > 120 and fleet.log.read_text(errors="replace").count(" round-end ") >= ROUNDS:
            warm.append(at)

    flap(fleet, seconds=600, every=30, back_within=300, sample=sample)
    assert warm and warm[0] < 330, "too few rounds to tell by"

    def around(when: float) -> float:
        return statistics.median(size for at, size in seen if abs(at - when) < 20)

    early, late = around(warm[0]), around(600)
    print(f"resident: {early / 1024:.0f} MB after {warm[0]:.0f} s, {late / 1024:.0f} MB after 600 s")
    assert late <= 1.1 * early
