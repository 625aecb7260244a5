"""One lab host for all of it; each test begins without a site and without nginx running."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab
from lab import LabHost

sys.path.insert(0, str(Path(__file__).parent))
from places import Place, clear


@pytest.fixture(scope="session")
def machine() -> Iterator[LabHost]:
    with lab.up(1) as hosts:
        yield hosts[0]


@pytest.fixture
def place(machine: LabHost) -> Place:
    clear(machine)
    return Place(machine)
