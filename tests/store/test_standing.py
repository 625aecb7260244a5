"""How the fleet stands is kept in memory and worked out again only where a write or the time touches it: after each step of
a long walk it must be what somebody finds who starts from nothing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model import Absent, Desired, Key, Observation, Pause, Present, Trouble, Unknown
from reconciler.core.verdict import HostView, holds_until, verdict
from reconciler.store import DuckStore
from reconciler.store import hosts as lists
from reconciler.store import kinds as kind_lists
from reconciler.store.standing import Stand
from reconciler.store.view import View

from .worlds import COMMIT, KINDS, NOW, desired, failed, meaning, owned, report, spread

HOSTS = tuple(f"{role}-{number}" for role in ("web", "db") for number in range(6))
REFS = (("Lamp", "hall"), ("Lamp", "attic"), ("Door", "front"))
EVERY, LIMIT = 600.0, 1800.0
STATES: tuple[Observation, ...] = (
    Present({"colour": "red"}),
    Present({"colour": "RED"}),
    Present({"colour": "blue"}),
    Absent(),
    Unknown("the probe broke"),
)


def wanted(dice: random.Random, number: int) -> Desired:
    """Some commit: of some hosts, some resources, one of two colours."""
    hosts = [host for host in HOSTS if dice.random() < 0.9] or [HOSTS[0]]
    colour = dice.choice(("red", "blue"))
    spreads = [spread("Lamp", "hall", hosts, same=meaning({"colour": colour}))]
    if dice.random() < 0.7:
        spreads.append(spread("Lamp", "attic", hosts[::2], same=meaning({"colour": "red"})))
    if dice.random() < 0.7:
        spreads.append(spread("Door", "front", hosts, same=meaning({"state": dice.choice(("absent", "open"))})))
    return desired(hosts, *spreads, commit=replace(COMMIT, id=f"{number:040x}"))


class Walk:
    """One state file, and what happens to it by chance."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.store = DuckStore(folder / "state.duckdb", KINDS)
        self.dice = random.Random(seed)
        self.now = NOW
        self.commits = 1
        self.desired = wanted(self.dice, 1)
        self.paused: dict[str, Pause] = {}

    def step(self) -> None:
        dice, host = self.dice, self.dice.choice(HOSTS)
        self.now += dice.choice((0, 1, 7, 60, 500, 2000))
        match dice.choice(
            ("look", "look", "look", "all", "away", "fail", "own", "disown", "pause", "commit", "forget", "wait")
        ):
            case "look":
                self.look(host)
            case "all":
                for name in HOSTS:
                    self.look(name, usual=True)
            case "away":
                trouble = Trouble(code=dice.choice(("unreachable", "reborn")), why="no route", next_step="look")
                self.store.took(report(host, {}, self.now, trouble=trouble), self.desired, self.now)
            case "fail":
                seen = {("Lamp", "hall"): Present({"colour": "green"})}
                self.store.took(
                    report(host, seen, self.now, outcomes=(failed(host, "Lamp", "hall"),)), self.desired, self.now
                )
            case "own":
                mine = [owned(host, kind, name, {"colour": "red"}) for kind, name in REFS if dice.random() < 0.6]
                self.store.own(mine, (), self.now)
            case "disown":
                self.store.own((), [Key(host, *ref) for ref in REFS], self.now)
            case "pause":
                if self.paused.pop(host, None) is None:
                    self.paused[host] = Pause(selector=host, why="by hand", who="ada", until=self.now + 900)
            case "commit":
                self.commits += 1
                self.desired = wanted(dice, self.commits)
            case "forget":
                self.store.forget(host, self.now)

    def look(self, host: str, usual: bool = False) -> None:
        seen = {ref: STATES[0] if usual else self.dice.choice(STATES) for ref in REFS}
        mine = [owned(host, *ref, {"colour": "red"}) for ref in REFS if self.dice.random() < 0.5]
        self.store.took(
            report(host, seen, self.now, mine if self.dice.random() < 0.5 else None), self.desired, self.now
        )

    def stand(self, store: DuckStore | None = None) -> tuple[View, Stand]:
        store = store or self.store
        stood = store.stand(self.desired, self.now, dict(self.paused), EVERY, LIMIT)
        return store.view(self.desired), stood


def told(view: View, stand: Stand) -> list[Any]:
    """All that pages show of it."""
    shown: list[Any] = [stand.all.counts, stand.all.seen, view.explain(stand, stand.rows), lists.facets(stand)]
    shown.append([kind_lists.kind(view, name) for name in KINDS.by_name])
    shown.append(kind_lists.kinds(view))
    return shown


