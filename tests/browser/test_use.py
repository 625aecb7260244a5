"""The page in use: by keyboard, without script, live, in many tabs, without colours."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect
from watched import Complaints, Site, visit


@pytest.fixture
def page(browser: Browser, complaints: Complaints) -> Page:
    return complaints.listen(browser.new_context(viewport={"width": 1280, "height": 900}).new_page())


def test_a_change_is_seen_without_a_reload(page: Page, fresh: Site) -> None:
    visit(page, fresh.url("/"))
    expect(page.locator("#live .what")).to_contain_text("live since")
    row = page.locator('tr[data-host="web-2"]')
    expect(row.locator(".v")).to_contain_text("Failed")
    title = page.title()
    fresh.fleet.trip.failing.clear()
    fresh.fleet.later(3600)
    fresh.fleet.walk()
    expect(row.locator(".v")).to_contain_text("Converged", timeout=5000)
    expect(page.locator("#news")).to_be_visible()
    assert page.title() != title
    # Rows keep their place until the reader asks.
    page.locator("#news a").click()
    expect(page.locator('tr[data-host="web-2"]')).to_have_count(0)


def test_pause_holds_the_page_still_and_says_so(page: Page, fresh: Site) -> None:
    visit(page, fresh.url("/"))
    expect(page.locator("#live .what")).to_contain_text("live since")
    page.locator("#pause").click()
    expect(page.locator("#live .what")).to_contain_text("paused at")
    page.locator("#pause").click()
    expect(page.locator("#live .what")).to_contain_text("live since")


def test_a_lost_connection_is_said_in_words(browser: Browser, fresh: Site) -> None:
    page = browser.new_page()
    visit(page, fresh.url("/"))
    expect(page.locator("#live .what")).to_contain_text("live since")
    fresh.served.close()
    expect(page.locator("#live .what")).to_contain_text("Not live since", timeout=5000)
    page.close()


def test_eight_tabs_all_answer(browser: Browser, sites: dict[str, Site]) -> None:
    # HTTP/1.1 gives a browser six connections to a host, and headless Chromium takes every tab for visible: eight open
    # streams would hang the seventh tab for ever.
    context = browser.new_context()
    tabs = [context.new_page() for _ in range(8)]
    for tab in tabs:
        visit(tab, sites["full"].url("/"))
        expect(tab.locator("#live .what")).to_contain_text("live")
    said = [tab.locator("#live .what").inner_text() for tab in tabs]
    assert 1 <= sum(text.startswith("live since") for text in said) <= 4, said
    for tab in tabs:
        assert visit(tab, sites["full"].url("/hosts")).ok
    context.close()


def test_by_keyboard(page: Page, sites: dict[str, Site]) -> None:
    visit(page, sites["full"].url("/"))
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "main"
    page.keyboard.press("/")
    assert page.evaluate("() => document.activeElement.id") == "find"
    page.keyboard.type("web-2")
    page.keyboard.press("Enter")
    page.wait_for_url("**/hosts/web-2*")


def test_the_ring_around_what_has_focus_is_seen_in_both_themes(page: Page, sites: dict[str, Site]) -> None:
    visit(page, sites["full"].url("/"))
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        ring = page.evaluate(
            "() => { const s = getComputedStyle(document.activeElement);"
            " return [s.outlineStyle, parseFloat(s.outlineWidth), s.outlineColor, getComputedStyle(document.documentElement).backgroundColor]; }"
        )
        assert ring[0] == "solid"
        assert ring[1] >= 2
        assert contrast(ring[2], ring[3]) >= 3


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two `rgb(r, g, b)`."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_whole_without_script(browser: Browser, sites: dict[str, Site]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    visit(page, sites["full"].url("/"))
    expect(page.locator('tr[data-host="web-2"]')).to_contain_text("no space left")
    expect(page.locator("#live")).to_contain_text("As of")
    expect(page.locator("#live")).to_contain_text("Reload")
    expect(page.locator("#pause")).to_be_hidden()
    page.fill("#find", "web")
    page.press("#find", "Enter")
    expect(page.locator("tr[data-host]")).to_have_count(4)
    context.close()


def test_only_one_stream_and_only_while_visible(page: Page, sites: dict[str, Site]) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/events" in request.url else None)
    visit(page, sites["full"].url("/"))
    expect(page.locator("#live .what")).to_contain_text("live since")
    assert len(asked) == 1
    page.evaluate("() => { Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
                  " document.dispatchEvent(new Event('visibilitychange')); }")  # fmt: skip
    page.evaluate("() => { delete document.hidden; document.dispatchEvent(new Event('visibilitychange')); }")
    page.wait_for_timeout(500)
    assert len(asked) == 2
    assert "since=" in asked[1]
