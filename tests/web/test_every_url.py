"""Every address of the page, as its own OpenAPI document lists them, with any arguments in any encoding."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx
import simulated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.web.page.openapi import document
from tests.hostile import MOST, TEXTS

ADDRESSES = [(path, said["get"]) for path, said in sorted(document()["paths"].items()) if path != "/events"]
MEANT = [
    "web-1",
    "edge-1",
    "File",
    "User",
    "/etc/motd",
    "ada",
    "drift",
    "failed",
    "0",
    "1",
    "50",
    "-1",
    "999999999999",
    "",
]
WORDS = st.one_of(st.sampled_from(MEANT), TEXTS)
ENCODINGS = st.sampled_from(["utf-8", "utf-16", "latin-1", "none", "twice", "over"])


def written(text: str, encoding: str) -> bytes:
    """`text` in an address: well, in another encoding, not at all, twice, or with a byte that UTF-8 forbids."""
    if encoding == "none":
        return text.encode("ascii", "replace").translate(None, bytes(range(33)) + b"\x7f#?")
    if encoding == "over":
        return quote(text.encode("utf-8", "replace"), safe="").encode() + b"%c0%af%ff"
    code = "utf-8" if encoding == "twice" else encoding
    once = quote(text.encode(code, "replace"), safe="")
    return quote(once, safe="").encode() if encoding == "twice" else once.encode()


@st.composite
def addresses(draw: st.DrawFn) -> bytes:
    path, said = draw(st.sampled_from(ADDRESSES))
    raw = path.encode()
    query = []
    for parameter in said.get("parameters", ()):
        name = parameter["name"]
        value = written(draw(WORDS), draw(ENCODINGS))
        if parameter["in"] == "path":
            raw = raw.replace(b"{%s}" % name.encode(), value)
        elif draw(st.booleans()):
            query += [b"%s=%s" % (name.encode(), value)] * draw(st.integers(1, 2))
    query += [written(draw(WORDS), draw(ENCODINGS))] if draw(st.integers(0, 5)) == 0 else []
    raw += draw(st.sampled_from([b"", b"", b".json", b"/", b".html"]))
    return (raw + (b"?" + b"&".join(query) if query else b""))[:8000]


@settings(max_examples=MOST // 2, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=addresses(), as_json=st.booleans())
def test_any_address_is_answered_in_words(
    page: httpx.Client, fleet: simulated.Fleet, raw: bytes, as_json: bool
) -> None:
    headers = {"accept": "application/json"} if as_json else {}
    told = page.get(httpx.URL(page.base_url).copy_with(raw_path=raw), headers=headers)
    assert told.status_code in (200, 303, 307, 308, 400, 404, 414), (raw, told.status_code, told.text[:300])
    assert "Traceback" not in told.text
    if told.headers.get("content-type", "").startswith("application/json"):
        answer: dict[str, Any] = json.loads(told.text)
        if told.status_code in (400, 404):
            assert all(problem["message"] and problem["code"] != "bug" for problem in answer["problems"]), raw


def test_every_page_is_tried() -> None:
    assert len(ADDRESSES) > 15
