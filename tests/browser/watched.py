"""What the browser tests share: a fleet with its page, and what the browser complains of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import simulated
from playwright.sync_api import ConsoleMessage, Page

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


class Complaints(list[str]):
    """What the browser's console said; anything at all is too much (a refused style, a failed request)."""

    def listen(self, page: Page) -> Page:
        def heard(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.append(f"{page.url}: {message.text}")

        page.on("console", heard)
        page.on("pageerror", lambda error: self.append(f"{page.url}: {error}"))
        return page
