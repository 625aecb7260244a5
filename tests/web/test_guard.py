"""What holds for every address: only reading, only its own name, strict headers, whatever is asked."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest
import simulated

ELSEWHERE = ("/healthz", "/openapi.json", "/events", "/static/page.css", "/nowhere", "/hosts/nobody")


@pytest.fixture
def anywhere(fleet: simulated.Fleet) -> tuple[str, ...]:
    return (*fleet.pages, *ELSEWHERE)


METHODS = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "BREW")


@pytest.mark.parametrize("method", METHODS)
def test_no_other_method_anywhere(page: httpx.Client, anywhere: tuple[str, ...], method: str) -> None:
    for path in anywhere:
        answer = page.request(method, path, content=b"x=1" if method == "POST" else None)
        assert answer.status_code == 405, (method, path)
        assert answer.headers["allow"] == "GET, HEAD"


def test_a_head_is_a_get_without_its_body(page: httpx.Client, anywhere: tuple[str, ...]) -> None:
    for path in anywhere:
        if path == "/events":
            continue
        head, get = page.head(path), page.get(path)
        assert head.status_code == get.status_code, path
        assert head.content == b""
        assert head.headers["content-type"] == get.headers["content-type"]
    assert page.head("/events").headers["content-type"].startswith("text/event-stream")


def test_strict_headers_everywhere(page: httpx.Client, anywhere: tuple[str, ...]) -> None:
    for path in anywhere:
        with page.stream("GET", path) as answer:
            headers = answer.headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'", path
        assert policy["script-src"] == policy["style-src"] == policy["img-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
        assert "set-cookie" not in headers
        assert "access-control-allow-origin" not in headers
        expected = "public, max-age=31536000, immutable" if path.startswith("/static") else "no-store"
        assert headers["cache-control"] == expected, path


@pytest.mark.parametrize(
    "name", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil", "", "[::1", "1e3"]
)
def test_a_foreign_name_is_refused_everywhere(page: httpx.Client, name: str) -> None:
    for path in ("/", "/hosts.json", "/events", "/static/page.css"):
        answer = page.get(path, headers={"host": name})
        assert answer.status_code in (400, 421), (name, path)
        assert "prod" not in answer.text


@pytest.mark.parametrize(
    "name", ["localhost", "LOCALHOST:8080", "localhost.", "127.0.0.1", "127.0.0.1:1", "[::1]:8080", "192.0.2.1"]
)
def test_its_own_names_are_answered(page: httpx.Client, name: str) -> None:
    assert page.get("/healthz", headers={"host": name}).status_code == 200


def test_no_inline_script_or_style_on_any_page(page: httpx.Client, fleet: simulated.Fleet) -> None:
    for path in fleet.pages:
        text = page.get(path).text
        assert " style=" not in text, path
        assert "<style" not in text
        assert "javascript:" not in text
        assert " onclick" not in text.lower()
        assert text.count("<script") == 1
        for link in (part.split('"')[0] for part in text.split('src="')[1:]):
            assert not urlsplit(link).netloc, (path, link)


def test_static_files_never_lead_elsewhere(page: httpx.Client) -> None:
    for path in ("/static/../site.py", "/static/%2e%2e/site.py", "/static/..%2fsite.py", "/static/", "/static"):
        assert page.get(path).status_code in (404, 405), path
