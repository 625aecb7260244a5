"""Serves a Starlette app until it is told to stop: Uvicorn in a thread of its own, bound before `run` returns."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette

from ..core.problem import Problem, Refused
from .seats import InTime, Listener
from .tls import Files, Renewal

LAST_WORDS = 3.0
"""Seconds that answers under way get at the end; streams are ended before that, so that Ctrl-C is quick."""


@dataclass
class Served:
    """A page that is being served. `close` may be called from any thread, more than once."""

    host: str
    port: int
    thread: threading.Thread
    secure: bool = False
    """By TLS."""
    _end: Callable[[], None] = field(repr=False, default=lambda: None)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}/"

    def close(self) -> None:
        """End open streams, answer what is under way, and stop; back within LAST_WORDS and a bit."""
        self._end()
        self.thread.join(LAST_WORDS + 2)


def run(
    app: Starlette,
    listen: str,
    stop_event: threading.Event | None = None,
    *,
    beyond_loopback: bool = False,
    tls: Files | None = None,
) -> Served:
    """Serve `app` on `listen` (`host:port`; port 0: any free one) and come back as soon as it answers.

    The serving ends when `stop_event` is set, or by `close()` of what is returned. An address that others can reach
    is refused unless `beyond_loopback` says that `app` asks readers who they are (access.may_leave_loopback).
    Raises Refused with a Problem: bad-listen, listen-not-loopback, listen-failed, page-tls.
    """
    host, port = split(listen)
    if not beyond_loopback and not is_loopback(host):
        raise Refused(
            Problem(
                code="listen-not-loopback",
                message=f"the page would be open to all who reach {listen}: it asks nobody who they are",
                hint="listen on 127.0.0.1:8080; or, in /etc/trueup/server.yaml, set pageTokenFile with tlsCertificate and "
                "tlsKey, or pageProxies with pageUserHeader (docs/page.md says how)",
            )
        )
    listener = _bind(host, port, listen)
    config = uvicorn.Config(
        app,
        # What it has to say goes the way of all logging: into the daemon's log, in its form.
        log_config=None,
        access_log=False,
        server_header=False,
        # Who connects is the socket's peer: whom a proxy names is access.py's to judge.
        proxy_headers=False,
        date_header=True,
        lifespan="on",
        ws="none",
        http=InTime,
        loop="asyncio",  # another one might accept by itself, whatever `listener` thinks of it
        timeout_graceful_shutdown=int(LAST_WORDS),
        timeout_keep_alive=15,
        h11_max_incomplete_event_size=16 * 1024,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    config.load()
    renewal = Renewal(tls, config.ssl) if tls and config.ssl else None
    server = uvicorn.Server(config)
    ended = threading.Event()

    def end() -> None:
        ended.set()
        end_streams = getattr(app.state, "end_streams", None)
        if end_streams is not None:
            end_streams()
        server.should_exit = True
        if renewal is not None:
            renewal.close()

    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="page", daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        ended.wait(0.01)
    if not server.started:
        raise Refused(Problem(code="listen-failed", message=f"the page did not start on {listen}"))

    if stop_event is not None:

        def watch(stop: threading.Event) -> None:
            stop.wait()
            end()

        threading.Thread(target=watch, args=(stop_event,), name="page-stop", daemon=True).start()
    bound = listener.getsockname()
    return Served(host=host, port=bound[1], thread=thread, secure=tls is not None, _end=end)


def split(listen: str) -> tuple[str, int]:
    """`host:port` in its parts; an IPv6 address stands in brackets. Raises Refused (bad-listen)."""
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise Refused(
            Problem(code="bad-listen", message=f"{listen!r} is not host:port", hint="write it as 127.0.0.1:8080")
        )
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback(host: str) -> bool:
    """True when only this machine can reach `host`. A name other than localhost is not trusted to be."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_HELD = "another process may hold the port; choose another one with --listen or TRUEUP_LISTEN"
_LOW = (
    "a port below 1024 is root's (ip(7)): take another one, such as 8443, or a proxy in front; or, for the service, systemctl "
    "edit trueup: [Service] AmbientCapabilities=CAP_NET_BIND_SERVICE and CapabilityBoundingSet=CAP_NET_BIND_SERVICE"
)


def _bind(host: str, port: int, listen: str) -> socket.socket:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = Listener(family, kind, proto)
    except OSError as error:
        raise Refused(Problem(code="listen-failed", message=f"can't listen on {listen}: {error}")) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise Refused(
            Problem(
                code="listen-failed",
                message=f"can't listen on {listen}: {error.strerror or error}",
                hint=_LOW if isinstance(error, PermissionError) else _HELD,
            )
        ) from error
    return listener
