"""A host that judges whether it still is as the plan saw it overlooks what differs at each look."""

from __future__ import annotations

from typing import Any

from reconciler.trip.host.visit import judge

HAVE = {"state": {"release": "a" * 16, "altered": []}}


def change(moments: list[str]) -> dict[str, Any]:
    return {"action": "update", "have": HAVE, "moments": moments, "after_state": {"state": {"release": "b" * 16}}}


def read(**more: Any) -> dict[str, Any]:
    return {"state": {**HAVE["state"], **more}}


def test_visitors_between_plan_and_visit_hold_no_release_up() -> None:
    assert judge(change(["traffic"]), read(traffic={"requests": 7}), known=True) is None
    assert judge(change(["traffic"]), read(), known=True) is None


def test_anything_else_that_differs_does() -> None:
    for reading in (read(altered=["index.html"], traffic={}), {"absent": True}):
        found = judge(change(["traffic"]), reading, known=True)
        assert found is not None and found["result"] == "stale"
    assert judge(change([]), read(traffic={"requests": 7}), known=True) is not None


def test_what_is_done_already_is_seen_beside_it() -> None:
    found = judge(change(["traffic"]), {"state": {"release": "b" * 16, "traffic": {"requests": 7}}}, known=True)
    assert found is not None and (found["result"], found["message"]) == ("ok", "done already")
