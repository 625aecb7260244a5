"""A wave that failed holds the rest of the fleet back until its failure is mended; drift goes on being healed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from reconciler import line
from reconciler.acts import fleet as acts
from reconciler.core.model import Absent, Key, Plan, Present
from reconciler.world import World

sys.path.insert(0, str(Path(__file__).parent))
from test_line import FLEET, Bench, bench, repo_of  # noqa: F401

MOTD = "/etc/motd"
ISSUE = """\
apiVersion: trueup.dev/v1
kind: File
metadata: {name: /etc/issue}
spec: {hosts: all, content: issue}
"""


def walk(fleet: Bench, seconds: float = 1.0) -> Plan:
    """One round, `seconds` after the one before; the plan of what is left."""
    fleet.clock[0] += seconds
    seen = line.reconcile(fleet.world)
    after = line.look(fleet.world, seen.commit.id).plan
    assert after is not None
    return after


@pytest.fixture
def failed(bench: Bench) -> Bench:  # noqa: F811
    """Three hosts hold "hello"; the next commit failed on the canary, db-1."""
    bench.repo.push(repo_of(("issue.yaml", ISSUE)))
    line.reconcile(bench.world)
    bench.repo.push(repo_of(("issue.yaml", ISSUE), text="new"))
    bench.trip.failing.add(("db-1", MOTD))
    line.reconcile(bench.world)
    assert bench.store.rounds[-1][1] == "wave 1 failed"
    return bench


def test_others_wait_for_as_long_as_the_canary_fails(failed: Bench) -> None:
    for seconds in (1, 58, 2, 1, 300, 1, 1801, 1):
        after = walk(failed, seconds)
        assert failed.motd_on("web-1") == failed.motd_on("web-22") == "hello", f"changed at {failed.clock[0]:.0f}"
        assert {left.key.host for left in after.left if left.kind_of == "held"} == {"web-1", "web-22"}
    assert after.hold is not None and after.hold.why == "wave 1 failed on db-1"
    assert after.hold.until is not None and after.hold.until > failed.clock[0]
    tried = [host for host, changes in failed.trip.visits if changes]
    assert tried[-4:] == ["db-1"] * 4, "the canary alone is tried again, after 1, 5 and 30 minutes"


def test_when_the_canary_succeeds_at_its_retry_the_roll_out_goes_on_by_waves(failed: Bench) -> None:
    walk(failed)
    failed.trip.failing.clear()
    before = len(failed.trip.visits)
    walk(failed, 61)
    assert failed.motd_on("db-1") == "new"
    after = walk(failed)
    assert not after.changes and not after.left and after.hold is None
    assert sorted(host for host, changes in failed.trip.visits[before:] if changes) == ["db-1", "web-1", "web-22"]
    assert len(failed.store.rounds[-1][0].waves) == 2, "one host, then the rest"


def test_drift_is_healed_meanwhile(failed: Bench) -> None:
    failed.trip.world[Key("web-1", "File", "/etc/issue")] = Absent()
    walk(failed, 601)
    assert [name for name, changes in failed.trip.visits if changes][-2:] == ["db-1", "web-1"]
    assert failed.store.rounds[-1][1] == "wave 1 failed", "the canary's retry failed in this very round"
    assert isinstance(failed.trip.world[Key("web-1", "File", "/etc/issue")], Present)
    assert failed.motd_on("web-1") == "hello"


def test_a_new_commit_tries_at_once(failed: Bench) -> None:
    failed.trip.failing.clear()
    failed.repo.push(repo_of(("issue.yaml", ISSUE), text="newer"))
    walk(failed)
    assert [failed.motd_on(name) for name in ("db-1", "web-1", "web-22")] == ["newer"] * 3


def test_a_commit_that_no_longer_wants_what_failed_goes_on(bench: Bench) -> None:  # noqa: F811
    bench.repo.push(repo_of())
    line.reconcile(bench.world)
    bench.trip.failing.add(("db-1", "/etc/issue"))
    bench.repo.push(repo_of(("issue.yaml", ISSUE)))
    assert walk(bench).hold is not None
    bench.repo.push(repo_of(text="new"))
    walk(bench)
    assert [bench.motd_on(name) for name in ("db-1", "web-1", "web-22")] == ["new"] * 3


def test_a_restart_still_knows(failed: Bench) -> None:
    world = failed.world
    failed.world = World(
        settings=world.settings,
        kinds=world.kinds,
        repo=failed.repo,
        store=failed.store,
        trip=failed.trip,
        sealer=world.sealer,
        tell=failed.events,
        now=world.now,
    )
    walk(failed)
    assert failed.motd_on("web-1") == "hello"


@pytest.mark.parametrize("how", ["away", "paused"])
def test_a_canary_that_failed_and_then_went_away_or_was_paused_proves_nothing(failed: Bench, how: str) -> None:
    if how == "away":
        failed.trip.away.add("db-1")
    else:
        acts.pause(failed.world, {"selector": "db-1", "for": "2h", "why": "rack 4", "who": "Ada"})
    walk(failed, 601)
    walk(failed)
    assert failed.motd_on("web-1") == "hello"


def test_a_failure_that_somebody_mended_by_hand_holds_nobody(failed: Bench) -> None:
    key = Key("db-1", "File", MOTD)
    was = failed.trip.world[key]
    assert isinstance(was, Present)
    failed.trip.world[key] = Present({**was.state, "content": "new"})
    walk(failed, 601)
    walk(failed)
    assert failed.motd_on("web-1") == failed.motd_on("web-22") == "new"


def test_a_failure_within_the_policy_holds_nobody(bench: Bench) -> None:  # noqa: F811
    waves = 'mode: enforce, waves: [{selector: "canary=true", maxFailedPercent: 100}, {percent: 100}]'
    bench.repo.push(repo_of(fleet=FLEET.replace("mode: enforce", waves)))
    bench.trip.failing.add(("db-1", MOTD))
    line.reconcile(bench.world)
    assert bench.motd_on("web-1") == bench.motd_on("web-22") == "hello"
    bench.repo.push(repo_of(("issue.yaml", ISSUE), fleet=FLEET.replace("mode: enforce", waves)))
    walk(bench)
    assert isinstance(bench.trip.world.get(Key("web-1", "File", "/etc/issue")), Present)


def test_a_kill_before_the_gate_opens_no_gate(bench: Bench) -> None:  # noqa: F811
    """The canary failed and that was written down; the next host was under way when trueup was killed."""
    bench.repo.push(repo_of())
    bench.trip.failing.add(("db-1", MOTD))
    close, bench.store.close_round = bench.store.close_round, _killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        line.reconcile(bench.world)
    bench.store.close_round = close  # type: ignore[method-assign]
    walk(bench)
    walk(bench)
    assert bench.motd_on("web-1") == ""


def _killed(round_id: str, outcome: str, now: float) -> None:
    raise KeyboardInterrupt


def test_a_plan_says_the_same_with_the_same_past(failed: Bench) -> None:
    one, other = walk(failed), walk(failed)
    assert one.id == other.id and one.hold is not None and one.hold.until != failed.clock[0]


def test_a_new_commit_asks_at_once_who_did_not_let_us_in(bench: Bench) -> None:  # noqa: F811
    """It may hold the host's new keys, or its new address."""
    bench.repo.push(repo_of())
    bench.trip.away.add("web-1")
    line.reconcile(bench.world)
    bench.trip.away.clear()
    walk(bench)
    assert bench.motd_on("web-1") == "", "not before a minute, while nothing changed"
    bench.repo.push(repo_of(text="with new keys"))
    walk(bench)
    assert bench.motd_on("web-1") == "with new keys"
