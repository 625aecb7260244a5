"""trueup's own manual, the site of example-repo, in a real browser: every page × width × colours, under its own policy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from judged import axe, sideways
from playwright.sync_api import Browser, expect
from watched import Complaints, visit

from tests.systems.sites.preview.running import previewing

EXAMPLE = Path(__file__).parents[2] / "example-repo"
PAGES = sorted(
    "/" + str(page.relative_to(EXAMPLE / "web/manual").with_suffix("")).removesuffix("index")
    for page in (EXAMPLE / "web/manual").glob("**/*.html")
    if page.name != "404.html"
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with previewing(EXAMPLE, "manual") as preview:
        yield f"http://localhost:{preview.port}"


def test_everybody_can_read_it_everywhere(browser: Browser, url: str, complaints: Complaints) -> None:
    page = complaints.listen(browser.new_context().new_page())
    found: list[str] = []
    for path in PAGES:
        page.set_viewport_size({"width": 1280, "height": 900})
        page.emulate_media(color_scheme="dark")
        answer = visit(page, url + path)
        assert answer.status == 200 and "default-src 'none'" in answer.headers["content-security-policy"], path
        found += [f"{path} dark: {line}" for line in axe(page, colours_only=True)]
        page.emulate_media(color_scheme="light")
        found += [f"{path} 1280: {line}" for line in axe(page)]
        for width in (360, 320):
            page.set_viewport_size({"width": width, "height": 740})
            if sideways(page) > 0:
                found.append(f"{path} {width}: scrolls sideways by {sideways(page)}")
        found += [f"{path} narrow: {line}" for line in axe(page)]
    assert found == []


def test_old_addresses_lead_on_and_lost_ones_are_told(browser: Browser, url: str) -> None:
    page = browser.new_context().new_page()
    visit(page, url + "/docs/reference/kinds/user")
    assert page.url == url + "/kinds/user"
    answer = page.goto(url + "/nowhere")
    assert answer is not None and answer.status == 404
    page.get_by_role("link", name="the front page").click()
    expect(page).to_have_url(url + "/")
    expect(page).to_have_title("trueup")
