"""The state's log torn at every byte, and writers killed by their disk at many sizes (the short forms are in tests/store)."""

from __future__ import annotations

from pathlib import Path

from tests.store.test_torn import cut_everywhere
from tests.store.test_torn import killed as killed
from tests.store.test_torn import test_killed_in_the_middle_of_a_write_of_any_kind as killed_by_its_disk


def test_a_log_torn_at_every_seventh_byte(killed: tuple[Path, list[int]], tmp_path: Path) -> None:
    _, sizes = killed
    cut_everywhere(killed, tmp_path / "torn", range(0, sizes[-1], 7))


def test_writers_killed_by_their_disk(tmp_path: Path) -> None:
    for limit in range(800_000, 4_000_000, 133_333):
        (tmp_path / str(limit)).mkdir()
        killed_by_its_disk(tmp_path / str(limit), limit)
