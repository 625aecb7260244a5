"""Lab hosts and a fleet on them, fresh for each test."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import lab
from lab import Fleet, Spec, root


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.hosts)


@pytest.fixture
def make_fleet(tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    """`make_fleet(2)`, `make_fleet(Spec(...), Spec(...), labels={"lab-1": "role: web"})`: hosts, their inventory committed
    by the next `land`. All of it goes with the test."""
    with ExitStack() as stack:

        def make(*specs: Spec | int, labels: dict[str, str] | None = None, **settings: str) -> Fleet:
            wanted = specs[0] if isinstance(specs[0], int) else [spec for spec in specs if isinstance(spec, Spec)]
            hosts = stack.enter_context(lab.up(wanted))
            # Unix sockets have names of at most 107 bytes, and pytest's folders are deep.
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trueup-e2e-")))
            hosts.also_remove(folder)
            fleet = Fleet(
                hosts=hosts,
                folder=folder,
                key=hosts.key,
                settings={f"TRUEUP_{k.upper()}": v for k, v in settings.items()},
            )
            fleet.make()
            fleet.inventory(labels=labels)
            return fleet

        yield make


@pytest.fixture
def fleet(make_fleet: Callable[..., Fleet]) -> Fleet:
    """A fleet of two hosts, lab-1 and lab-2."""
    return make_fleet(2)


@pytest.fixture
def ssh_key(tmp_path: Path) -> tuple[Path, str]:
    """A person's key pair: the private file, the public line."""
    return tmp_path / "id", root.keypair(tmp_path / "id", comment="ada@laptop") + " ada@laptop"
