"""Debian's Chromium, driven by Playwright, on pages served from real state files."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))

import simulated

from reconciler.web import serve
from reconciler.web.page import app

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "artefacts" / "screenshots"
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


@dataclass
class Site:
    """A fleet and the page over it."""

    name: str
    fleet: simulated.Fleet
    served: serve.Served
    pages: tuple[str, ...]

    def url(self, path: str) -> str:
        return self.served.url.rstrip("/") + path


@pytest.fixture(scope="session")
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


class Complaints(list[str]):
    """What the browser's console said; anything at all is too much (a refused style, a failed request)."""

    def listen(self, page: Page) -> Page:
        def heard(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.append(f"{page.url}: {message.text}")

        page.on("console", heard)
        page.on("pageerror", lambda error: self.append(f"{page.url}: {error}"))
        return page


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    made = Complaints()
    yield made
    assert not made, made
