"""One word for how the fleet stands: nothing that nobody knows, and nothing that waits, is called converged."""

from __future__ import annotations

import pytest

from reconciler.acts import fleet as acts
from reconciler.acts.standing import Standing, standing
from reconciler.cli import exits
from reconciler.cli.wait import CODES
from reconciler.core.kind import Kinds
from reconciler.core.model import Action, Change, Commit, Desired, Hold, Host, Key, Left, Plan, Policy, Reason
from reconciler.line import Look
from reconciler.manifests.kinds import load_kinds
from reconciler.tell import plan_md, plan_text, remote
from reconciler.tell.plan_view import only
from reconciler.tell.remote_wait import verdict
from reconciler.tell.round_text import applied

UNREAD = Left(key=Key("web-1", "File", "/etc/motd"), why="permission denied", kind_of="unknown")
HELD = Left(key=Key("web-2", "File", "/etc/motd"), why="waits: wave 1 failed on db-1", kind_of="held")
PAUSED = Left(key=Key("db-1", "File", "/etc/motd"), why="paused by Ada: rack 4", kind_of="paused")
HOLD = Hold(wave=1, hosts=("db-1",), until=1060.0)
IDLE = Plan(hosts_total=3)


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
    assert "held: wave 1 failed on db-1; retried at 1970-01-01T00:17:40Z; 1 change on 1 host waits" in " ".join(
        said.split()
    )
    assert said.startswith("error: a wave failed, 2 converged")
    assert "next step: mend it there" in said


def applying(after: Plan, before: Plan = IDLE) -> tuple[str, str]:
    """How `trueup apply` ends: its word, and what it says."""
    answer = acts._outcome(before, after, of(after))
    return answer["outcome"], applied({"commit": "c1", **answer})


def test_apply_says_so_too() -> None:
    word, said = applying(Plan(hosts_total=3, left=(UNREAD,)))
    assert word == "unknown" and "something can't be read" in said
    word, said = applying(Plan(hosts_total=3, left=(HELD, PAUSED), hold=HOLD))
    assert word == "failed" and "held: wave 1 failed on db-1; retried at 1970-01-01T00:17:40Z" in said
    assert said.index("db-1  File") < said.index("web-2  File"), "what waits for others comes last"


@pytest.mark.parametrize(
    "after",
    [Plan(hosts_total=3, unreachable={"web-1": "no answer"}), Plan(hosts_total=3, never_seen=("web-1",))],
    ids=["silent", "never seen"],
)
def test_apply_names_who_did_not_answer_and_claims_nothing_of_the_fleet(after: Plan) -> None:
    word, said = applying(after)
    assert word == "away" and CODES[word] == exits.ERROR
    assert said.startswith("? 1 of 3 hosts without an answer; 2 converged on c1.\n") and "? web-1: no" in said, said
    assert "next: they follow when they answer; trueup doctor HOST" in said


def test_apply_in_mode_observe_says_that_nothing_runs() -> None:
    desired = Desired(policy=Policy(mode="observe"), hosts={"web-1": Host(name="web-1")})
    change = Change(key=UNREAD.key, action=Action.CREATE, reason=Reason.NEW_IN_GIT, fields=())
    plan = Plan(hosts_total=1, changes=(change,))
    stands = standing("c1", "c1", Look(commit=Commit(id="c1"), desired=desired, plan=plan), 1000.0)
    answer = acts._outcome(plan, plan, stands)
    assert answer["outcome"] == "observe"
    assert applied({"commit": "c1", **answer}).startswith("Mode observe: 1 change shown, nothing runs")


def test_nothing_was_to_do_is_another_word_than_done() -> None:
    change = Change(key=UNREAD.key, action=Action.CREATE, reason=Reason.NEW_IN_GIT, fields=())
    assert applying(Plan(hosts_total=3))[0] == "nothing"
    assert applying(Plan(hosts_total=3), Plan(hosts_total=3, changes=(change,)))[0] == "converged"


NO_KINDS = Kinds(by_name={})


def test_a_plan_of_what_waits_alone_is_not_nothing_to_do() -> None:
    waits = Plan(hosts_total=3, left=(HELD, PAUSED), hold=HOLD)
    said = plan_text.text(NO_KINDS, waits)
    assert said.startswith("2 changes wait: 1 for a wave that failed, 1 for a pause to end. Nothing else"), said
    assert "‖ held: wave 1 failed on db-1; retried at 1970-01-01T00:17:40Z; 1 change on 1 host waits" in said
    assert "next: mend it there" in said and "web-2" not in said, "what waits has one cause, told once"
    assert plan_md.text(NO_KINDS, waits).splitlines()[1] == "### ‖ trueup: nothing changes yet"
    assert "2 changes wait: 1 for a wave" in " ".join(remote.plan(NO_KINDS, waits))
    assert "held:" not in plan_text.text(NO_KINDS, only(waits, host="db-1")), "not of another host"
    seen = plan_text.text(NO_KINDS, Plan(hosts_total=3, left=(UNREAD,)))
    assert seen.startswith("Nothing to do: 2 hosts are as"), "nobody's change waits there"


def test_a_host_that_waits_is_not_counted_as_right() -> None:
    change = Change(key=UNREAD.key, action=Action.CREATE, reason=Reason.NEW_IN_GIT, fields=())
    kinds = load_kinds()
    said = plan_text.text(kinds, Plan(hosts_total=3, changes=(change,), left=(HELD,), hold=HOLD))
    assert "1 of 3 hosts changes, 1 is as it should be, 1 waits." in said, said
    assert "0 unmanaged. 1 change waits: 1 for a wave that failed." in said
