"""One lab host for all of it; each test begins without a site and without nginx running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import lab
from lab import LabHost
from tests.systems.sites.host.places import Place, clear


@pytest.fixture(scope="session")
def machine() -> Iterator[LabHost]:
    with lab.up(1) as hosts:
        yield hosts[0]


@pytest.fixture
def place(machine: LabHost) -> Place:
    clear(machine)
    return Place(machine)
