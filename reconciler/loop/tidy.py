"""Once a day, between two rounds: history that is older than it is to be kept goes (`historyDays`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..world import World

if TYPE_CHECKING:
    from ..store import DuckStore

DAY = 86_400.0
SOON = 3600.0
"""Seconds from a start to the first time: a start has better things to do, and a daemon that starts daily tidies too."""


class Tidy:
    """Knows when it was done last."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._next = world.now() + SOON

    def after_round(self) -> int:
        """Do it if it is due; rows that went. Raises Refused as every write does."""
        now = self._world.now()
        if now < self._next:
            return 0
        self._next = now + DAY
        gone = cast("DuckStore", self._world.store).retire(now - self._world.settings.history_days * DAY)
        if rows := sum(gone.values()):
            self._world.tell.say("tidied", rows=rows, days=self._world.settings.history_days)
        return rows


__all__ = ["Tidy"]
