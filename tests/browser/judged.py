"""What is wrong with a page that a browser shows: axe's findings, and what has to be scrolled sideways."""

from __future__ import annotations

from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Page

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast", "link-in-text-block"]
"""The rules whose answer hangs on the colours; all the others look at the same document in the dark as in the light."""


def axe(page: Page, colours_only: bool = False) -> list[str]:
    """What axe-core finds, each in a line. It is evaluated by the driver: the page's own policy would refuse it."""
    if not page.evaluate("() => typeof window.axe === 'object'"):
        page.evaluate(AXE)
    only = {"type": "rule", "values": COLOURS} if colours_only else {"type": "tag", "values": TAGS}
    found = page.evaluate("(only) => window.axe.run(document, {runOnly: only, resultTypes: ['violations']})", only)
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def sideways(page: Page) -> int:
    """By how many CSS pixels the page is wider than the window (WCAG 2.2, 1.4.10)."""
    return int(page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth"))
