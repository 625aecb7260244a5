"""What the browser tests share: a fleet with its page, and what the browser complains of."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import simulated
from playwright.sync_api import ConsoleMessage, Error, Page, Response

from reconciler.web import serve

PICTURES = Path(__file__).parents[2] / "artefacts" / "screenshots"


@dataclass
class Site:
    """A fleet and the page over it."""

    name: str
    fleet: simulated.Fleet
    served: serve.Served
    pages: tuple[str, ...]

    def url(self, path: str) -> str:
        return self.served.url.rstrip("/") + path


MACHINE = "net::ERR_NETWORK_CHANGED"
"""Chromium gives up what it loads whenever an interface of the machine comes or goes, as lab hosts of other tests do."""


def visit(page: Page, url: str) -> Response:
    """Go there; again for a while if the machine's network was changed meanwhile."""
    until = time.monotonic() + 20
    while True:
        try:
            answer = page.goto(url, timeout=15_000)
            assert answer is not None
            if page.evaluate("() => [...document.querySelectorAll('link[rel=stylesheet]')].every((it) => it.sheet)"):
                return answer
            assert time.monotonic() < until, f"{url}: without its style"
        except Error as error:
            if MACHINE not in str(error) or time.monotonic() > until:
                raise
            page.wait_for_timeout(200)


class Complaints(list[str]):
    """What the browser's console said; anything at all is too much (a refused style, a failed request)."""

    def listen(self, page: Page) -> Page:
        def heard(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning") and MACHINE not in message.text:
                self.append(f"{page.url}: {message.text}")

        page.on("console", heard)
        page.on("pageerror", lambda error: self.append(f"{page.url}: {error}"))
        return page
