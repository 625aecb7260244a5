"""A canary on which a commit fails holds the rest of the fleet, for as long as it takes; meanwhile the fleet is kept true."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable

from lab import Fleet

WAVES = """\
kind: Fleet
metadata: {name: lab}
spec:
  mode: enforce
  waves: [{selector: "canary=true", maxFailedPercent: 0}, {percent: 100}]
"""
MOTD = 'kind: File\nmetadata: {name: /etc/motd}\nspec: {hosts: all, content: "%s\\n", validate: "%s"}\n'
# One host finds it wrong; the others would take it.
FAILS_ON_LAB_1 = "grep -Eq lab-[23] /etc/hostname %s"
ISSUE = 'kind: File\nmetadata: {name: /etc/issue}\nspec: {hosts: all, content: "issue\\n"}\n'


def until(what: Callable[[], bool], limit: float = 90) -> None:
    end = time.monotonic() + limit
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.2)


def rounds(fleet: Fleet) -> int:
    """How many rounds came to their end, in all that the log tells of."""
    return fleet.log.read_text(encoding="utf-8", errors="replace").count(" round-end ")


def let_pass(fleet: Fleet, seconds: float, count: int) -> None:
    """Ask for looks at all hosts until `count` more rounds have ended, and `seconds` have passed."""
    end, before = time.monotonic() + seconds, rounds(fleet)

    def passed() -> bool:
        fleet.trueup("sync")
        return time.monotonic() > end and rounds(fleet) >= before + count

    until(passed)


def test_a_commit_that_fails_on_the_canary_stays_there(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(3, labels={"lab-1": 'canary: "true"'})
    _, *others = fleet.hosts
    fleet.write("trueup.yaml", WAVES)
    fleet.write("motd.yaml", MOTD % ("first", "true %s"))
    fleet.write("issue.yaml", ISSUE)

    def held() -> None:
        assert [host.read("/etc/motd") for host in fleet.hosts] == ["first\n"] * 3, "the roll-out went on"

    with fleet.serve() as daemon:
        fleet.trueup("wait", fleet.land("The first"))
        fleet.write("motd.yaml", MOTD % ("second", FAILS_ON_LAB_1))
        bad = fleet.commit("One that fails on the canary")
        pushed = " ".join(fleet.push("-o", "wait", check=False).stderr.replace("remote:", "").split())
        assert "held: wave 1 failed on lab-1; retried at 20" in pushed, pushed
        assert "2 changes on 2 hosts wait" in pushed and "next step: mend it there" in pushed, pushed
        held()
        let_pass(fleet, 5, 3)
        held()
        others[0].write("/etc/issue", "by hand\n")
        fleet.trueup("sync")
        until(lambda: others[0].read("/etc/issue") == "issue\n")
        held()
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait(timeout=30)

    with fleet.serve():
        let_pass(fleet, 1, 2)
        held()
        waited = " ".join(fleet.trueup("wait", bad, expect=1).stdout.split())
        assert "held: wave 1 failed on lab-1; retried at 20" in waited and "next step: mend it there" in waited, waited
        told = fleet.trueup("status", expect=None).stdout
        assert "held: wave 1 failed on lab-1; retried at 20" in told and "next: mend it there" in told, told
        assert told.count("1 held: wave 1 failed on lab-1") == 2, told
        shown = fleet.trueup("plan", expect=2).stdout
        assert "2 changes on 2 hosts wait" in shown and "wave 1 failed on lab-1" in shown, shown
        assert "retried at 20" in shown and "next: mend it there" in shown and "Nothing to do" not in shown, shown
        hold = json.loads(fleet.trueup("plan", "--format", "json", expect=2).stdout)["hold"]
        assert hold["failed"] == ["lab-1"] and hold["hosts"] == 2 and hold["retryAt"], hold

        fleet.write("motd.yaml", MOTD % ("third", "true %s"))
        fleet.trueup("wait", fleet.land("A good one"))
        assert [host.read("/etc/motd") for host in fleet.hosts] == ["third\n"] * 3
        assert fleet.trueup("plan").stdout.startswith("Nothing to do: 3 hosts are")
