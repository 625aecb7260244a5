"""A site in a real browser: as a lab host's nginx serves it after a push, and as `trueup site preview` serves it before one."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, TimeoutError, expect
from watched import Complaints, visit

import lab
from lab import Fleet, LabHost
from tests.systems.sites.preview.running import previewing

pytestmark = pytest.mark.hosts

MANIFEST = """\
kind: Site
metadata: {name: docs}
spec:
  hosts: all
  domains: [docs.example.com]
  port: 8080
  from: {folder: public}
  basicAuth: {realm: Drafts, paths: [/drafts/*], users: [{name: ada, secret: site-ada}]}
"""
SHA = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="
"""Of `secret`."""
PAGE = """\
<!doctype html>
<html lang="en"><head><title>%s</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/style.css"></head>
<body><h1>%s</h1>%s</body></html>
"""
APP = """\
<nav><a href="/app/one">one</a> <a href="/app/two">two</a></nav><p id="view"></p>
<script>
const show = () => document.querySelector("#view").textContent = "view " + location.pathname.split("/").pop();
document.querySelector("nav").addEventListener("click", (event) => {
  event.preventDefault(); history.pushState({}, "", event.target.href); show(); });
addEventListener("popstate", show);
show();
</script>
"""
FILES = {
    "index.html": PAGE % ("Docs", "Docs", '<a href="/old/guide">guide</a>'),
    "guide.html": PAGE % ("Guide", "Guide", ""),
    "404.html": PAGE % ("Lost", "Nothing here", ""),
    "app/index.html": PAGE % ("App", "App", APP),
    "drafts/index.html": PAGE % ("Drafts", "Drafts", ""),
    "style.css": "h1 { color: rgb(1, 2, 3) }\n" * 50,
    "_redirects": "/old/* /:splat 301\n/app/* /app/ 200\n",
}


SLOW = 30_000
"""Milliseconds that a look may take where others use the machine, too."""


@dataclass(frozen=True)
class Served:
    url: str
    answers: Callable[[str], list[int]]
    """The codes that a path was answered with, so far."""


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with ExitStack() as stack:
        hosts = stack.enter_context(lab.up(1))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trueup-e2e-")))
        hosts.also_remove(folder)
        made = Fleet(hosts=hosts, folder=folder, key=hosts.key)
        made.make()
        made.inventory()
        (folder / "ada").write_text(SHA)
        (folder / "ada").chmod(0o600)
        (folder / "server.yaml").write_text(f"secrets: {{site-ada: {{file: {folder}/ada}}}}\n")
        for path, text in FILES.items():
            made.write(f"public/{path}", text)
        made.write("docs.yaml", MANIFEST)
        made.land()
        made.apply()
        yield made


@contextmanager
def by_nginx(fleet: Fleet) -> Iterator[Served]:
    host: LabHost = fleet.hosts[0]

    def answers(path: str) -> list[int]:
        lines = host.run("cat /var/log/nginx/trueup-docs.access.log").stdout.splitlines()
        return [row["status"] for row in map(json.loads, lines) if row["target"] == path]

    yield Served(f"http://{host.address}:8080", answers)


@contextmanager
def by_preview(fleet: Fleet) -> Iterator[Served]:
    with previewing(fleet.clone, "docs") as preview:

        def answers(path: str) -> list[int]:
            return [int(code) for code in re.findall(rf"(\d+) GET  {re.escape(path)}(?:  .*)?\n", preview.said)]

        yield Served(f"http://localhost:{preview.port}", answers)


@pytest.fixture(params=[by_nginx, by_preview], ids=["nginx", "preview"])
def served(request: pytest.FixtureRequest, fleet: Fleet) -> Iterator[Served]:
    with request.param(fleet) as one:
        yield one


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_a_page_and_a_redirect(page: Page, served: Served, complaints: Complaints) -> None:
    complaints.listen(page)
    assert visit(page, served.url + "/").status == 200
    expect(page.locator("h1")).to_have_css("color", "rgb(1, 2, 3)")
    page.get_by_role("link", name="guide").click()
    expect(page).to_have_url(served.url + "/guide")
    expect(page).to_have_title("Guide")
    visit(page, served.url + "/guide.html")
    expect(page).to_have_url(served.url + "/guide")


def test_a_route_of_a_single_page_app(page: Page, served: Served, complaints: Complaints) -> None:
    complaints.listen(page)
    assert visit(page, served.url + "/app/one").status == 200
    expect(page.locator("#view")).to_have_text("view one")
    page.get_by_role("link", name="two").click()
    expect(page.locator("#view")).to_have_text("view two")
    expect(page).to_have_url(served.url + "/app/two")
    assert served.answers("/app/two") == []
    visit(page, page.url)
    expect(page.locator("#view")).to_have_text("view two")
    page.go_back()
    expect(page.locator("#view")).to_have_text("view one")


def test_the_sites_own_404(page: Page, served: Served) -> None:
    assert visit(page, served.url + "/none/at/all").status == 404
    expect(page.locator("h1")).to_have_text("Nothing here")
    expect(page.locator("h1")).to_have_css("color", "rgb(1, 2, 3)")


def told(true: Callable[[], bool]) -> None:
    """Wait for what a server writes down: it does so behind the answer."""
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_prompt_for_a_password(browser: Browser, served: Served) -> None:
    for given, status in ((None, 401), ("wrong", 401), ("secret", 200)):
        context = browser.new_context(http_credentials={"username": "ada", "password": given} if given else None)
        page, before = context.new_page(), len(served.answers("/drafts/"))
        with page.expect_response("**/drafts/") as first, suppress(Error):  # Chromium may show a page of its own
            page.goto(served.url + "/drafts/")
        told(lambda before=before, status=status: served.answers("/drafts/")[before:][-1:] == [status])
        assert (page.title() == "Drafts") is (status == 200)
        if given is None:
            assert first.value.header_value("www-authenticate") == 'Basic realm="Drafts"'
        # On a page of its own: Chromium's own one for a 401 may still be on its way.
        assert visit(context.new_page(), served.url + "/").status == 200
        context.close()


def test_what_is_cached_is_asked_for_and_not_sent_again(page: Page, served: Served) -> None:
    visit(page, served.url + "/")
    told(lambda: served.answers("/style.css")[-1:] == [200])
    before = served.answers("/style.css")
    page.reload()
    expect(page.locator("h1")).to_have_css("color", "rgb(1, 2, 3)")
    told(lambda: served.answers("/style.css")[len(before) :] == [304])


def listening(page: Page, url: str) -> None:
    """Go there, and until its script listens: again if the machine's network was changed while that was loaded."""
    for _ in range(5):
        with suppress(TimeoutError), page.expect_request("**/.well-known/trueup/live", timeout=SLOW):
            visit(page, url)
            return
    raise AssertionError(f"{url}: its script doesn't listen")


def test_an_open_page_follows_its_files(page: Page, fleet: Fleet) -> None:
    with by_preview(fleet) as served:
        listening(page, served.url + "/guide")
        expect(page.locator("h1")).to_have_text("Guide")
        fleet.write("public/guide.html", PAGE % ("Guide", "Guide, second edition", ""))
        expect(page.locator("h1")).to_have_text("Guide, second edition", timeout=SLOW)
        fleet.write("public/style.css", "h1 { color: rgb(4, 5, 6) }\n")
        expect(page.locator("h1")).to_have_css("color", "rgb(4, 5, 6)", timeout=SLOW)
    for path in ("guide.html", "style.css"):
        fleet.write(f"public/{path}", FILES[path])
