"""kill -9 at every point of a round (the short form, one of each name, is tests/faults/test_kills.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.killing import killed_at


@pytest.mark.hosts
def test_killed_at_every_point_the_next_start_is_right(tmp_path: Path) -> None:
    names, tried = killed_at(tmp_path)
    assert len(tried) > len(names)
    assert [one for one in tried if one["wrong"]] == []
