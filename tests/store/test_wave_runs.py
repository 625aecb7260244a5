"""What the journal says of waves that failed: it decides, after any restart, who waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.model import Absent, Action, Change, Key, Outcome, Plan, Present, Reason, Result, Trouble, WaveRun
from reconciler.store import DuckStore

from .worlds import COMMIT, KINDS, NOW, desired, failed, meaning, report, spread

HOSTS = ("db-1", "db-2", "db-3", "web-1")
RED = meaning({"colour": "red"})
FLEET = desired(list(HOSTS), spread("Lamp", "hall", list(HOSTS), same=RED))
WAVES = (("db-1", "db-2", "db-3"), ("web-1",))
HALL = ("Lamp", "hall")
PLAN = Plan(
    id="1" * 16,
    commit=COMMIT,
    waves=WAVES,
    changes=tuple(
        Change(key=Key(host, *HALL), action=Action.CREATE, reason=Reason.NEW_IN_GIT, fields=(), want=RED, wave=number)
        for number, hosts in enumerate(WAVES, 1)
        for host in hosts
    ),
)


def fine(host: str) -> Outcome:
    return Outcome(key=Key(host, *HALL), result=Result.OK, changed=True)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A state in which db-1 did well, db-2 failed and db-3 was lost on the way."""
    made = DuckStore(tmp_path / "state.duckdb", KINDS)
    number = made.open_round(PLAN, NOW)
    made.took(report("db-1", {HALL: Present({"colour": "red"})}, at=NOW, outcomes=(fine("db-1"),)), FLEET, NOW)
    made.took(report("db-2", {HALL: Absent()}, at=NOW, outcomes=(failed("db-2", *HALL),)), FLEET, NOW)
    lost = Outcome(key=Key("db-3", *HALL), result=Result.LOST, message="the connection ended")
    away = report("db-3", {}, at=NOW, outcomes=(lost,), trouble=Trouble(code="timeout", why="the connection ended"))
    made.took(away, FLEET, NOW)
    made.close_round(number, "wave 1 failed", NOW + 1)
    made.close()
    return tmp_path / "state.duckdb"


@pytest.fixture
def store(place: Path) -> Iterator[DuckStore]:
    made = DuckStore(place, KINDS)
    yield made
    made.close()


RUN = WaveRun(commit=COMMIT.id, number=1, hosts=("db-1", "db-2"), counted=2, failed=(Key("db-2", *HALL),))


def test_a_restart_finds_the_wave_that_failed_among_those_that_answered(store: DuckStore) -> None:
    assert store.past(FLEET).wave_runs == (RUN,)


def test_a_round_that_was_cut_short_counts_all_of_its_wave(store: DuckStore) -> None:
    with store.db.writing() as con:
        con.execute("UPDATE round SET outcome = 'cut short; its hosts were read again'")
    assert [run.counted for run in store.past(FLEET).wave_runs] == [3]


def test_a_success_at_the_retry_ends_it(store: DuckStore) -> None:
    store.took(
        report("db-2", {HALL: Present({"colour": "red"})}, at=NOW + 61, outcomes=(fine("db-2"),)), FLEET, NOW + 61
    )
    assert store.past(FLEET).wave_runs == ()


def test_the_last_wave_has_nobody_to_hold_back(store: DuckStore) -> None:
    with store.db.writing() as con:
        con.execute("UPDATE round SET waves = 1")
    assert store.past(FLEET).wave_runs == ()


def test_a_hold_does_not_end_by_age(store: DuckStore) -> None:
    """Months of retries: the round in which the wave failed is older than any history that is kept."""
    for day in range(1, 4):
        number = store.open_round(replace(PLAN, waves=WAVES[:1], changes=PLAN.changes[1:2]), NOW + day)
        store.took(report("db-2", {HALL: Absent()}, at=NOW + day, outcomes=(failed("db-2", *HALL),)), FLEET, NOW + day)
        store.close_round(number, "wave 1 failed", NOW + day)
    gone = store.retire(NOW + 10_000 * 86_400)
    assert store.past(FLEET).wave_runs == (RUN,), "who waits must not be let go by age"
    assert gone["round"] == 2, "of the retries the last one stays, as the last round ever does"
    assert [one for one in store.verify() if one.broken] == []
    store.took(report("db-2", {HALL: Present({"colour": "red"})}, at=NOW + 9, outcomes=(fine("db-2"),)), FLEET, NOW + 9)
    assert store.retire(NOW + 10_000 * 86_400)["round"] == 1, "once it is mended its round is old like any other"


def test_the_page_says_who_waits_for_whom(store: DuckStore) -> None:
    store.took(report("web-1", {HALL: Absent()}, at=NOW), FLEET, NOW)
    stand = {row.host: (row.verdict.value, row.why) for row in store.stand(FLEET, NOW + 2, {}, 600.0, 1800.0).rows}
    assert stand["web-1"] == ("Progressing", "1 held: wave 1 failed on db-2")
    assert stand["db-2"][0] == "Failed" and stand["db-1"][0] == "Converged"
    assert {row.why for row in store.stand(FLEET, NOW + 70, {}, 600.0, 1800.0).rows if row.host == "web-1"} == {
        "1 held: wave 1 failed on db-2"
    }, "also while the retry is due"
