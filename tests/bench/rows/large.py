"""`trueup plan` over 100,000 hosts × 50 resources: cost must grow no faster than the fleet."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..fleet import Fleet
from ..table import Row
from .plan import plan, told

HOSTS = 100_000


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="trueup-bench-") as folder:
        fleet = Fleet(Path(folder) / "fleet", HOSTS, history=False)
        runs = [plan(fleet) for _ in range(2)]
        yield from told("plan of 5 million resources, nothing to do", runs, 5, 1024, "two cold processes")
        fleet.edit_manifest()
        yield from told("plan of 5 million resources, one manifest edited", [plan(fleet)], 20, 0, "a cold process")
