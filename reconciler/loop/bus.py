"""Live events, from the round that happens to whoever watches: pages, `git push -o wait`, `trueup wait`.

Nothing depends on an event's arrival: who missed some asks for the state and goes on. So publishing never waits,
and a subscriber that is too slow loses the oldest and is told how many.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from threading import Condition, Lock
from types import TracebackType
from typing import Any

Event = Mapping[str, Any]
"""JSON: `event` (a word), `id` (counts up from 1), `at` (seconds since 1970 UTC), and the event's own facts."""


class Subscription:
    """One watcher's queue. Read it from any thread; close it, or use it in a `with`."""

    def __init__(self, bus: Bus, size: int) -> None:
        self._bus = bus
        self._events: deque[Event] = deque()
        self._size = size
        self._missed = 0
        self._arrived = Condition()
        self.closed = False

    def get(self, timeout: float | None = None) -> Event | None:
        """The next event; None when none came within `timeout` seconds, or when the subscription is closed."""
        with self._arrived:
            self._arrived.wait_for(lambda: bool(self._events) or self.closed, timeout)
            if self._missed:
                missed, self._missed = self._missed, 0
                return {"event": "missed", "count": missed, "id": 0, "at": time.time()}
            return self._events.popleft() if self._events else None

    def __iter__(self) -> Iterator[Event]:
        """Events until the subscription is closed and empty."""
        while True:
            event = self.get()
            if event is None:
                return
            yield event

    def close(self) -> None:
        self._bus._leave(self)
        with self._arrived:
            self.closed = True
            self._arrived.notify_all()

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _put(self, event: Event) -> None:
        with self._arrived:
            if len(self._events) >= self._size:
                self._events.popleft()
                self._missed += 1
            self._events.append(event)
            self._arrived.notify()


class Bus:
    """Hands each event to all who listen. Keeps the last few, so that a short break in a connection costs nothing."""

    def __init__(self, keep: int = 1000) -> None:
        self._lock = Lock()
        self._subscriptions: list[Subscription] = []
        self._listeners: list[Callable[[Event], None]] = []
        self._recent: deque[Event] = deque(maxlen=keep)
        self._count = 0
        self._closed = False

    @property
    def last_id(self) -> int:
        return self._count

    def publish(self, event: Event) -> None:
        """Never waits and never raises. Adds `id` and, when missing, `at`."""
        with self._lock:
            self._count += 1
            whole = {"at": time.time(), **event, "id": self._count}
            self._recent.append(whole)
            subscriptions, listeners = list(self._subscriptions), list(self._listeners)
            for subscription in subscriptions:
                subscription._put(whole)
        for listener in listeners:
            try:
                listener(whole)
            except Exception:
                # A page's loop that has just ended: its fault must not become the round's.
                self._forget(listener)

    def subscribe(self, size: int = 256, after: int | None = None) -> Subscription:
        """A queue of at most `size` events. With `after`, the id of the last event seen, those since then come first."""
        with self._lock:
            subscription = Subscription(self, size)
            if after is not None:
                for event in self._recent:
                    if event["id"] > after:
                        subscription._put(event)
            if self._closed:
                subscription.closed = True
            else:
                self._subscriptions.append(subscription)
            return subscription

    def first(self, event: str, **facts: Any) -> int | None:
        """The id of the first kept event of this name with these facts; None when there is none any more."""
        with self._lock:
            return next(
                (
                    kept["id"]
                    for kept in self._recent
                    if kept["event"] == event and all(kept.get(name) == value for name, value in facts.items())
                ),
                None,
            )

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with each event, in the publisher's thread: it must be quick (`call_soon_threadsafe`).
        Gives what ends it."""
        with self._lock:
            self._listeners.append(listener)
        return lambda: self._forget(listener)

    def close(self) -> None:
        """End all subscriptions: whoever iterates over one comes to its end."""
        with self._lock:
            self._closed = True
            open_ones = list(self._subscriptions)
        for subscription in open_ones:
            subscription.close()

    def _leave(self, subscription: Subscription) -> None:
        with self._lock:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)

    def _forget(self, listener: Callable[[Event], None]) -> None:
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)


__all__ = ["Bus", "Event", "Subscription"]
