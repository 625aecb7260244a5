"""History goes once a day, not at every round, and not at a start."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from reconciler.loop.tidy import DAY, SOON, Tidy
from reconciler.settings import Settings


def test_once_a_day_and_not_at_the_start() -> None:
    clock, asked, said = [1_000_000.0], [], []

    def retire(before: float) -> dict[str, int]:
        asked.append(before)
        return {"watched": 3}

    world: Any = SimpleNamespace(
        now=lambda: clock[0],
        settings=Settings(history_days=30),
        store=SimpleNamespace(retire=retire),
        tell=SimpleNamespace(say=lambda event, **facts: said.append((event, facts["rows"]))),
    )
    tidy = Tidy(world)
    assert tidy.after_round() == 0
    clock[0] += SOON
    assert tidy.after_round() == 3 and tidy.after_round() == 0
    clock[0] += DAY
    assert tidy.after_round() == 3
    assert asked == [1_000_000.0 + SOON - 30 * DAY, 1_000_000.0 + SOON + DAY - 30 * DAY]
    assert said == [("tidied", 3)] * 2
