"""One file over HTTP(S) onto our disk, hashed as it comes. Each hop is judged anew, and asked at the address that was judged."""

from __future__ import annotations

import hashlib
import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

from .. import __version__
from ..repo.troubles import redacted
from .packed import PIECE
from .troubles import on_disk, refused
from .trust import Trust

_HOPS = 5
_CONNECT = 15.0
_ANSWER = 30.0
"""Seconds for a connection, and until the next bytes come."""


def download(url: str, into: IO[bytes], trust: Trust, most: int, tick: Callable[[], None]) -> str:
    """Write what `url` is into the file; its sha256. Raises Refused."""
    for _ in range(_HOPS + 1):
        trust.judge(url, schemes=("https",))
        found = _get(url, into, trust, most, tick)
        if found[0] != "moved":
            return found[1]
        there = _led(url, found[1])
        if urlsplit(there).scheme not in ("https", "http"):
            raise refused("source-not-allowed", f"{redacted(url)} leads on to {redacted(there)}, which is not HTTP")
        url = there
    raise refused("source-unreachable", f"{redacted(url)}: more than {_HOPS} redirects")


def _led(url: str, location: str) -> str:
    """Where a redirect leads. Raises Refused for what is no URL, which a server may well say."""
    try:
        there = urljoin(url, location)
        _ = urlsplit(there).port
    except ValueError as error:
        raise refused("source-unreachable", f"{redacted(url)} leads on to what is no URL ({error})") from None
    return there


def _get(url: str, into: IO[bytes], trust: Trust, most: int, tick: Callable[[], None]) -> tuple[str, str]:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    line = _connected(url, trust)
    connection = http.client.HTTPConnection(parts.hostname or "", _port(url))
    connection.default_port = _port(url) if _port(url) in (80, 443) else 80
    connection.sock = _Line(line, tick)
    try:
        with _Named(url):
            agent = {"User-Agent": f"trueup/{__version__}", "Accept-Encoding": "identity", "Accept": "*/*"}
            connection.request("GET", path, headers=agent)
            answer = connection.getresponse()
            if answer.status in (301, 302, 303, 307, 308) and answer.headers.get("Location"):
                return "moved", str(answer.headers["Location"])
            if answer.status != 200:
                raise refused(
                    "source-unreachable",
                    f"{redacted(url)}: the server said {answer.status} {redacted(answer.reason)[:80]}",
                )
            if answer.headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
                raise refused(
                    "source-unreachable", f"{redacted(url)}: the server packed the answer, which nobody asked for"
                )
            told = answer.headers.get("Content-Length", "")
            size = int(told) if told.isdecimal() and len(told) < 20 else -1
            if size > most:
                raise refused("source-too-big", f"{redacted(url)}: {size:,} bytes, where at most {most:,} are taken")
            return "here", _body(answer, size, url, into, most, tick)
    finally:
        line.close()


def _body(
    answer: http.client.HTTPResponse, told: int, url: str, into: IO[bytes], most: int, tick: Callable[[], None]
) -> str:
    sum_ = hashlib.sha256()
    size = 0
    while piece := answer.read1(PIECE):  # what has come, so that a server that drips is seen by the clock
        tick()
        size += len(piece)
        if size > most:
            raise refused("source-too-big", f"{redacted(url)}: more than {most:,} bytes")
        sum_.update(piece)
        with on_disk(f"{redacted(url)} onto this disk"):
            into.write(piece)
    if told >= 0 and size != told:
        raise refused("source-unreachable", f"{redacted(url)}: cut after {size:,} of {told:,} bytes")
    with on_disk(f"{redacted(url)} onto this disk"):
        into.flush()
    return sum_.hexdigest()


def _connected(url: str, trust: Trust) -> socket.socket:
    """Connected to one of the addresses that were judged: asking for the name again might give another."""
    parts = urlsplit(url)
    wrong = "no address"
    for family, address in trust.addresses(url):
        line = socket.socket(family, socket.SOCK_STREAM)
        try:
            line.settimeout(_CONNECT)
            line.connect((address, _port(url)))
            line.settimeout(_ANSWER)
            if parts.scheme == "https":
                line = ssl.create_default_context().wrap_socket(line, server_hostname=parts.hostname)
            return line
        except OSError as error:
            line.close()
            wrong = _tls(error) if isinstance(error, ssl.SSLError) else f"{address}: {error.strerror or error}"
    raise refused("source-unreachable", f"{redacted(url)}: {wrong}")


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


class _Ticking(io.RawIOBase):
    """What comes over a connection; the clock is looked at before each piece, for a server that drips bytes."""

    def __init__(self, line: socket.socket, tick: Callable[[], None]) -> None:
        self._line = line
        self._tick = tick

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        self._tick()
        return self._line.recv_into(into)


class _Line:
    """As much of a socket as http.client asks for."""

    def __init__(self, line: socket.socket, tick: Callable[[], None]) -> None:
        self._line = line
        self._tick = tick

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Ticking(self._line, self._tick))

    def sendall(self, data: bytes) -> None:
        self._line.sendall(data)

    def close(self) -> None:
        """http.client closes before the answer was read; who connected closes."""


def _tls(error: ssl.SSLError) -> str:
    why = getattr(error, "verify_message", "") or error.reason or "TLS failed"
    return (
        f"the server's certificate is not accepted ({why})"
        if isinstance(error, ssl.SSLCertVerificationError)
        else str(why)
    )


class _Named:
    def __init__(self, url: str) -> None:
        self._url = redacted(url)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # A ValueError is what http.client makes of an address that can't be asked for: of letters beyond ASCII.
        if isinstance(error, (OSError, http.client.HTTPException, ValueError)):
            why = redacted(getattr(error, "strerror", None) or str(error) or type(error).__name__)
            raise refused("source-unreachable", f"{self._url}: {why[:200]}") from error


def until(seconds: float, where: str, clock: Callable[[], float] = time.monotonic) -> Callable[[], None]:
    """A tick that raises Refused once so many seconds are over."""
    end = clock() + seconds

    def tick() -> None:
        if clock() > end:
            raise refused("source-unreachable", f"{redacted(where)}: not done within {seconds:.0f} s")

    return tick


__all__ = ["download", "until"]
