"""Serving: bound when it comes back, loopback unless told otherwise, gone quickly, streams or not."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from reconciler.core.problem import Refused
from reconciler.web import serve
from reconciler.web.page.live import Hub, Moment


def plain() -> Starlette:
    async def hello(_: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    return Starlette(routes=[Route("/", hello)])


def test_answers_as_soon_as_it_comes_back_and_stops_when_told() -> None:
    stop = threading.Event()
    served = serve.run(plain(), "127.0.0.1:0", stop)
    assert httpx.get(served.url).text == "hello"
    stop.set()
    served.thread.join(5)
    assert not served.thread.is_alive()
    with pytest.raises(httpx.ConnectError):
        httpx.get(served.url)


def test_open_streams_do_not_hold_up_the_end() -> None:
    async def look() -> Moment:
        return Moment(summary={"counts": {}, "total": 0}, rows={})

    hub = Hub(look=look, ping=60)

    async def events(_: Request) -> StreamingResponse:
        async def text() -> AsyncIterator[str]:
            async for chunk in hub.stream():
                yield chunk

        return StreamingResponse(text(), media_type="text/event-stream")

    app = Starlette(routes=[Route("/events", events)])
    app.state.end_streams = hub.end
    served = serve.run(app, "127.0.0.1:0")
    with httpx.stream("GET", served.url + "events", timeout=10) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("retry:")
        began = time.monotonic()
        served.close()
        assert time.monotonic() - began < 20
        assert not served.thread.is_alive()


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.7:80", "fleet.example.org:80"])
def test_an_address_that_others_reach_needs_to_be_meant(listen: str) -> None:
    with pytest.raises(Refused) as refused:
        serve.run(plain(), listen)
    (problem,) = refused.value.problems
    assert problem.code == "listen-not-loopback"
    assert "pageTokenFile" in problem.hint and "pageProxies" in problem.hint


def test_beyond_loopback_when_it_is_meant() -> None:
    served = serve.run(plain(), "0.0.0.0:0", beyond_loopback=True)
    assert httpx.get(f"http://127.0.0.1:{served.port}/").text == "hello"
    served.close()


@pytest.mark.parametrize(
    "listen", ["", "8080", ":8080", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:99999", "127.0.0.1:²"]
)
def test_what_is_no_address_is_refused_as_such(listen: str) -> None:
    with pytest.raises(Refused) as refused:
        serve.run(plain(), listen)
    assert refused.value.problems[0].code == "bad-listen"


def test_a_port_that_is_taken_is_a_problem_with_a_next_step() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Refused) as refused:
            serve.run(plain(), f"127.0.0.1:{taken.getsockname()[1]}")
    assert refused.value.problems[0].code == "listen-failed"
    assert "in use" in refused.value.problems[0].message
    assert refused.value.problems[0].hint


def test_a_port_that_is_root_s_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def shut(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", shut)
    with pytest.raises(Refused) as refused:
        serve.run(plain(), "127.0.0.1:443")
    assert "below 1024" in refused.value.problems[0].hint


def test_ipv6_loopback() -> None:
    if not socket.has_ipv6:
        return
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return  # this machine has no IPv6 at all: nothing to serve on
    served = serve.run(plain(), "[::1]:0")
    assert httpx.get(served.url).text == "hello"
    served.close()
