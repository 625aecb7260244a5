"""What was applied before is remembered of kinds that can go back to it, and who went back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.kind import Kinds
from reconciler.core.model import Commit, Desired, GoneTo, Owned, Rollback, State, digest
from reconciler.store import DuckStore

from .worlds import COMMIT, KINDS, NOW, Lamp, desired, meaning, owned, spread

DAY = 86_400.0


class Bulb(Lamp):
    """A lamp whose earlier light can be had back."""

    name = "Bulb"
    rolls_back = True

    def version(self, spec: State) -> str:
        return str(spec["colour"])


WITH = Kinds(by_name={**KINDS.by_name, "Bulb": Bulb()}, probes=KINDS.probes)
RED, BLUE, GREEN = ({"colour": colour} for colour in ("red", "blue", "green"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.duckdb"


@pytest.fixture
def store(path: Path) -> DuckStore:
    return DuckStore(path, WITH)


def lit(kind: str, spec: State, commit: str = COMMIT.id, host: str = "web-1") -> Owned:
    return replace(owned(host, kind, "hall", spec), commit=commit)


def wanting(spec: State, commit: Commit = COMMIT) -> Desired:
    return desired(["web-1", "web-2"], spread("Bulb", "hall", ["web-1", "web-2"], meaning(spec)), commit=commit)


def back(spec: State, away: str = "blue") -> Rollback:
    to = GoneTo(spec=spec, digest=digest(spec))
    return Rollback(
        kind="Bulb",
        name="hall",
        away=away,
        version=spec["colour"],
        commit="c1",
        why="too cold",
        who="ada",
        at=NOW,
        hosts={"web-1": to, "web-2": to},
    )


def test_what_was_applied_is_kept_with_its_span_and_only_of_such_kinds(store: DuckStore) -> None:
    for kind in ("Bulb", "Lamp"):
        store.own([lit(kind, RED, "c1")], [], NOW)
        store.own([lit(kind, RED, "c2")], [], NOW + 1)  # the same again is no other version
        store.own([lit(kind, BLUE, "c3")], [], NOW + 2)
    found = [(one.version, one.commit, one.began, one.ended) for one in store.applied("Bulb", "hall")]
    assert sorted(found) == [("blue", "c3", NOW + 2, None), ("red", "c2", NOW, NOW + 2)]
    store.flush()
    assert store.db.rows("SELECT count(*) FROM applied_past") == [(1,)]
    assert store.applied("Bulb", "cellar") == ()


def test_a_rollback_holds_until_it_is_ended_and_outlives_the_process(store: DuckStore, path: Path) -> None:
    store.own([lit("Bulb", RED, "c1")], [], NOW)
    number = store.roll_back(back(RED), NOW + 1)
    store.close()
    store = DuckStore(path, WITH)
    assert store.rollbacks() == (replace(back(RED), number=number, at=NOW + 1),)
    git = wanting(BLUE)
    made = store.meant(git)
    assert [one.spec for one in made.resources()] == [RED, RED]
    assert store.meant(git) is made and store.meant(made) is made, "what is laid out for it stays of use"
    assert store.end_rollbacks([number], "commit c9", NOW + 2) == 1
    assert store.rollbacks() == () and store.meant(made) is git
    assert store.end_rollbacks([number], "somebody", NOW + 3) == 0
    assert store.db.rows("SELECT who, why, ended_by FROM rollback") == [("ada", "too cold", "commit c9")]
    store.close()


def test_another_rollback_of_the_same_takes_its_place(store: DuckStore) -> None:
    store.own([lit("Bulb", RED, "c1")], [], NOW)
    store.roll_back(back(RED), NOW)
    second = store.roll_back(back(GREEN), NOW + 1)
    assert [(one.number, one.version) for one in store.rollbacks()] == [(second, "green")]
    assert store.meant(wanting(RED)).rolled_back == ()


def test_age_takes_what_is_over_and_never_what_holds(store: DuckStore) -> None:
    store.own([lit("Bulb", RED, "c1")], [], NOW)
    store.own([lit("Bulb", GREEN, "c2")], [], NOW + 1)
    store.own([lit("Bulb", BLUE, "c3")], [], NOW + 2)
    held = store.roll_back(back(RED), NOW + 3)
    store.retire(NOW + DAY)
    assert {one.version for one in store.applied("Bulb", "hall")} == {"blue"}
    assert store.rollbacks()[0].hosts["web-1"].spec == RED
    assert [one for one in store.verify() if one.broken] == []
    store.end_rollbacks([held], "ada", NOW + 4)
    store.end_rollbacks([store.roll_back(back(GREEN), NOW + 5)], "ada", NOW + 6)
    store.retire(NOW + DAY)
    assert store.db.rows("SELECT count(*) FROM rollback_host") == [(2,)]  # of the last one, from which numbers go on
    assert [one for one in store.verify() if one.broken] == []


def test_a_host_told_of_things_that_we_forgot_has_nothing_to_go_back_to(store: DuckStore) -> None:
    store.own([replace(lit("Bulb", {}, "c1"), digest="00000000000000ff")], [], NOW)
    store.own([lit("Bulb", BLUE, "c2")], [], NOW + 1)
    assert [one.version for one in store.applied("Bulb", "hall") if one.spec] == ["blue"]
