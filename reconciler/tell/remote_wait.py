"""A roll-out as somebody who pushed, or who waits, follows it: a line a wave, one at least every 15 s, then the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from . import hold
from .clean import clean, plural
from .remote import lines

Event = Mapping[str, Any]

EVERY = 5.0
"""Seconds between two lines on one wave that goes on."""

ENDS: Mapping[str, str] = {
    "converged": "success",
    "failed": "error",
    "unknown": "error",
    "away": "warning",
    "stopped": "warning",
    "observe": "warning",
    "refused": "error",
    "running": "warning",
}
"""Verdict → the word that its line begins with; git colours it."""


class Follow:
    """Turns events into lines. `verdict` is the last event's word, empty before."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wave: Event | None = None
        self._plan = ""
        self._done = self._failed = 0
        self._wave_at = self._said_at = 0.0
        self.verdict = ""

    def lines(self, events: Iterable[Event]) -> Iterator[str]:
        for event in events:
            yield from self.line(event)

    def line(self, event: Event) -> Iterator[str]:
        """The lines that one event is worth; often none."""
        match event["event"]:
            case "wave":
                yield from self._ended()
                if event.get("plan") != self._plan:
                    self._plan = str(event.get("plan", ""))
                    yield from lines(f"trueup: plan {self._plan[:8]}, {plural(int(event.get('of', 1)), 'wave')}")
                self._wave, self._wave_at, self._said_at = event, self._clock(), self._clock()
                self._done = self._failed = 0
            case "host" if self._wave is not None:
                self._done += 1
                self._failed += bool(event.get("trouble")) or _failed(event)
                if self._done >= int(self._wave["hosts"]) or self._clock() - self._said_at >= EVERY:
                    yield from self._ended(more=self._done < int(self._wave["hosts"]))
            case "beat":
                yield from self._beat(bool(event.get("busy")))
            case "missed":
                yield from lines(f"trueup: {event['count']} lines were too fast for this connection")
            case "round-refused" | "round-crashed":
                yield from lines(f"warning: {event.get('text', '')}")
            case "verdict":
                yield from self._ended()
                self.verdict = str(event["verdict"])
                yield from verdict(event)

    def _ended(self, *, more: bool = False) -> Iterator[str]:
        wave = self._wave
        if wave is None:
            return
        well = self._done - self._failed
        told = f"{well:,} done" + (f", {self._failed:,} failed" if self._failed else "")
        left = int(wave["hosts"]) - self._done
        told += f", {left:,} to go" if left > 0 else ""
        number = f"wave {wave['number']}/{wave['of']}"
        yield from lines(
            f"{number:<11}{plural(int(wave['hosts']), 'host'):>12}  {told:<34}{self._clock() - self._wave_at:>5.0f} s"
        )
        self._said_at = self._clock()
        if not more:
            self._wave = None

    def _beat(self, busy: bool) -> Iterator[str]:
        if self._wave is not None:
            yield from self._ended(more=True)
        else:
            yield "trueup: looking at the hosts" if busy else "trueup: waiting for the next round"


def _failed(event: Event) -> bool:
    return any(count and word in ("failed", "lost") for word, count in dict(event.get("outcomes") or {}).items())


def verdict(event: Event) -> Iterator[str]:
    """The last lines: one sentence that says how it ended, whom it concerns, and what to type next."""
    word, commit = str(event["verdict"]), str(event["commit"])[:7]
    stands = event.get("standing") or {}
    hosts, well = int(stands.get("hosts", 0)), int(stands.get("converged", 0))
    failed, away, unsure = (int(stands.get(name, 0)) for name in ("failed", "away", "unknown"))
    if event.get("fetchTrouble"):
        yield from lines("error: nothing was fetched, so this is of what was fetched before", "    ")
        yield from lines(f"  {clean(str(event['fetchTrouble']))}", "    ")
    rest = f"{well:,} converged"
    held = stands.get("hold")
    told = f"{failed:,} of {plural(hosts, 'host')} failed" if failed or not held else "a wave failed"
    sentence = {
        "converged": f"{plural(hosts, 'host')} converged on {commit}",
        "failed": f"{told}, {rest}",
        "unknown": f"{unsure:,} of {plural(hosts, 'host')} can't be read wholly, {rest}",
        "away": f"{away:,} of {plural(hosts, 'host')} without an answer, {rest}",
        "stopped": f"stopped by a guard; the fleet stays on {str(stands.get('held', ''))[:7] or 'what it was'}",
        "observe": f"mode observe: {plural(int(stands.get('pending', 0)), 'change')} shown, nothing runs",
        "refused": f"{commit} has errors; the fleet stays on {str(stands.get('held', ''))[:7] or 'what it was'}",
        "running": f"still running, {rest} of {hosts:,}; the roll-out goes on",
    }[word]
    yield from lines(f"{ENDS[word]}: {sentence}")
    for one in stands.get("why", ()):
        yield from lines(f"  {clean(str(one['host']))}  {one['why']}", "    ")
    more = failed + unsure + away - len(stands.get("why", ()))
    if more > 0:
        yield from lines(f"  and {more:,} more")
    if held:
        yield from lines(f"  {hold.sentence(held)}", "    ")
    for hit in stands.get("guards", ()):
        yield from lines(f"  {hit['message']}", "    ")
        yield from lines(f"hint: if it is meant: trueup apply {str(stands.get('plan', ''))[:8]} --accept {hit['rule']}")
    hint = {
        "failed": "hint: trueup status; what failed is tried again after 1, 5, 30 minutes",
        "unknown": "hint: trueup status HOST says what can't be read and why; trueup observe HOST reads it again",
        "away": "hint: they follow when they answer; trueup doctor HOST looks at the way",
        "observe": "hint: set mode: enforce in trueup.yaml when the plan is right",
        "refused": f"hint: trueup check --rev {commit}",
        "running": f"hint: trueup wait {commit}",
    }.get(word)
    if held and word == "failed":
        hint = f"next step: {hold.NEXT}"
    if hint:
        yield from lines(hint)


__all__ = ["ENDS", "Follow", "verdict"]
