"""Content from outside the repository, asked at a rhythm beside the rounds.

A round is woken when a source has changed; what can't be reached keeps what it was, and is told once.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING

from ..core.model import State
from ..core.outside import ELSEWHERE
from ..core.problem import Problem, Refused
from ..outside.once import folder_of
from ..outside.troubles import without_times
from ..settings import Settings
from .log import Log
from .wake import Aside

if TYPE_CHECKING:
    from ..outside.keeper import Sources


LEAST = 10.0
"""Seconds between two times that everything is asked because something moved somewhere: a hook may be run by anybody's push."""


class Contents(Aside):
    """`named` gives the sources that count now, as far as they are known; `whole` says whether that is all of them, so that
    the others may go. `resting` keeps rounds away for a moment and gives what of contents is wanted beside them; None while
    a round runs. `changed` is called when one is not what it was."""

    def __init__(
        self,
        settings: Settings,
        named: Callable[[], Sequence[State]],
        changed: Callable[[], None],
        log: Log,
        whole: Callable[[], bool] = lambda: True,
        resting: Callable[[], AbstractContextManager[Iterable[str] | None]] = lambda: nullcontext(()),
    ) -> None:
        super().__init__("contents", self._run)
        self._settings = settings
        self._named = named
        self._whole = whole
        self._resting = resting
        self._changed = changed
        self._log = log
        self._all = threading.Event()
        self._own = threading.Event()
        """What was asked for: everything, or what is of the fleet's own repository alone. Neither, when only `_due` moved."""
        self._due = time.monotonic() + settings.content_every
        self._began = -math.inf
        """When everything was asked last."""
        self._told: frozenset[str] = frozenset()
        """What could not be reached last time: said once, not each time."""
        self._moment: str | None = None

    @cached_property
    def _sources(self) -> Sources:
        from ..outside.keeper import Sources  # most fleets have nothing from outside

        return Sources.of(self._settings, folder_of(self._settings))

    def now(self, *, own: bool = False) -> None:
        """Ask without waiting for the time to come; `own`: only what is of the fleet's own repository, where a branch
        moved."""
        (self._own if own else self._all).set()
        self._asked.set()

    def soon(self) -> float:
        """Ask everything now, but not sooner than LEAST seconds after the last time, however many say so; seconds until
        then. For those who only know that something moved somewhere."""
        now = time.monotonic()
        wait = max(0.0, self._began + LEAST - now)
        self._due = min(self._due, now + wait)
        self._asked.set()
        return wait

    def _run(self) -> None:
        while not self._stop.is_set():
            self._asked.wait(max(0.0, self._due - time.monotonic()))
            self._asked.clear()
            whole = self._all.is_set() or time.monotonic() >= self._due
            own = self._own.is_set()
            self._own.clear()
            if whole:
                self._all.clear()
                self._began = time.monotonic()
                self._due = self._began + self._settings.content_every
            if self._stop.is_set():
                return
            if not (whole or own):
                continue
            try:
                self.ask(own=not whole)
            except Exception as error:
                # Whatever it is: the next time may go better, and rounds go on.
                self._log.say("content-crashed", level="error", text=f"{type(error).__name__}: {error}")

    def ask(self, *, own: bool = False) -> None:
        """Once, for all that counts now."""
        try:
            named = self._named()
        except Refused:
            return  # the repository can't be read: the round says so
        asked = [told for told in named if not own or _own(told)]
        if asked:
            self._ask(asked, tell=not own)
        if not own:
            self._tidy()

    def _ask(self, asked: Sequence[State], *, tell: bool) -> None:
        if self._moment is None:
            self._moment = self._sources.moment()
        problems = self._sources.refresh(asked)
        if tell:
            self._tell(problems)
        # What others asked since last time counts too: a check, a push.
        before, self._moment = self._moment, self._sources.moment()
        if self._moment != before and not self._stop.is_set():
            self._changed()

    def _tell(self, problems: Sequence[Problem]) -> None:
        told = frozenset(map(without_times, problems))
        for problem in problems:
            if without_times(problem) not in self._told:
                self._log.say(
                    "content-failed", level="warning", code=problem.code, text=problem.message, next=problem.hint
                )
        if self._told and not told:
            self._log.say("content-well", text="every source of content answers again")
        self._told = told

    def _tidy(self) -> None:
        """Once an hour, by what the disk says: a daemon that starts daily tidies too."""
        if not (self._sources.content.path.is_dir() and self._sources.due() and self._whole()):
            return
        try:
            with ExitStack() as rest:
                needed = rest.enter_context(self._resting())
                if needed is None:
                    return  # a round has in its hands what it read: the next time will do
                # Many files take a while to delete, and no round waits for that.
                gone = self._sources.tidy(self._named(), needed, settled=rest.close)
        except Refused as refused:
            self._log.say("content-untidied", level="warning", text=str(refused))
            return
        if gone:
            self._log.say("content-tidied", objects=gone)


def _own(told: State) -> bool:
    """Whether a source is of the fleet's own repository."""
    return not any(place in told for place in ELSEWHERE)


__all__ = ["Contents"]
