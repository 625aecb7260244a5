"""The questions, with a daemon and without one: the same answers; and what wrong arguments get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from reconciler import door, world
from reconciler.core.model import Pause, Present, Trouble, Verdict
from reconciler.core.problem import Refused
from reconciler.core.verdict import verdict
from reconciler.door import asks
from reconciler.door.asks import ASKS, LOOKS
from tests.store.worlds import NOW, failed, meaning, report

from .worlds import SmallWorld


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallWorld]:
    made = SmallWorld(tmp_path)
    yield made
    if not made.closed:
        made.close()


def ask(small: SmallWorld, question: str, /, **args: Any) -> Any:
    return ASKS[question](small, args)  # type: ignore[arg-type]


ARGS: dict[str, dict[str, Any]] = {
    "host": {"host": "web-1"},
    "facts": {"host": "web-1"},
    "diff": {"host": "web-1"},
    "blame": {"host": "web-1"},
    "kind": {"kind": "Lamp"},
    "resource": {"kind": "Lamp", "name": "hall"},
    "commit": {"commit": "aaaaaaa"},
    "at": {"host": "web-1", "time": NOW + 5},
    "report": {"report": "drift"},
}


def told(small: SmallWorld, name: str) -> Any:
    """The answer; of a system's question about what this world has nothing of, why there is none."""
    try:
        return door.ask(small.settings, name, ARGS.get(name, {}))
    except Refused as refused:
        assert name not in asks._OWN, refused
        return {"format": 1, "problems": [problem.json() for problem in refused.problems]}


