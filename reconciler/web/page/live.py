"""What is sent while a page is open: counts and the rows that changed, at most once a second, over server-sent events.

One poller serves all streams, and runs only while there is a stream: the cost of ten readers is that of one. An event
carries what changed since the one before it; its id lets a reader that was away (a hidden tab) come back and be told
of what it missed, and one that was away for too long is told so. Nothing is rendered here: the browser sets numbers.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from ...core.model import Json

EVERY = 1.0
"""Seconds between two looks at the answers, and so between two events."""
PING = 15.0
"""Seconds of silence after which a comment is sent: proxies close what is silent for longer."""
CAP = 100
"""Streams at once. One belongs to one visible tab; more than this is not people looking at a page."""
MEMORY = 120
"""Events kept for those who come back."""
ROWS = 200
"""Changed rows in one event; above it, the event says how many more there are."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What streams compare: the counts and words of the fleet, and one row a host that is worth a word."""

    summary: Mapping[str, Json]
    rows: Mapping[str, Mapping[str, Json]]


@dataclass(frozen=True)
class _Step:
    seq: int
    summary: Mapping[str, Json]
    rows: Mapping[str, Mapping[str, Json]]


@dataclass
class Hub:
    """Turns repeated looks into streams. `look` is asked at most once in `every` seconds."""

    look: Callable[[], Awaitable[Moment]]
    every: float = EVERY
    ping: float = PING
    cap: int = CAP
    epoch: str = field(default_factory=lambda: secrets.token_hex(4))
    """Tells the ids of this process from those of the one before."""
    _steps: deque[_Step] = field(default_factory=lambda: deque(maxlen=MEMORY))
    _seq: int = 0
    _last: Moment | None = None
    _open: int = 0
    _poller: asyncio.Task[None] | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None
    _ended: bool = False
    trouble: str = ""
    """Why the last look failed; told in events, so that a page doesn't go on looking live."""

    @property
    def full(self) -> bool:
        return self._open >= self.cap

    def end(self) -> None:
        """End all streams, from any thread; no new one starts."""
        self._ended = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def stream(self, since: str = "", hosts: frozenset[str] | None = None) -> AsyncIterator[str]:
        """The text of one stream. `since`: the id of the last event that the reader has; `hosts`: those on its page
        (None: all). Ends when the reader goes, or at `end`."""
        if self._ended:
            return
        self._open += 1
        self._loop = asyncio.get_running_loop()
        try:
            first = self._poller is None or self._poller.done()
            if first:
                self._poller = asyncio.create_task(self._poll())
            yield "retry: 3000\n\n"
            at = self._after(since)
            if at is None:
                while (first or self._last is None) and not self.trouble and not self._ended:
                    first = not await self._wait()  # nobody is greeted with what was true when the last reader left
                at = self._seq
                yield self._event(self._hello(missed=bool(since)))
            while not self._ended:
                steps = [step for step in self._steps if step.seq > at]
                if steps:
                    at = steps[-1].seq
                    yield self._event(self._told(steps, hosts))
                elif not await self._wait():
                    yield ": still here\n\n"
        finally:
            self._open -= 1

    async def _wait(self) -> bool:
        try:
            await asyncio.wait_for(self._news.wait(), self.ping)
        except TimeoutError:
            return False
        return True

    def _after(self, since: str) -> int | None:
        """The number of the event with id `since`, None when what came after it is no longer known."""
        epoch, _, number = since.partition("-")
        if epoch != self.epoch or not number.isascii() or not number.isdigit() or len(number) > 15:
            return None
        at = int(number)
        oldest = self._steps[0].seq - 1 if self._steps else self._seq
        # While nobody looked, nothing was compared: the next look finds all of it, against the last moment.
        return at if oldest <= at <= self._seq else None

    def _hello(self, missed: bool) -> dict[str, Json]:
        summary = self._last.summary if self._last is not None else {}
        return {"format": 1, **summary, "rows": [], "more": 0, "missed": missed, "trouble": self.trouble}

    def _told(self, steps: list[_Step], hosts: frozenset[str] | None) -> dict[str, Json]:
        rows: dict[str, Mapping[str, Json]] = {}
        for step in steps:
            rows.update(step.rows)
        others = 0
        if hosts is not None:
            mine = {name: row for name, row in rows.items() if name in hosts}
            others = len(rows) - len(mine)
            rows = mine
        shown = [rows[name] for name in sorted(rows)[:ROWS]]
        return {
            "format": 1,
            **steps[-1].summary,
            "rows": shown,
            "more": others + len(rows) - len(shown),
            "missed": False,
            "trouble": self.trouble,
        }

    def _event(self, data: Mapping[str, Json]) -> str:
        # JSON has no raw line ends, so one data line is enough, whatever a host is called.
        return f"id: {self.epoch}-{self._seq}\nevent: fleet\ndata: {json.dumps(data, sort_keys=True)}\n\n"

    async def _poll(self) -> None:
        first = True
        while self._open and not self._ended:
            before, trouble = self._last, self.trouble
            try:
                now = await self.look()
                self.trouble = ""
            except Exception:
                # Whatever it is, readers must hear that what they see is no longer live; the pages say more.
                self.trouble = "the state can't be read now"
                now = before or Moment(summary={}, rows={})
            changed = _changed(before, now) if before is not None else {}
            self._last = now if not self.trouble else before
            if before is None or changed or now.summary != before.summary or trouble != self.trouble:
                if before is not None or self.trouble:
                    self._seq += 1
                    self._steps.append(_Step(self._seq, now.summary, changed))
                first = True
            if first:
                self._wake()
                first = False
            await asyncio.sleep(self.every)


def _changed(before: Moment, now: Moment) -> dict[str, Mapping[str, Json]]:
    gone = {"verdict": "", "why": ""}
    changed = {name: row for name, row in now.rows.items() if before.rows.get(name) != row}
    for name in before.rows.keys() - now.rows.keys():
        changed[name] = {"host": name, **gone}
    return changed
