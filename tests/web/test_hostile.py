"""What hosts and commits say comes out as text, whole and harmless; any address is answered; events are live."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
import simulated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.kinds import folders
from reconciler.web import serve
from reconciler.web.page import app
from reconciler.web.page.fragments import Fragments


class Shape(HTMLParser):
    """The tags of a page, and those that carry what a page of ours never has."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.bad: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.bad += [f"{tag} {name}" for name, _ in attrs if name.startswith("on") or name == "style"]
        if tag in ("iframe", "object", "embed", "base", "style"):
            self.bad.append(tag)


def test_nothing_that_a_host_or_a_commit_says_becomes_markup(page: httpx.Client, fleet: simulated.Fleet) -> None:
    told = 0
    for path in fleet.pages:
        text = page.get(path).text
        shape = Shape()
        shape.feed(text)
        assert shape.tags.count("script") == 1, path
        assert not shape.bad, (path, shape.bad)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text), path
        assert "{{ 7*7 }}" in text or "7*7" not in text
        told += text.count("&lt;script&gt;alert(1)&lt;/script&gt;")
    assert told > 5, "the hostile texts of the fleet are on its pages"


def test_secrets_are_a_word(page: httpx.Client, fleet: simulated.Fleet) -> None:
    for path in fleet.pages:
        for answer in (page.get(path), page.get(path, headers={"accept": "application/json"})):
            assert simulated.PASSWORD not in answer.text, path
            assert "sealed" not in answer.text, path
    assert "(secret)" in page.get("/hosts/db-1/User/backup-bot").text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=60),
    query=st.dictionaries(
        st.sampled_from(["find", "where", "after", "verdict", "limit", "x"]), st.text(max_size=40), max_size=3
    ),
)
def test_any_address_is_answered_without_a_fault(page: httpx.Client, text: str, query: dict[str, str]) -> None:
    name = text.encode("utf-8", "replace").decode()
    params = {key: value.encode("utf-8", "replace").decode() for key, value in query.items()}
    for path in ("/hosts/", "/kinds/File/", "/kinds/", "/commits/", "/reports/", "/hosts/web-1/User/", "/static/"):
        answer = page.get(httpx.URL(page.base_url).copy_with(raw_path=(path + quoted(name)).encode()))
        assert answer.status_code in (200, 400, 404), (path, name, answer.status_code)
    for path in ("/", "/hosts", "/history", "/commits", "/kinds/File"):
        answer = page.get(path, params=params)
        assert answer.status_code in (200, 303, 400, 404), (path, params, answer.status_code)


def quoted(name: str) -> str:
    return "".join(f"%{byte:02X}" for byte in name.encode())


@pytest.mark.parametrize(
    "raw",
    [b"/hosts/%ff%fe", b"/hosts/%c0%af", b"//evil.example/", b"/hosts/..%2f..%2fetc", b"/%2e%2e/", b"/hosts?find=%ff"],
)
def test_addresses_that_are_no_text(page: httpx.Client, raw: bytes) -> None:
    answer = page.get(httpx.URL(page.base_url).copy_with(raw_path=raw))
    assert answer.status_code in (200, 400, 404)


def test_a_fault_is_a_page_of_its_own_without_its_insides(
    fleet: simulated.Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = app(fleet.world)
    served = serve.run(made, "127.0.0.1:0")

    def broken(*_: object) -> float:
        raise RuntimeError("inside /etc/secret")

    monkeypatch.setattr(fleet.world, "now", broken)
    try:
        for path in ("/", "/index.json", "/hosts"):
            answer = httpx.get(served.url.rstrip("/") + path)
            assert answer.status_code == 500
            assert "inside" not in answer.text
            assert answer.headers["content-security-policy"]
    finally:
        served.close()


# ---------------------------------------------------------------- kinds' fragments


@pytest.fixture
def fragments(tmp_path: Path) -> Iterator[Fragments]:
    for name, text in {
        "good": '<p class="summary">{{ name }} {{ state.a }}</p><dl><dt>a</dt><dd>{{ state.a }}</dd></dl>',
        "escape": "{{ ''.__class__.__mro__ }}",
        "change": "{{ state.clear() }}",
        "reach": "{% include 'base.html' %}",
        "endless": "{% for x in range(10**9) %}x{% endfor %}",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "page.html").write_text(text)
    yield Fragments({folder.name: folder for folder in tmp_path.iterdir()})


def test_a_fragment_prints_what_it_gets_escaped(fragments: Fragments) -> None:
    text = fragments.render("Good", "n", {"a": "<b>\x1b"})
    assert "&lt;b&gt;\\x1b" in text
    assert fragments.summary("Good", "n", {"a": {"sealed": "5f3a"}}) == "n (secret)"


@pytest.mark.parametrize("kind", ["escape", "change", "reach", "endless", "none"])
def test_a_fragment_that_reaches_out_is_left_out(fragments: Fragments, kind: str) -> None:
    assert fragments.render(kind, "n", {"a": 1}) == ""


def test_every_kind_has_a_fragment_with_a_summary_that_takes_any_state() -> None:
    real = Fragments(folders())
    assert real.templates
    for kind in real.templates:
        assert "{{" not in real.render(kind, "n", {})
        assert "5f3a" not in real.render(
            kind, "n", {field: {"sealed": "5f3a"} for field in ("content", "passwordHash", "env")}
        )


# ---------------------------------------------------------------- events, over a real connection


def test_events_greet_and_follow_the_fleet(tmp_path: Path) -> None:
    fleet = simulated.full(tmp_path / "fleet")
    served = serve.run(app(fleet.world), "127.0.0.1:0")
    try:
        with httpx.stream("GET", served.url + "events?host=web-2", timeout=20) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["x-accel-buffering"] == "no"
            lines = answer.iter_lines()
            hello = next_event(lines)
            assert hello["counts"]["Failed"] == 1
            fleet.trip.failing.clear()
            fleet.later(3600)
            fleet.walk()
            rows: dict[str, str] = {}
            while rows.get("web-2") != "Converged":
                told = next_event(lines)
                rows |= {row["host"]: row["verdict"] for row in told["rows"]}
                assert set(rows) <= {"web-2"}
    finally:
        served.close()
        fleet.close()


def next_event(lines: Iterator[str]) -> dict[str, Any]:
    for line in lines:
        if line.startswith("data: "):
            return dict(json.loads(line.removeprefix("data: ")))
    raise AssertionError("the stream ended")
