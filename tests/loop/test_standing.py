"""One word for how the fleet stands: nothing that nobody knows, and nothing that waits, is called converged."""

from __future__ import annotations

from reconciler import acts
from reconciler.core.kind import Kinds
from reconciler.core.model import Commit, Desired, Hold, Host, Key, Left, Plan, Policy
from reconciler.line import Look
from reconciler.loop.standing import Standing, standing
from reconciler.tell import plan_text
from reconciler.tell.remote_wait import verdict
from reconciler.tell.round_text import applied

UNREAD = Left(key=Key("web-1", "File", "/etc/motd"), why="permission denied", kind_of="unknown")
HELD = Left(key=Key("web-2", "File", "/etc/motd"), why="waits: wave 1 failed on db-1", kind_of="held")
PAUSED = Left(key=Key("db-1", "File", "/etc/motd"), why="paused by Ada: rack 4", kind_of="paused")
HOLD = Hold(wave=1, hosts=("db-1",), until=1060.0)


def of(plan: Plan) -> Standing:
    desired = Desired(
        policy=Policy(mode="enforce"), hosts={name: Host(name=name) for name in ("db-1", "web-1", "web-2")}
    )
    return standing("c1", "c1", Look(commit=Commit(id="c1"), desired=desired, plan=plan), 1000.0)


def told(stands: Standing) -> str:
    return "\n".join(verdict({"verdict": stands.outcome, "commit": "c1", "standing": stands.json()}))


def test_what_cannot_be_read_on_a_host_that_answers_is_not_converged() -> None:
    stands = of(Plan(hosts_total=3, left=(UNREAD,)))
    assert (stands.outcome, stands.converged, stands.unknown) == ("unknown", 2, 1)
    assert "1 of 3 hosts can't be read wholly, 2 converged" in told(stands)
    assert "web-1  File /etc/motd: permission denied" in told(stands)


def test_what_is_unknown_on_a_host_that_does_not_answer_is_its_silence() -> None:
    stands = of(Plan(hosts_total=3, left=(UNREAD,), unreachable={"web-1": "no answer"}))
    assert (stands.outcome, stands.unknown) == ("away", 0)


def test_what_a_failed_wave_holds_is_not_converged_even_with_the_failed_host_paused() -> None:
    stands = of(Plan(hosts_total=3, left=(PAUSED, HELD), hold=HOLD))
    assert stands.outcome == "failed" and stands.converged == 2
    said = told(stands)
    assert "held: wave 1 failed on db-1; retried at 1970-01-01T00:17:40Z\n  waiting: 1 change on 1 host\n" in said
    assert said.startswith("error: a wave failed, 2 converged")
    assert "next step: mend it there" in said


def test_apply_says_so_too() -> None:
    before = Plan(hosts_total=3)
    unread = acts._outcome(before, Plan(hosts_total=3, left=(UNREAD,)))
    assert unread["outcome"] == "unknown"
    assert "something can't be read" in applied({"commit": "c1", **unread})
    held = acts._outcome(before, Plan(hosts_total=3, left=(HELD, PAUSED), hold=HOLD))
    assert held["outcome"] == "failed" and held["left"][-1]["left"] == "held"
    assert "held: wave 1 failed on db-1; retried at 1970-01-01T00:17:40Z" in applied({"commit": "c1", **held})


def test_the_plan_tells_what_is_held_in_one_line() -> None:
    said = plan_text.text(Kinds(by_name={}), Plan(hosts_total=3, left=(HELD, PAUSED), hold=HOLD))
    assert "‖ held: wave 1 failed on db-1; 1 change on 1 host waits" in said
    assert "web-2" not in said, "what waits has one cause, told once"
