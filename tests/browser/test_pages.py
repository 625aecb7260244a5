"""Every page × width × colours × state: axe finds nothing, nothing scrolls sideways, and a picture is kept."""

from __future__ import annotations

import re

import httpx
import pytest
from judged import axe, sideways
from playwright.sync_api import Browser
from watched import PICTURES, Complaints, Site, visit

STATES = ("full", "empty", "stale", "stopped")
WIDTHS = (1280, 360)


def differing(site: Site, known: Site) -> tuple[str, ...]:
    """The pages with other elements, or elements of other classes, than those of a fleet that is looked at as well: the
    others say the same with other times."""
    return tuple(
        path
        for path, same in zip(site.pages, known.pages, strict=True)
        if build(site.url(path)) != build(known.url(same))
    )


def build(url: str) -> list[tuple[str, str]]:
    return re.findall(r'<(\w+)(?:[^>]*? class="([^"]*)")?', httpx.get(url).raise_for_status().text)


@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    browser: Browser, sites: dict[str, Site], state: str, complaints: Complaints
) -> None:
    site = sites[state]
    found: list[str] = []
    context = browser.new_context(bypass_csp=False)
    page = complaints.listen(context.new_page())
    PICTURES.mkdir(parents=True, exist_ok=True)
    for old in PICTURES.glob(f"{state}-*.png"):
        old.unlink()
    paths = differing(site, sites["full"]) if state == "stale" else site.pages
    assert paths
    for number, path in enumerate(paths, 1):
        page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        visit(page, site.url(path))
        for width, scheme in ((1280, "dark"), (1280, "light"), (360, "light")):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=PICTURES / f"{state}-{number:02}-{_name(path)}-{width}-{scheme}.png", full_page=True)
        # What is folded is part of the page: it is looked at too.
        page.evaluate("() => document.querySelectorAll('main details').forEach((it) => (it.open = true))")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                where = f"{state} {path} {width} {scheme}"
                found += [f"{where}: {line}" for line in axe(page, colours_only=scheme == "dark")]
        page.set_viewport_size({"width": 320, "height": 900})
        if sideways(page) > 0:
            found.append(f"{state} {path} 320: scrolls sideways by {sideways(page)}")
    context.close()
    assert not found, "\n".join(found)


def test_every_page_is_looked_at(sites: dict[str, Site]) -> None:
    from reconciler.web.page.paths import PAGES

    templates = {page.path.split("/{")[0] + "/x" * len(page.names) for page in PAGES}
    looked = {_shape(path) for path in sites["full"].pages}
    assert templates <= looked


def _name(path: str) -> str:
    """A file's name for a page: short ids, no slashes."""
    words = path.strip("/").replace("%2F", "_").replace("?", "-").replace("=", "-").split("/")
    return "-".join(word[:7] if len(word) == 40 else word for word in words if word) or "fleet"


def _shape(path: str) -> str:
    parts = path.partition("?")[0].split("/")
    return "/".join(["", parts[1], *("x" for _ in parts[2:])]) if parts[1] else "/"
