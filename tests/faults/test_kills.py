"""kill -9 at the named points of a round: the next start is right, nothing is lost, no effect is doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from .killing import killed_at


@pytest.mark.hosts
def test_killed_at_a_point_of_each_name_the_next_start_is_right(tmp_path: Path) -> None:
    """One point of each name, chosen anew whenever names come or go; all of them in `make soak`."""
    names, tried = killed_at(tmp_path, "sample")
    assert {one["name"] for one in tried} == names
    assert {one["where"] for one in tried} == {"trueup", "host"}
    assert [one for one in tried if one["wrong"]] == []
