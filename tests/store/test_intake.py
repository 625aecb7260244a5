"""What a visit brings back: history, ownership as hosts tell it, troubles, failures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.model import (
    Absent,
    Action,
    Approval,
    Change,
    Commit,
    Host,
    Key,
    Origin,
    Outcome,
    Pause,
    Plan,
    Present,
    Reason,
    Report,
    Result,
    Trouble,
    Unknown,
    Untold,
    digest,
)
from reconciler.core.model.observed import OLDER_PROBE
from reconciler.core.problem import Problem
from reconciler.store import DuckStore
from reconciler.store.at import at
from reconciler.store.bodies import Bodies
from reconciler.store.history import history
from reconciler.store.host import day

from .worlds import COMMIT, KINDS, NOW, desired, failed, meaning, owned, report, spread

RED = meaning({"colour": "red"})
FLEET = desired(["web-1"], spread("Lamp", "hall", ["web-1"], same=RED))
HALL = ("Lamp", "hall")
KEY = Key("web-1", "Lamp", "hall")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    made = DuckStore(tmp_path / "state.duckdb", KINDS)
    yield made
    made.close()


def test_any_moment_of_the_past_can_be_asked_for(store: DuckStore) -> None:
    story = ["red", "red", "blue", "blue", "red"]
    for number, colour in enumerate(story):
        store.took(report("web-1", {HALL: Present({"colour": colour})}, at=NOW + 60 * number), FLEET, NOW + 60 * number)
        store.flush()
    for number, colour in enumerate(story):
        for later in (0.0, 59.0):
            answer = at(store.db, KINDS, NOW + 60 * number + later, host="web-1")
            assert answer["resources"][0]["state"] == {"colour": colour}
            assert answer["resources"][0]["right"] is (colour == "red")
            assert answer["looked"] is (later == 0.0 or number < len(story) - 1)
    assert at(store.db, KINDS, NOW - 1, host="web-1")["resources"] == []
    assert at(store.db, KINDS, NOW - 1, host="web-1")["seenAt"] is None
    spans = store.db.rows("SELECT count(*) FROM observed_past")[0][0]
    assert spans == 2, "what stays the same is one span however often it is looked at"


def test_a_gap_is_told(store: DuckStore) -> None:
    for moment in (0, 500, 1000, 9000, 9500):
        store.took(report("web-1", {HALL: Present({"colour": "red"})}, at=NOW + moment), FLEET, NOW + moment)
        store.flush()
    then = at(store.db, KINDS, NOW + 5000, host="web-1")
    assert then["looked"] is False
    assert then["seenAt"] == at(store.db, KINDS, NOW + 1000, host="web-1")["time"]
    slots = [slot["verdict"] for slot in day(store.db, store.names.hosts["web-1"], NOW + 9500)]
    assert slots[-1] == "Converged"
    assert None in slots[:-1]


def test_a_hosts_clock_is_not_believed(store: DuckStore) -> None:
    long_ago = report("web-1", {HALL: Present({"colour": "red"})}, at=NOW)
    readings = tuple(replace(reading, at=3.0) for reading in long_ago.readings)
    store.took(replace(long_ago, readings=readings), FLEET, NOW)
    store.flush()
    assert at(store.db, KINDS, NOW - 5, host="web-1")["resources"] == []
    assert at(store.db, KINDS, NOW + 5, host="web-1")["resources"] != []


def test_a_host_speaks_for_itself_alone(store: DuckStore) -> None:
    two = desired(["web-1", "web-2"], spread("Lamp", "hall", ["web-1", "web-2"], same=RED))
    forged = report("web-2", {HALL: Present({"colour": "evil"})})
    store.took(replace(report("web-1", {HALL: Present({"colour": "red"})}), readings=forged.readings), two, NOW)
    assert all(isinstance(row.seen, Unknown) for row in store.past(two).rows)


def test_an_unreachable_host_keeps_its_readings_and_carries_the_trouble(store: DuckStore) -> None:
    store.took(report("web-1", {HALL: Present({"colour": "red"})}, at=NOW), FLEET, NOW)
    for number in (1, 2):
        away = report(
            "web-1", {}, at=NOW + 60 * number, trouble=Trouble(code="unreachable", why="no route"), machine_id=""
        )
        store.took(away, FLEET, NOW + 60 * number)
        store.flush()
    past = store.past(FLEET)
    host = past.hosts["web-1"]
    assert (host.seen_at, host.trouble, host.trouble_since, host.tried_at) == (NOW, "no route", NOW + 60, NOW + 120)
    assert host.machine_id == "m-web-1"
    assert past.rows[0].seen == Present({"colour": "red"})
    store.took(report("web-1", {HALL: Present({"colour": "red"})}, at=NOW + 180), FLEET, NOW + 180)
    assert store.past(FLEET).hosts["web-1"].trouble == ""
    told = [event for event in history(store.db, KINDS, host="web-1")["events"] if event["what"] == "trouble"]
    assert [event["why"] for event in told] == ["no route"]


def test_a_look_that_read_less_than_is_declared_is_no_look_at_the_host(store: DuckStore) -> None:
    two = desired(["web-1"], spread("Lamp", "hall", ["web-1"], same=RED), spread("Lamp", "attic", ["web-1"], same=RED))
    store.took(report("web-1", {HALL: Present({"colour": "red"})}), two, NOW)
    assert store.past(two).hosts["web-1"].seen_at is None
    both = {HALL: Present({"colour": "red"}), ("Lamp", "attic"): Unknown("no right")}
    store.took(report("web-1", both, at=NOW + 9), two, NOW + 9)
    assert store.past(two).hosts["web-1"].seen_at == NOW + 9


# ---------------------------------------------------------------- ownership


def take(store: DuckStore, *mine: object, seen: object = Present({"colour": "red"}), at: float = NOW) -> None:
    store.took(report("web-1", {HALL: seen}, at=at, owned=mine), FLEET, at)  # type: ignore[arg-type, dict-item]
    store.flush()


NOTHING = desired(["web-1"])
MINE = owned("web-1", "Lamp", "hall", {"colour": "red"})


def test_a_lost_state_is_read_back_from_the_host(store: DuckStore) -> None:
    take(store, MINE)
    row = store.past(NOTHING).rows[0]
    assert (row.key, row.owned, row.desired) == (KEY, MINE, None)


def test_what_the_host_does_not_confirm_is_shown_and_never_deleted(store: DuckStore) -> None:
    take(store)
    store.own([MINE], (), NOW)
    assert store.past(NOTHING).rows[0].owned == MINE
    take(store, at=NOW + 60)
    assert store.past(NOTHING).rows == ()
    assert store.past(NOTHING).owned_by_kind == {}
    assert store.owned_on(["web-1"]) == {"web-1": (MINE,)}
    take(store, MINE, at=NOW + 120)
    assert store.past(NOTHING).rows[0].owned == MINE


def test_what_the_host_neither_confirms_nor_has_is_forgotten(store: DuckStore) -> None:
    take(store, MINE)
    take(store, seen=Absent(), at=NOW + 60)
    assert store.owned_on(["web-1"]) == {}


def untold(store: DuckStore) -> Untold:
    return store.untold(["web-1", "nobody"]).get("web-1", Untold())


def test_what_the_host_has_not_said_is_untold_until_it_says_just_that(store: DuckStore) -> None:
    take(store, at=NOW - 60)
    store.own([MINE], (), NOW)
    assert untold(store) == Untold(own=(MINE,))
    take(store, MINE)
    assert untold(store) == Untold()
    for other in (replace(MINE, digest="7" * 16), replace(MINE, on_remove="delete")):
        store.own([other], (), NOW + 60)
        assert untold(store) == Untold(own=(other,))
        take(store, MINE, at=NOW + 60)
        assert untold(store) == Untold(own=(other,)), "it says the old one"
        take(store, other, at=NOW + 61)
        assert untold(store) == Untold()
    store.own([MINE], (), NOW + 90)
    store.took(report("web-1", {HALL: Present({"colour": "red"})}, at=NOW + 90), FLEET, NOW + 90)
    assert untold(store) == Untold(own=(MINE,)), "a visit that heard nothing of its file tells nothing"


def test_what_the_host_says_no_longer_is_not_told_again_unless_it_is_adopted_anew(store: DuckStore) -> None:
    take(store, MINE)
    take(store, at=NOW + 60)
    assert untold(store) == Untold(), "only what both say may be deleted"
    store.own([MINE], (), NOW + 60)
    assert untold(store) == Untold(own=(MINE,))


def test_what_was_let_go_of_is_not_taken_in_again_before_the_host_was_told(store: DuckStore) -> None:
    take(store, MINE)
    store.own((), [KEY], NOW)
    for later in (60, 120):
        assert untold(store) == Untold(disown=(KEY,))
        take(store, MINE, at=NOW + later)
        assert store.owned_on(["web-1"]) == {} and store.past(NOTHING).rows == ()
    take(store, at=NOW + 180)
    assert untold(store) == Untold()
    take(store, MINE, at=NOW + 240)
    assert store.owned_on(["web-1"]) == {"web-1": (MINE,)}, "who comes back with it later is believed again"
    store.own((), [KEY], NOW + 250)
    store.own([MINE], (), NOW + 251)
    assert untold(store) == Untold(own=(MINE,)), "declared again meanwhile"
    store.own((), [KEY], NOW + 252)
    assert untold(store) == Untold(), "of what the host was never heard to say there is nothing to take back"


def test_ownership_keeps_its_beginning_and_moves_with_what_is_applied(store: DuckStore) -> None:
    store.own([MINE], (), NOW)
    blue = owned("web-1", "Lamp", "hall", {"colour": "blue"}, Origin.CREATED)
    store.own([blue], (), NOW + 60)
    store.flush()
    since, applied = store.db.rows("SELECT epoch(owned_since), epoch(applied_at) FROM owned")[0]
    assert (since, applied) == (NOW, NOW + 60)
    store.own((), [KEY, Key("nobody", "Lamp", "none")], NOW + 90)
    assert store.owned_on(["web-1"]) == {}


def test_a_host_that_was_reborn_owns_nothing_and_is_unknown(store: DuckStore) -> None:
    take(store, MINE)
    store.forget("web-1", NOW + 60)
    past = store.past(FLEET)
    assert past.rows == () and past.hosts["web-1"].seen_at is None and past.hosts["web-1"].machine_id == ""
    assert at(store.db, KINDS, NOW + 30, host="web-1")["resources"] != [], "its history stays"


def test_a_renamed_host_keeps_its_memory(store: DuckStore) -> None:
    take(store, MINE)
    away = Report(host="www-1", trouble=Trouble(code="renamed", why="it is the machine that is known as web-1"))
    store.took(away, replace(NOTHING, hosts={"www-1": Host(name="www-1")}), NOW)
    assert store.rename("web-1", "www-1") and not store.rename("web-1", "www-2")
    renamed = replace(NOTHING, hosts={"www-1": Host(name="www-1")})
    assert store.past(renamed).rows[0].key == Key("www-1", "Lamp", "hall")
    assert store.machines() == {"www-1": "m-web-1"}


def test_readings_of_another_probe_are_unknown(store: DuckStore, tmp_path: Path) -> None:
    take(store, MINE)
    store.close()
    other = replace(KINDS, probes={**KINDS.probes, "Lamp": "look at lamps otherwise"})
    again = DuckStore(tmp_path / "state.duckdb", other)
    assert again.past(FLEET).rows[0].seen == OLDER_PROBE
    again.close()


# ---------------------------------------------------------------- rounds and failures


def plan_of(*keys: Key, commit: Commit = COMMIT) -> Plan:
    changes = tuple(
        Change(key=key, action=Action.UPDATE, reason=Reason.EDITED_IN_GIT, fields=(), want=RED, wave=1) for key in keys
    )
    return Plan(id="5d02c7f1", commit=commit, changes=changes, waves=(tuple(key.host for key in keys),))


def test_a_round_that_a_crash_left_open_is_found(store: DuckStore, tmp_path: Path) -> None:
    assert store.unfinished() is None
    first = store.open_round(plan_of(KEY), NOW)
    store.close_round(first, "done", NOW + 5)
    assert store.unfinished() is None
    second = store.open_round(plan_of(KEY, Key("web-2", "Lamp", "hall")), NOW + 60)
    store.db.close()
    again = DuckStore(tmp_path / "state.duckdb", KINDS)
    assert again.unfinished() == (second, ("web-1", "web-2"))
    again.close_round(second, "cut short", NOW + 90)
    assert again.unfinished() is None
    again.close()


@pytest.mark.parametrize(("tries", "wait"), [(1, 60), (2, 300), (3, 1800), (4, 1800)])
def test_a_failure_waits_longer_each_time_and_a_new_commit_tries_at_once(
    store: DuckStore, tries: int, wait: int
) -> None:
    for number in range(tries):
        store.open_round(plan_of(KEY), NOW + number)
        bad = report("web-1", {HALL: Present({"colour": "blue"})}, at=NOW + number, outcomes=(failed("web-1", *HALL),))
        store.took(bad, FLEET, NOW + number)
        store.flush()
    waiting = store.past(FLEET).backoffs[0]
    assert (waiting.key, waiting.digest, waiting.commit) == (KEY, RED.digest, COMMIT.id)
    assert waiting.until == NOW + tries - 1 + wait
    store.holding(COMMIT, "tree", (), NOW)
    assert store.past(FLEET).backoffs
    store.holding(replace(COMMIT, id="b" * 40), "tree", (), NOW + 1)
    assert store.past(FLEET).backoffs == ()


def test_a_success_ends_the_waiting(store: DuckStore) -> None:
    good = Outcome(key=KEY, result=Result.OK, changed=True)
    for number, outcome in enumerate((failed("web-1", *HALL), good)):
        store.took(
            report("web-1", {HALL: Present({"colour": "red"})}, at=NOW + number, outcomes=(outcome,)), FLEET, NOW
        )
        store.flush()
    assert store.past(FLEET).backoffs == ()


def test_the_newest_valid_commit_that_may_run_is_held(store: DuckStore) -> None:
    good, bad, guarded = COMMIT, replace(COMMIT, id="b" * 40), replace(COMMIT, id="c" * 40)
    assert store.held() == ""
    store.holding(good, "t", (), NOW)
    store.holding(bad, "t", (Problem(code="x", message="wrong"),), NOW + 1)
    store.holding(guarded, "t", (Problem(code="y", message="odd", severity="warning"),), NOW + 2, runs=False)
    assert store.held() == good.id
    store.holding(guarded, "t", (), NOW + 3)
    assert store.held() == guarded.id


def test_people_are_remembered(store: DuckStore) -> None:
    store.pause(Pause(selector="role=web", why="move", who="ada", until=NOW + 100), NOW)
    store.pause(Pause(selector="all", why="night", who="bo", until=NOW + 200), NOW)
    assert [one.selector for one in store.pauses(NOW + 150)] == ["all"]
    assert store.resume("role=web", "ada", NOW + 10) == 1
    assert store.resume("role=web", "ada", NOW + 10) == 0
    assert [one.selector for one in store.pauses(NOW + 20)] == ["all"]
    yes = Approval(guard="deletes", commit=COMMIT.id, allowed=frozenset({"a", "b"}), who="ada", at=NOW)
    store.approve(yes)
    assert store.past(FLEET).approvals == (yes,)
    assert store.past(replace(FLEET, commit=replace(COMMIT, id="d" * 40))).approvals == ()


def test_drift_is_in_the_history_with_its_fields_and_an_edit_is_not_drift(store: DuckStore) -> None:
    take(store, MINE)
    blue = desired(
        ["web-1"],
        spread("Lamp", "hall", ["web-1"], same=meaning({"colour": "blue"})),
        commit=replace(COMMIT, id="b" * 40),
    )
    store.took(report("web-1", {HALL: Present({"colour": "red"})}, at=NOW + 60), blue, NOW + 60)
    store.flush()
    assert [event for event in history(store.db, KINDS)["events"] if event["what"] == "seen"] == []
    take(store, MINE, at=NOW + 120)
    take(store, MINE, seen=Present({"colour": "green", "code": "1234"}), at=NOW + 180)
    events = [event for event in history(store.db, KINDS, host="web-1")["events"] if event["what"] == "seen"]
    assert len(events) == 1
    assert events[0]["fields"] == [
        {"path": "code", "before": None, "after": "(secret)"},
        {"path": "colour", "before": "red", "after": "green"},
    ]


def test_what_a_visit_did_to_the_host_itself_is_in_its_history(store: DuckStore) -> None:
    given = Outcome(key=Key("web-1", "Host", "web-1"), result=Result.OK, op="install python3 (bootstrap)", changed=True)
    store.took(report("web-1", {HALL: Present({"colour": "red"})}, at=NOW, outcomes=(given,)), FLEET, NOW)
    store.flush()
    (event,) = history(store.db, KINDS, host="web-1")["events"]
    assert (event["what"], event["why"], event["result"]) == ("done", "install python3 (bootstrap)", "ok")
    assert history(store.db, KINDS, host="web-1", kind="Lamp")["events"] == []


def test_pages_of_history_lose_nothing(store: DuckStore) -> None:
    for number in range(7):
        round_id = store.open_round(plan_of(KEY), NOW + number)
        outcome = Outcome(key=KEY, result=Result.OK, changed=True)
        store.took(
            report("web-1", {HALL: Present({"colour": "red"})}, at=NOW + number, outcomes=(outcome,)), FLEET, NOW
        )
        store.close_round(round_id, "done", NOW + number)
    found, after = [], ""
    while True:
        answer = history(store.db, KINDS, limit=2, after=after)
        found += [event["round"] for event in answer["events"]]
        after = answer["next"]
        if not after:
            break
    assert found == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("value", [{}, {"b": 1, "a": [None, "ü\udcff"]}, [1.5, True], "x"])
def test_a_body_is_kept_under_the_digest_that_core_gives_it(value: object) -> None:
    made = Bodies()
    assert made.put(value) == int(digest(value), 16)
