"""Debian's Chromium, driven by Playwright, on pages served from real state files."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "web")]

import simulated  # noqa: E402 - found by the line above
from watched import Complaints, Site  # noqa: E402

from reconciler.web import serve  # noqa: E402
from reconciler.web.page import app  # noqa: E402

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


# For one file, not for the session: while it is open, Playwright's event loop counts as running in this thread, and
# what a later file does by asyncio.run would be refused.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("TRUEUP_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "the browser tests need Chromium: apt-get install chromium (make setup does it)"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


def _site(folder: Path, name: str) -> Site:
    fleet = simulated.STORIES[name](folder / name)
    return Site(name=name, fleet=fleet, served=serve.run(app(fleet.world), "127.0.0.1:0"), pages=fleet.pages)


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    folder = tmp_path_factory.mktemp("fleets")
    made = {name: _site(folder, name) for name in simulated.STORIES}
    yield made
    for site in made.values():
        site.served.close()
        site.fleet.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Site]:
    """A fleet of its own, for tests that change it."""
    site = _site(tmp_path, "full")
    yield site
    site.served.close()
    site.fleet.close()


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    made = Complaints()
    yield made
    assert not made, made
