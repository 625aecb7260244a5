"""What people ask of a running daemon that makes hosts due is followed by a look at once, not at the next rhythm."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from lab import Fleet

MADE = 'kind: File\nmetadata: {name: /etc/made.conf}\nspec: {hosts: all, content: "x\\n"}\n'


def until(condition: Callable[[], bool], what: str, limit: float = 60) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def test_forget_reborn_and_resume_wake_the_daemon(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(1)
    [host] = fleet.hosts
    fleet.write("made.yaml", MADE)

    def status() -> dict[str, object]:
        answer: dict[str, object] = json.loads(fleet.trueup("status", "--format", "json", expect=(0, 2)).stdout)
        return answer

    def seen() -> object:
        return json.loads(fleet.trueup("status", "lab-1", "--format", "json", expect=(0, 2)).stdout)["seenAt"]

    with fleet.serve(observe_every="3600"):
        fleet.land("All", "-o", "wait")
        assert host.exists("/etc/made.conf")
        assert status()["nextLook"] is not None
        # Cleaned, and still declared: it is made anew.
        fleet.trueup("forget", "lab-1", "--yes")
        until(lambda: host.exists("/etc/made.conf"), "the daemon waits after forget")
        until(lambda: status()["neverSeen"] == 0, "it was not looked at after forget")
        # Another machine, on purpose: it is looked at.
        before = seen()
        fleet.trueup("reborn", "lab-1", "--yes")
        until(lambda: seen() not in (None, before), "the daemon waits after reborn")
        # What was pushed while it was paused is done when that ends.
        fleet.trueup("pause", "lab-1", "--why", "a test")
        fleet.write("made.yaml", MADE.replace("x", "y"))
        fleet.land("Another", "-o", "wait")
        assert host.read("/etc/made.conf") == "x\n"
        fleet.trueup("resume", "lab-1")
        until(lambda: host.read("/etc/made.conf") == "y\n", "the daemon waits after resume")
    # Without one, nothing is promised.
    assert status()["nextLook"] is None
    said = fleet.trueup("status").stdout
    assert "next look" not in said
    assert "No daemon runs, so nobody looks by itself: trueup observe looks now" in said
