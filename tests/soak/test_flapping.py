"""Ten minutes of 200 hosts of which a tenth comes and goes: all are right at the end, and the daemon is no bigger for it."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from lab import Fleet
from tests.e2e.conftest import make_fleet as make_fleet
from tests.e2e.test_flapping import flap


def test_two_hundred_hosts_for_ten_minutes(make_fleet: Callable[..., Fleet]) -> None:
    seen: list[tuple[float, int]] = []
    flap(make_fleet(200), seconds=600, every=30, back_within=300, sample=lambda at, size: seen.append((at, size)))

    def around(minute: int) -> float:
        return statistics.median(size for at, size in seen if abs(at - 60 * minute) < 20)

    early, late = around(2), around(10)
    print(f"resident: {early / 1024:.0f} MB at minute 2, {late / 1024:.0f} MB at minute 10")
    assert late <= 1.1 * early
