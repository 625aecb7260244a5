"""The daemon's log: one line an event, whatever commits and hosts say."""

from __future__ import annotations

import io
import json

from reconciler.loop import Bus, Log


def test_human_lines_are_one_line_each_and_hostile_text_stays_inside() -> None:
    stream = io.StringIO()
    Log(stream=stream).say("round-end", verdict="Converged", why="a\x1b[2Jb\nerror: forged", level="warning")
    [line] = stream.getvalue().splitlines()
    assert "warning: round-end" in line and "\x1b" not in line and 'why="a [2Jb error: forged"' in line


def test_json_lines_are_json_whatever_they_hold() -> None:
    stream = io.StringIO()
    Log(form="json", stream=stream, now=lambda: 0.5).say("host", host="web\n-1", outcomes={"ok": 2}, thing=object)
    found = json.loads(stream.getvalue())
    assert found["time"] == "1970-01-01T00:00:00.500Z" and found["host"] == "web\n-1" and found["level"] == "info"


def test_events_go_to_the_bus_and_progress_only_there() -> None:
    bus = Bus()
    stream = io.StringIO()
    subscription = bus.subscribe()
    log = Log(bus, stream=stream)
    log.say("progress", host="web-1", words="creating")
    log.say("wave", number=1)
    assert [subscription.get(0)["event"] for _ in range(2)] == ["progress", "wave"]  # type: ignore[index]
    assert "progress" not in stream.getvalue() and "wave" in stream.getvalue()


def test_a_closed_stderr_does_not_stop_a_round() -> None:
    stream = io.StringIO()
    stream.close()
    Log(stream=stream).say("wave", number=1)
