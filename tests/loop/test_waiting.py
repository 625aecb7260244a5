"""What came of a commit, and how long one watches: with a line of commits of the test's own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.acts.standing import Standing
from reconciler.core.problem import Refused
from reconciler.loop import Bus
from reconciler.loop.waiting import verdict_of, wait
from reconciler.tell.remote_wait import ENDS, Follow


class Line:
    """Commits a, b, c …, each after the one before."""

    def __init__(self, tip: str) -> None:
        self.at = tip

    def resolve(self, rev: str = "") -> str:
        return rev or self.at

    def tip(self) -> str:
        return self.at

    def is_ancestor(self, old: str, new: str) -> bool:
        return old <= new


def stands(tip: str, commit: str, outcome: str, **more: Any) -> Standing:
    counts = {"hosts": 3, "converged": 3, "failed": 0, "away": 0, "pending": 0} | more
    return Standing(tip=tip, commit=commit, held=commit, plan="5d02c7f1aa", outcome=outcome, **counts)


@pytest.mark.parametrize(
    ("standing", "commit", "verdict"),
    [
        (None, "b", ""),
        (stands("a", "a", "converged"), "b", ""),  # the round before the push
        (stands("b", "b", "converged"), "b", "converged"),
        (stands("b", "b", "running"), "b", ""),
        (stands("b", "b", "failed"), "b", "failed"),
        (stands("b", "b", "stopped"), "b", "stopped"),
        (stands("b", "a", "converged"), "b", "refused"),  # b has errors
        (stands("c", "c", "converged"), "b", "converged"),  # a newer one holds it
        (stands("c", "a", "converged"), "a", "converged"),  # what came later has errors, a is in force
    ],
)
def test_the_verdict_on_a_commit(standing: Standing | None, commit: str, verdict: str) -> None:
    assert verdict_of(Line("c"), standing, commit) == verdict


def test_events_come_as_they_are_told_and_the_verdict_is_the_last() -> None:
    bus, line = Bus(), Line("b")
    now: list[Standing | None] = [stands("a", "a", "converged")]

    def round() -> None:
        time.sleep(0.1)
        bus.publish({"event": "wave", "number": 1, "of": 1, "hosts": 3, "plan": "5d02c7f1aa"})
        bus.publish({"event": "progress", "host": "web-1", "words": "not for those who wait"})
        for host in ("web-1", "web-2", "web-3"):
            bus.publish({"event": "host", "host": host, "trouble": "", "outcomes": {"ok": 1}})
        now[0] = stands("b", "b", "converged")
        bus.publish({"event": "standing"})

    threading.Thread(target=round).start()
    events = list(wait(line, bus, lambda: now[0], lambda: False, "b", 10))
    assert [event["event"] for event in events] == ["wave", "host", "host", "host", "verdict"]
    assert events[-1]["verdict"] == "converged"


def test_who_waits_for_a_fetch_is_told_of_the_commit_that_it_brought() -> None:
    bus, line = Bus(), Line("a")
    now: list[Standing | None] = [None]  # the server's, until the round after the fetch
    bus.publish({"event": "wave", "number": 1, "of": 1, "hosts": 3, "plan": "5d02c7f1aa", "commit": "a"})
    asked = bus.last_id
    bus.publish({"event": "wave", "number": 1, "of": 1, "hosts": 3, "plan": "9a", "commit": "b"})

    def fetch() -> None:
        time.sleep(0.1)
        line.at, now[0] = "b", stands("b", "a", "converged")

    threading.Thread(target=fetch).start()
    *told, last = wait(line, bus, lambda: now[0], lambda: False, "", 10, after=asked)
    assert [event["commit"] for event in told] == ["b"], "what was told before it was asked for is another one's"
    assert (last["verdict"], last["commit"]) == ("refused", "b"), "that the one before it converged is no answer"


def test_a_fetch_that_failed_is_no_success() -> None:
    now = stands("a", "a", "converged")
    (last,) = wait(Line("a"), Bus(), lambda: now, lambda: False, "", 5, after=0, fetch_trouble=lambda: "no route")
    assert last["fetchTrouble"] == "no route"
    said = list(Follow().line(last))
    assert said[0].startswith("error: nothing was fetched") and "no route" in said[1]


def test_at_the_limit_it_still_runs_and_the_watching_ends() -> None:
    started = time.monotonic()
    [*_, last] = wait(Line("b"), Bus(), lambda: None, lambda: True, "b", 0.3)
    assert last["verdict"] == "running" and time.monotonic() - started < 20


def test_silence_is_broken_by_a_beat() -> None:
    events = list(wait(Line("b"), Bus(), lambda: None, lambda: True, "b", 0.9, beat=0.2))
    assert [event["event"] for event in events[:-1]].count("beat") >= 1


def test_a_commit_that_is_not_on_the_branch_is_refused() -> None:
    with pytest.raises(Refused, match="not on the branch"):
        next(iter(wait(Line("b"), Bus(), lambda: None, lambda: False, "c", 1)))


def test_a_daemon_that_stops_ends_the_watching_with_words() -> None:
    bus = Bus()
    threading.Timer(0.1, bus.close).start()
    with pytest.raises(Refused, match="being stopped"):
        list(wait(Line("b"), bus, lambda: None, lambda: True, "b", 10))


# ---------------------------------------------------------------- as it is read


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def told(*events: dict[str, Any]) -> list[str]:
    clock = Clock()
    follow = Follow(clock)

    def timed() -> Iterator[dict[str, Any]]:
        for event in events:
            clock.now += float(event.get("after", 0))
            yield event

    return list(follow.lines(timed()))


def host(name: str, after: float = 1, **more: Any) -> dict[str, Any]:
    return {"event": "host", "host": name, "trouble": "", "outcomes": {"ok": 1}, "after": after, **more}


def test_a_roll_out_reads_as_a_line_a_wave_and_a_sentence() -> None:
    failed = stands("b", "b", "failed", converged=1, failed=1, away=1).json()
    failed["why"] = (
        {"host": "web-2", "why": "File /etc/motd: no space left on /"},
        {"host": "web-3", "why": "no answer"},
    )
    lines = told(
        {"event": "wave", "number": 1, "of": 2, "hosts": 1, "plan": "5d02c7f1aa"},
        host("web-1"),
        {"event": "wave", "number": 2, "of": 2, "hosts": 2, "plan": "5d02c7f1aa"},
        host("web-2", after=6, outcomes={"failed": 1}),
        host("web-3", trouble="no answer"),
        {"event": "verdict", "verdict": "failed", "commit": "e4a7d10" + "0" * 33, "standing": failed},
    )
    assert lines == [
        "trueup: plan 5d02c7f1, 2 waves",
        "wave 1/2         1 host  1 done                                1 s",
        "wave 2/2        2 hosts  0 done, 1 failed, 1 to go             6 s",
        "wave 2/2        2 hosts  0 done, 2 failed                      7 s",
        "error: 1 of 3 hosts failed, 1 converged",
        "  web-2  File /etc/motd: no space left on /",
        "  web-3  no answer",
        "hint: trueup status; what failed is tried again after 1, 5, 30 minutes",
    ]


@pytest.mark.parametrize("verdict", sorted(ENDS))
def test_every_verdict_has_a_sentence_that_is_narrow_and_begins_with_its_word(verdict: str) -> None:
    outcome = stands("b", "b", verdict, hosts=10_000, converged=9_000, failed=1, away=2).json()
    outcome["why"] = ({"host": "web-1\x1b[31m", "why": "x " * 100},)
    outcome["guards"] = (
        {
            "rule": "deletes-per-kind",
            "message": "412 of 1,236 owned Users would be deleted (33.3 %, the limit is 30 %)",
        },
    )
    lines = told({"event": "verdict", "verdict": verdict, "commit": "e" * 40, "standing": outcome})
    assert lines[0].startswith(ENDS[verdict] + ": ")
    assert all(len(line) <= 72 and line.isprintable() for line in lines)
    assert told({"event": "verdict", "verdict": verdict, "commit": "e" * 40, "standing": None})
