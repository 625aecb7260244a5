"""Connections that ask nothing, or never end asking: they end, and there are never more than the daemon can spare."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from reconciler.web import seats, serve
from reconciler.web.serve import Served


async def hello(_: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(seats, "MOST", 8)
    monkeypatch.setattr(seats, "HEAD", 2.0)
    running = serve.run(Starlette(routes=[Route("/", hello)]), "127.0.0.1:0")
    yield running
    running.close()


def ended(line: socket.socket, within: float) -> bool:
    """Whether the other end hangs up in time."""
    line.settimeout(within)
    try:
        while line.recv(4096):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def test_no_more_are_connected_than_there_are_seats(served: Served) -> None:
    with ExitStack() as open_:
        lines = [open_.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=5)) for _ in range(8)]
        time.sleep(0.2)
        more = [open_.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=5)) for _ in range(20)]
        assert all(ended(line, 1.0) for line in more)
        lines[0].sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert lines[0].recv(4096).startswith(b"HTTP/1.1 200")
        assert all(ended(line, 5.0) for line in lines[1:])
    assert httpx.get(served.url).text == "hello"


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_who_never_asks_is_hung_up_on(served: Served, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as line:
        line.sendall(said)
        assert ended(line, 6.0)


def test_a_byte_now_and_then_is_no_question(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert line.recv(4096).startswith(b"HTTP/1.1 200")
        started = time.monotonic()
        with pytest.raises(ConnectionError):
            for letter in b"GET / HTTP/1.1\r\nX: " + b"y" * 200:
                line.sendall(bytes([letter]))
                time.sleep(0.1)
        assert time.monotonic() - started < 10


def test_a_connection_is_used_again(served: Served) -> None:
    with httpx.Client(base_url=served.url) as client:
        for _ in range(30):
            assert client.get("/").text == "hello"
            time.sleep(0.1)
