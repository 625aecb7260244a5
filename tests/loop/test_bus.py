"""Live events: nobody who listens slows a round, and who missed some is told."""

from __future__ import annotations

import threading
import time

from reconciler.loop import Bus


def test_each_subscriber_gets_each_event_in_order() -> None:
    bus = Bus()
    with bus.subscribe() as one, bus.subscribe() as two:
        for number in range(3):
            bus.publish({"event": "wave", "number": number})
        for subscription in (one, two):
            assert [subscription.get(1)["number"] for _ in range(3)] == [0, 1, 2]  # type: ignore[index]
            assert subscription.get(0.01) is None


def test_a_slow_subscriber_loses_the_oldest_and_is_told_how_many() -> None:
    bus = Bus()
    subscription = bus.subscribe(size=3)
    started = time.monotonic()
    for number in range(1000):
        bus.publish({"event": "x", "number": number})
    assert time.monotonic() - started < 2, "publishing never waits for a reader"
    first = subscription.get(0)
    assert first is not None and first["event"] == "missed" and first["count"] == 997
    assert [subscription.get(0)["number"] for _ in range(3)] == [997, 998, 999]  # type: ignore[index]


def test_who_comes_back_gets_what_was_missed() -> None:
    bus = Bus(keep=10)
    for number in range(5):
        bus.publish({"event": "x", "number": number})
    subscription = bus.subscribe(after=3)
    assert [subscription.get(0)["number"] for _ in range(2)] == [3, 4]  # type: ignore[index]


def test_closing_the_bus_ends_every_reader() -> None:
    bus = Bus()
    ended: list[int] = []
    subscriptions = [bus.subscribe() for _ in range(3)]
    threads = [threading.Thread(target=lambda s=s: ended.append(len(list(s)))) for s in subscriptions]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    bus.publish({"event": "last"})
    bus.close()
    for thread in threads:
        thread.join(2)
    assert ended == [1, 1, 1]
    assert list(bus.subscribe()) == []


def test_a_listener_that_raises_is_dropped_and_hurts_nobody() -> None:
    bus = Bus()
    heard: list[object] = []

    def broken(event: object) -> None:
        raise RuntimeError("its loop is closed")

    bus.listen(broken)
    end = bus.listen(heard.append)
    bus.publish({"event": "one"})
    bus.publish({"event": "two"})
    end()
    bus.publish({"event": "three"})
    assert [event["event"] for event in heard] == ["one", "two"]  # type: ignore[index]