@pytest.mark.parametrize("name", sorted(LOOKS))
def test_a_daemon_and_the_file_itself_give_the_same_answer(
    small: SmallWorld, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = door.serve(small, asks={"sync": lambda args: {"format": 1}})  # type: ignore[arg-type]
    served = told(small, name)
    opened.close()
    monkeypatch.setattr(world.World, "open", classmethod(lambda cls, settings, tell=None: small))
    alone = told(small, name)
    assert small.closed, "who opened the file lets go of it"
    assert served == json.loads(json.dumps(alone))
    assert served["format"] == 1


def test_what_only_a_daemon_knows_says_so(small: SmallWorld) -> None:
    for question in ("sync", "wait"):
        with pytest.raises(Refused) as refused:
            door.ask(small.settings, question)
        assert refused.value.problems[0].code == "no-daemon"
    with pytest.raises(Refused) as refused:
        door.stream(small.settings, "wait")
    assert refused.value.problems[0].code == "no-daemon"


def test_counts_add_up_and_every_verdict_is_named(small: SmallWorld) -> None:
    drifted = {("Lamp", "hall"): Present({"colour": "blue"}), ("Lamp", "attic"): Present({"colour": "red"})}
    mine = small.store.owned_on(["web-1"])
    assert mine == {}
    small.store.took(report("web-1", drifted, at=NOW + 30), small.desired, NOW + 30)
    small.store.took(
        report(
            "web-2", {}, at=NOW + 30, trouble=Trouble(code="unreachable", why="no route", next_step="trueup doctor")
        ),
        small.desired,
        NOW + 30,
    )
    answer = ask(small, "status")
    assert list(answer["counts"]) == [word.value for word in Verdict]
    assert sum(answer["counts"].values()) == answer["total"] == 3
    assert {row["host"]: row["verdict"] for row in answer["hosts"]} == {"web-1": "Progressing", "web-2": "Unknown"}
    assert next(row["why"] for row in answer["hosts"] if row["host"] == "web-2") == "no route; was Converged"
    host = ask(small, "host", host="web-1")
    assert sum(host["counts"].values()) == host["total"] == 2


def test_a_failure_is_worst_and_names_its_resource(small: SmallWorld) -> None:
    seen = {("Lamp", "hall"): Present({"colour": "blue"}), ("Lamp", "attic"): Present({"colour": "red"})}
    bad = report("web-3", seen, at=NOW + 30, outcomes=(failed("web-3", "Lamp", "hall"),))
    small.store.took(bad, small.desired, NOW + 30)
    row = ask(small, "status")["hosts"][0]
    assert (row["host"], row["verdict"], row["why"]) == ("web-3", "Failed", "Lamp hall: no space left on /")


def test_silence_turns_into_unknown_by_itself(small: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(small, "status")["counts"]["Converged"] == 3
    monkeypatch.setattr(small, "now", lambda: NOW + 3 * 600 + 1)
    answer = ask(small, "status")
    assert answer["counts"]["Unknown"] == 3
    assert answer["stale"] is True


def test_a_pause_covers_its_hosts(small: SmallWorld) -> None:
    small.store.pause(Pause(selector="web-2", why="disk", who="ada", until=NOW + 999), NOW)
    answer = ask(small, "hosts", verdict="paused")
    assert [row["host"] for row in answer["hosts"]] == ["web-2"]
    assert answer["hosts"][0]["why"] == "by ada: disk"


def test_an_edit_that_hosts_are_as_already_is_not_shown_as_drift(small: SmallWorld) -> None:
    from dataclasses import replace

    looser = meaning({"colour": "RED"})
    small.desired = replace(small.desired, spreads=tuple(replace(one, same=looser) for one in small.desired.spreads))
    assert ask(small, "status")["counts"]["Converged"] == 3


def test_pages_of_hosts_lose_nobody(tmp_path: Path) -> None:
    small = SmallWorld(tmp_path, hosts=23)
    found: list[str] = []
    after = ""
    while True:
        answer = ask(small, "hosts", limit=5, after=after)
        found += [row["host"] for row in answer["hosts"]]
        after = answer["next"]
        if not after:
            break
    assert sorted(found) == sorted(small.desired.hosts)
    assert ask(small, "hosts", find="WEB-1", limit=50)["matching"] == 11
    assert ask(small, "hosts", where="web-2 or role=db")["matching"] == 1
    small.close()


def test_the_verdicts_of_lists_are_those_of_core(small: SmallWorld) -> None:
    from reconciler.door.looking import stand

    _, stood = stand(small, small.desired)  # type: ignore[arg-type]
    for row in stood.rows:
        assert row.verdict is verdict(stood.views[row.host])[0]


@pytest.mark.parametrize(
    ("name", "args", "code"),
    [
        ("host", {"host": "web-9"}, "unknown-host"),
        ("host", {}, "unknown-host"),
        ("host", {"host": ["web-1"]}, "door-bad-argument"),
        ("host", {"host": "x" * 5000}, "door-bad-argument"),
        ("history", {"host": "\ud800"}, "door-bad-argument"),
        ("pause", {"selector": "web-\udc80", "why": "x"}, "door-bad-argument"),
        ("kind", {"kind": "Nonsense"}, "unknown-kind"),
        ("resource", {"kind": "Lamp", "name": "none"}, "unknown-resource"),
        ("blame", {"host": "web-1", "kind": "Lamp", "name": "none"}, "unknown-resource"),
        ("commit", {"commit": "ffffff"}, "unknown-commit"),
        ("commit", {"commit": ""}, "unknown-commit"),
        ("report", {"report": "../../etc"}, "unknown-report"),
        ("hosts", {"where": "role=("}, "selector"),
        ("hosts", {"limit": 0}, "door-bad-argument"),
        ("hosts", {"limit": True}, "door-bad-argument"),
        ("at", {"host": "web-1", "time": "yesterday"}, "door-bad-argument"),
        ("at", {"host": "web-1"}, "door-bad-argument"),
        ("apply", {"accept": ["x"]}, "door-bad-argument"),
        ("pause", {}, "door-bad-argument"),
        ("pause", {"selector": "role=(", "why": "x"}, "selector"),
        ("pause", {"selector": "role=nobody", "why": "x"}, "no-host"),
        ("pause", {"selector": "web-1", "why": "x", "for": "soon"}, "bad-span"),
        ("pause", {"selector": 7, "why": "x"}, "door-bad-argument"),
        ("observe", {"selector": "role=("}, "selector"),
        ("observe", {"selector": "web-9"}, "no-host"),
        ("plan", {"desired": {"hosts": 7}}, "door-bad-argument"),
        ("accept", {"plan": "a", "accept": 5}, "door-bad-argument"),
        ("reborn", {"host": "web-9"}, "unknown-host"),
        ("forget", {"host": "web-1", "yes": "no"}, "door-bad-argument"),
        ("diff", {"host": "web-1", "kind": "Lam"}, "unknown-kind"),
        ("diff", {"host": "web-1", "kind": "Lamp", "name": "hal"}, "unknown-resource"),
    ],
)
def test_a_wrong_argument_is_a_problem_of_its_own(
    small: SmallWorld, name: str, args: dict[str, Any], code: str
) -> None:
    with pytest.raises(Refused) as refused:
        ask(small, name, **args)
    assert refused.value.problems[0].code == code
    assert refused.value.problems[0].hint, "and what to do next"


def test_what_was_nearly_typed_is_offered(small: SmallWorld) -> None:
    for name, args, guess in (
        ("diff", {"host": "web-1", "kind": "Lam"}, "Lamp"),
        ("diff", {"host": "web-1", "kind": "Lamp", "name": "hal"}, "Lamp/hall"),
        ("pause", {"selector": "web1", "why": "x"}, "web-1"),
    ):
        with pytest.raises(Refused) as refused:
            ask(small, name, **args)
        assert f"did you mean {guess}?" in refused.value.problems[0].hint


def test_a_resource_that_is_right_differs_in_nothing(small: SmallWorld) -> None:
    assert ask(small, "diff", host="web-1", kind="Lamp", name="hall")["resources"] == []


WEIRD = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(),
    some.floats(),
    some.text(max_size=20),
    some.lists(some.text(), max_size=2),
    some.sampled_from(["web-1", "Lamp", "hall", "role=web", "0:web-1", "1e999:3", "a" * 40, "%00", "' OR 1=1 --"]),
)


def test_looks_take_anything_for_an_argument(tmp_path: Path) -> None:
    small = SmallWorld(tmp_path)

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        some.sampled_from(sorted(LOOKS)),
        some.dictionaries(
            some.sampled_from(
                [
                    "host",
                    "kind",
                    "name",
                    "after",
                    "limit",
                    "find",
                    "where",
                    "verdict",
                    "time",
                    "commit",
                    "report",
                    "all",
                ]
            ),
            WEIRD,
        ),
    )
    def check(name: str, args: dict[str, Any]) -> None:
        try:
            answer = ask(small, name, **args)
        except Refused as refused:
            assert refused.problems[0].code not in ("bug", "state-fault"), refused.problems[0]
            return
        assert answer["format"] == 1
        json.dumps(answer)

    check()
    small.close()