def plainly(view: View) -> dict[int, tuple[Any, ...]]:
    """The counts by the join of every row, without what is kept and without sums."""
    view._judge(None)
    return {row[0]: row for row in view._counting._joined(None)}


@pytest.mark.parametrize("seed", (0, 3))
def test_after_each_step_it_is_what_a_new_look_finds(tmp_path: Path, seed: int) -> None:
    walk = Walk(tmp_path, seed)
    verdicts = set()
    for _ in range(14):
        walk.step()
        view, stand = walk.stand()
        new = View(walk.store.db, KINDS, view.sheet)
        assert view._counting.rows == plainly(new)
        asked = view._standing._last
        assert asked is not None
        fresh = new.stand(replace(asked[0], now=walk.now))
        assert told(view, stand) == told(new, fresh)
        for row in stand.rows:
            assert row.verdict is verdict(replace(stand.views[row.host], now=walk.now))[0]
        verdicts |= {row.verdict for row in stand.rows}
        new.drop()
    assert len(verdicts) > 2, "the walk came to too few places"
    here = told(*walk.stand())
    walk.store.close()
    again = DuckStore(tmp_path / "state.duckdb", KINDS)
    assert told(*walk.stand(again)) == here
    again.close()


def test_where_nothing_changed_the_stand_is_the_same(tmp_path: Path) -> None:
    walk = Walk(tmp_path, 1)
    for host in walk.desired.hosts:
        walk.look(host, usual=True)
    _, first = walk.stand()
    walk.now += 1
    walk.store.holding(COMMIT, "tree", (), walk.now)
    assert walk.stand()[1] is first
    with walk.store.db.writing() as con:  # of anybody, as far as is known
        con.execute(
            "UPDATE observed SET status = 2, state = 0, seen_as = 0 WHERE host_id = (SELECT min(host_id) FROM observed)"
        )
    second = walk.stand()[1]
    changed = [one.host for one, other in zip(_by_name(first), _by_name(second), strict=True) if one != other]
    assert len(changed) == 1


def _by_name(stand: Stand) -> Sequence[Any]:
    return sorted(stand.rows, key=lambda row: row.host)


def test_a_list_goes_on_where_it_ended(tmp_path: Path) -> None:
    walk = Walk(tmp_path, 3)
    for _ in range(30):
        walk.step()
    view, stand = walk.stand()
    everybody = [row["host"] for row in lists.page(view, stand, limit=100)["hosts"]]
    assert everybody == [row.host for row in stand.rows]
    for find in ("", "B-", "nobody"):
        found: list[str] = []
        after = ""
        while True:
            answer = lists.page(view, stand, find=find, after=after, limit=2)
            found += [row["host"] for row in answer["hosts"]]
            after = answer["next"]
            if not after:
                break
        assert found == [host for host in everybody if find.lower() in host]
        assert answer["matching"] == len(found)


def test_who_looks_does_not_wait_for_who_writes(tmp_path: Path) -> None:
    import threading

    walk = Walk(tmp_path, 5)
    walk.look(HOSTS[0], usual=True)
    walk.stand()
    inside, looked = threading.Event(), threading.Event()

    def write() -> None:
        with walk.store.db.writing():
            inside.set()
            assert looked.wait(60), "the page waited for the write"

    writer = threading.Thread(target=write)
    writer.start()
    assert inside.wait(60)
    walk.stand()
    looked.set()
    writer.join()


@given(
    ages=st.tuples(*[st.one_of(st.none(), st.floats(0, 400_000))] * 2),
    pause=st.one_of(st.none(), st.floats(-500, 5000)),
    running=st.booleans(),
    later=st.floats(0, 1),
)
def test_a_verdict_holds_until_the_moment_that_is_named(
    ages: tuple[float | None, float | None], pause: float | None, running: bool, later: float
) -> None:
    seen, began = (None if age is None else NOW - age for age in ages)
    view = HostView(
        now=NOW,
        seen_at=seen,
        running=running,
        running_since=began,
        paused=None if pause is None else Pause(selector="x", why="y", who="z", until=NOW + pause),
    )
    until = holds_until(view)
    assert until >= NOW - 1e-3
    moment = NOW + later * (min(until, NOW + 1e6) - NOW)
    if NOW <= moment < until:
        assert verdict(replace(view, now=moment)) == verdict(view)
