"""What is of the moment: kept as it was read last, beside the state, without history, and gone with its resource or host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from reconciler.core.model import (
    Absent,
    Action,
    Change,
    Commit,
    Key,
    Observation,
    Plan,
    Present,
    Reason,
    Source,
    Unknown,
)
from reconciler.store import DuckStore
from reconciler.store.at import at
from reconciler.store.history import history
from reconciler.store.momentary import MOST, one, read

from .worlds import KINDS, NOW, Lamp, desired, meaning, report, spread

RED = meaning({"colour": "red"})
FLEET = desired(["web-1", "web-2"], spread("Lamp", "hall", ["web-1", "web-2"], same=RED))
HALL = ("Lamp", "hall")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    made = DuckStore(tmp_path / "state.duckdb", KINDS)
    yield made
    assert [finding for finding in made.verify() if finding.broken] == []
    made.close()


def look(store: DuckStore, seen: Observation, at: float = NOW, host: str = "web-1") -> None:
    store.took(report(host, {HALL: seen}, at=at), FLEET, at)
    store.flush()


def lit(flicker: object) -> Present:
    return Present({"colour": "red", "flicker": flicker})


def test_the_newest_alone_is_kept_and_makes_no_history(store: DuckStore) -> None:
    for number in range(5):
        look(store, lit(number), NOW + 600 * number)
    assert one(store.db, "web-1", *HALL) == {"flicker": 4}
    assert store.db.rows("SELECT count(*) FROM moment") == [(1,)]
    assert store.db.rows("SELECT count(*) FROM observed_past") == [(0,)]
    assert store.db.rows("SELECT count(*) FROM body") == [(1,)], "one body of one state, however often it was read"
    assert at(store.db, KINDS, NOW + 3000, host="web-1")["resources"][0]["state"] == {"colour": "red"}
    assert history(store.db, KINDS)["events"] == []


def test_it_is_no_difference(store: DuckStore) -> None:
    look(store, lit(7))
    row = store.rows_for(FLEET, [Key("web-1", *HALL)])[0]
    assert row.seen == Present({"colour": "red"})
    assert store.db.rows("SELECT right_then FROM observed") == [(True,)]


def test_it_is_read_by_resource_and_host_with_its_age(store: DuckStore) -> None:
    look(store, lit("fast"))
    look(store, lit("slow"), host="web-2", at=NOW + 60)
    hall, hosts = store.names.refs[next(iter(store.names.refs))], store.names.hosts
    assert read(store.db, [hall]) == {
        hall: {
            hosts["web-1"]: {"flicker": "fast", "readAt": "2025-10-09T08:53:20Z"},
            hosts["web-2"]: {"flicker": "slow", "readAt": "2025-10-09T08:54:20Z"},
        }
    }
    assert list(read(store.db, [hall], [hosts["web-2"]])[hall]) == [hosts["web-2"]]
    assert read(store.db, []) == read(store.db, [hall], ()) == {}


def test_while_nobody_knows_the_last_one_stays(store: DuckStore) -> None:
    look(store, lit(1))
    look(store, Unknown("no answer"), NOW + 600)
    assert one(store.db, "web-1", *HALL) == {"flicker": 1}


@pytest.mark.parametrize("after", [Absent(), Present({"colour": "red"})], ids=["gone", "without"])
def test_it_goes_with_its_resource(store: DuckStore, after: Observation) -> None:
    look(store, lit(1))
    look(store, after, NOW + 600)
    assert store.db.rows("SELECT * FROM moment") == []


def test_it_goes_with_its_host(store: DuckStore) -> None:
    look(store, lit(1))
    look(store, lit(1), host="web-2")
    store.forget("web-1", NOW + 60)
    assert one(store.db, "web-1", *HALL) == {}
    assert one(store.db, "web-2", *HALL) == {"flicker": 1}


def test_it_goes_when_nobody_has_looked_for_as_long_as_history_is_kept(store: DuckStore) -> None:
    look(store, lit(1))
    assert store.retire(NOW - 1)["moment"] == 0
    assert store.retire(NOW + 1)["moment"] == 1


def test_what_another_probe_read_is_worth_nothing(tmp_path: Path) -> None:
    store = DuckStore(tmp_path / "state.duckdb", KINDS)
    look(store, lit(1))
    store.close()
    again = DuckStore(tmp_path / "state.duckdb", replace(KINDS, probes={**KINDS.probes, "Lamp": "look closely"}))
    assert one(again.db, "web-1", *HALL) == {}
    again.close()


def test_a_host_that_says_too_much_is_not_kept(store: DuckStore) -> None:
    look(store, lit(1))
    look(store, lit("x" * MOST), NOW + 600)
    assert one(store.db, "web-1", *HALL) == {}
    assert store.db.rows("SELECT right_then FROM observed") == [(True,)]


def test_the_file_does_not_grow_by_it(store: DuckStore) -> None:
    sizes = []
    for number in range(60):
        look(store, lit(f"{number} " * 400), NOW + 600 * number)
        store.db.checkpoint()
        sizes.append(store.db.path.stat().st_size)
    assert sizes[-1] == sizes[9]


class Chatty(Lamp):
    def notes(self, change: Change) -> tuple[str, ...]:
        return (f"brighter by {change.key.name}",) if change.key.name == "hall" else ()


def test_what_a_kind_says_of_a_change_is_kept_with_it(tmp_path: Path) -> None:
    kinds = replace(KINDS, by_name={**KINDS.by_name, "Lamp": Chatty()})
    store = DuckStore(tmp_path / "state.duckdb", kinds)
    changes = tuple(
        Change(key=Key(host, "Lamp", name), action=Action.CREATE, reason=Reason.NEW_IN_GIT, have=Absent(), want=None,
               fields=(), owned=None, drifted=False, on_remove="", source=Source(path="a.yaml", line=1, commit="c"), wave=1)
        for host in ("web-1", "web-2") for name in ("hall", "attic")
    )  # fmt: skip
    store.open_round(Plan(id="p", commit=Commit(id="c"), changes=changes, waves=(("web-1", "web-2"),)), NOW)
    rows = store.db.rows(
        "SELECT r.name, b.text FROM change c JOIN resource r USING (res_id) LEFT JOIN body b ON b.digest = c.notes ORDER BY 1"
    )
    assert rows == [("attic", None)] * 2 + [("hall", '["brighter by hall"]')] * 2
    assert [finding for finding in store.verify() if finding.broken] == []
    store.close()
    with duckdb.connect(str(tmp_path / "state.duckdb")) as con:
        assert con.execute("SELECT count(*) FROM change WHERE notes IS NULL").fetchall() == [(2,)]
