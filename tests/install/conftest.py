"""One wheel of this tree, built once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import lab
from lab import Fleet

sys.path.insert(0, str(Path(__file__).parent))

import wheels


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.of_tree(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `trueup` of a fresh environment outside of the tree."""
    return wheels.install(wheel, wheels.place(tmp_path_factory.mktemp("fresh") / "venv"))


@pytest.fixture
def make_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Fleet]]:
    """`make_fleet(command)`: one lab host and a fleet that is kept by that command."""
    import tempfile

    with ExitStack() as stack:

        def make(command: Path) -> Fleet:
            hosts = stack.enter_context(lab.up(1))
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trueup-wheel-")))
            hosts.also_remove(folder)
            fleet = Fleet(hosts=hosts, folder=folder, key=hosts.key, command=command)
            fleet.make()
            fleet.inventory()
            return fleet

        yield make
