"""Serves a site as it lies on this machine, by the very function that says what nginx is told: rules/answer.py.

What is asked goes to answer() as it came, and what answer() says goes out as it is: nothing is decided here but how bytes are
sent. With `live` a script is put into pages (live.py); only those then differ from what a host sends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from reconciler.core.problem import Refused
from reconciler.systems.sites.preview.looking import Shown, fits
from reconciler.systems.sites.preview.watch import Watched
from reconciler.systems.sites.rules.answer import Answer, Here, Request, answer
from reconciler.web.serve import Served, run

from .limit import Limiter
from .live import Live, lets_in, with_script

CHUNK = 256 * 1024
PARTLY = frozenset({"accept-encoding", "range", "if-range", "if-none-match"})
"""What asks for less than a whole page, into which alone a script goes."""
_WITHOUT_BODY = (204, 304, 451)


@dataclass(frozen=True, kw_only=True)
class Site:
    """Which site a request is for."""

    shown: Shown
    here: Here
    host: str
    """The name that the site is asked by."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """One request, for whoever watches."""

    method: str
    target: str
    status: int
    shows: str
    """The file that was sent, or where the visitor was sent to; empty where there was neither."""


def app(
    site_of: Callable[[str], Site | None], *, live: Live | None = None, tell: Callable[[Told], None] = lambda told: None
) -> Starlette:
    """`site_of` gives the site of a Host header; None: that name is none of its own."""
    made = Starlette()
    made.router.default = _Preview(site_of, live, tell)
    if live is not None:
        made.state.end_streams = live.end
    return made


class _Preview:
    def __init__(self, site_of: Callable[[str], Site | None], live: Live | None, tell: Callable[[Told], None]) -> None:
        self.site_of, self.live, self.tell = site_of, live, tell
        self.limiter = Limiter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        # Asked before the files are read: a page may bear an older version than it is made of, never a newer one.
        version = await run_in_threadpool(self.live.version) if self.live is not None else ""
        site = await run_in_threadpool(self.site_of, headers.get("host", ""))
        if site is None:
            # DNS rebinding: a foreign page whose name was pointed at this machine still sends its own name.
            told = "This is a preview on this machine. Ask for it as localhost, or as DOMAIN.localhost.\n"
            await PlainTextResponse(told, status_code=421)(scope, receive, send)
            return
        own = self.live.answer(scope["path"]) if self.live is not None and scope["method"] == "GET" else None
        if own is not None:
            await own(scope, receive, send)
            return
        request = Request(
            method=scope["method"],
            target=_target(scope),
            host=site.host,
            scheme=scope["scheme"],
            headers=headers,
            address=scope["client"][0] if scope.get("client") else "127.0.0.1",
        )
        given = await run_in_threadpool(self._answer, site, request)
        try:
            await self._send(site.shown, request, given, version, send)
        except OSError as error:
            given = Answer(status=503)
            told = f"{error.filename or request.target} went away just now: {error.strerror}. Ask again.\n"
            await PlainTextResponse(told, status_code=503)(scope, receive, send)
        self.tell(Told(method=request.method, target=request.target, status=given.status, shows=_shows(given)))

    def _answer(self, site: Site, request: Request) -> Answer:
        """Only what comes as far as the limit is counted: that is known by asking as one who is over it."""
        shown, limit = site.shown, site.shown.rules.rate_limit
        whole = replace(request, headers={k: v for k, v in request.headers.items() if k not in PARTLY})
        if self.live is not None and _is_page(self._asked(site, whole)):
            request = whole
        if limit is not None:
            turned_away = self._asked(site, replace(request, over_limit=True))
            if turned_away.status == 429 and self.limiter.over(shown.name, request.address, limit):
                return turned_away
        return self._asked(site, request)

    def _asked(self, site: Site, request: Request) -> Answer:
        return answer(site.shown.rules, site.shown.tree, request, site.here, fits)

    async def _send(self, shown: Shown, request: Request, given: Answer, version: str, send: Send) -> None:
        body: bytes | None = None
        if given.file is None or _packed(shown, given) or (self.live is not None and _is_page(given)):
            body = await run_in_threadpool(_body, shown, given)
            if self.live is not None and _is_page(given) and lets_in(given.header("content-security-policy")):
                body = with_script(body, version)
        headers = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in given.headers]
        if given.status in _WITHOUT_BODY:
            await send({"type": "http.response.start", "status": given.status, "headers": headers})
            await send({"type": "http.response.body"})
        elif body is not None:
            headers.append((b"content-length", str(len(body)).encode()))
            await send({"type": "http.response.start", "status": given.status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await self._send_file(shown, request, given, headers, send)

    async def _send_file(
        self, shown: Shown, request: Request, given: Answer, headers: list[tuple[bytes, bytes]], send: Send
    ) -> None:
        """A file in pieces, as long as the answer says that it is: what was cut meanwhile ends the connection."""
        assert given.file is not None
        tree = shown.previous if given.previous else shown.tree
        end = tree[given.file].size if given.end is None else given.end
        file = await run_in_threadpool(shown.open, given.file, previous=given.previous)
        try:
            left = end - given.first
            headers.append((b"content-length", str(left).encode()))
            await send({"type": "http.response.start", "status": given.status, "headers": headers})
            file.seek(given.first)
            while left and request.method != "HEAD":
                piece = await run_in_threadpool(file.read, min(CHUNK, left))
                if not piece:
                    return  # it became shorter while it was sent
                left -= len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body"})
        finally:
            file.close()


def _headers(scope: Scope) -> dict[str, str]:
    """By lower-case name; what comes twice is joined (RFC 9110, 5.3)."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        words = value.decode("utf-8", "surrogateescape")
        key = name.decode("latin-1")
        found[key] = f"{found[key]}, {words}" if key in found else words
    return found


def _target(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    return (raw + (b"?" + query if query else b"")).decode("utf-8", "surrogateescape")


def _is_page(given: Answer) -> bool:
    """HTML that a browser shows whole."""
    kind = (given.header("content-type") or "").partition(";")[0].strip().lower()
    return kind == "text/html" and given.status not in _WITHOUT_BODY and not 300 <= given.status < 400


def _packed(shown: Shown, given: Answer) -> bool:
    return given.file in shown.packed and not given.previous


def _body(shown: Shown, given: Answer) -> bytes:
    if given.text is not None:
        return given.text.encode()
    if given.file is None:
        return b"" if given.status in _WITHOUT_BODY else _plain(given.status)
    if _packed(shown, given):
        return shown.packed[given.file][given.first : given.end]
    with shown.open(given.file, previous=given.previous) as file:
        return file.read()[given.first : given.end]


def _plain(status: int) -> bytes:
    """What a server says of its own where a site has no page for it."""
    words = f"{status} {HTTPStatus(status).phrase}"
    return f"<!doctype html>\n<title>{words}</title>\n<h1>{words}</h1>\n".encode()


def _shows(given: Answer) -> str:
    location = given.header("location")
    return location if location is not None else given.file or given.listing or ""


def serve(
    watched: Watched, port: int, *, live: bool = True, tell: Callable[[Told], None] = lambda told: None
) -> Served:
    """The site that is watched, on this machine's own address alone. Raises Refused (listen-failed)."""

    def site_of(host: str) -> Site | None:
        shown = watched.current()
        return previewed(shown, host) if shown is not None else None

    def version() -> int:
        watched.current()
        return watched.version

    try:
        return run(app(site_of, live=Live(version) if live else None, tell=tell), f"127.0.0.1:{port}")
    except Refused as refused:
        hint = f"another preview may run there; choose a port: --port {port + 1}, or --port 0 for any that is free"
        raise Refused(*(replace(problem, hint=hint) for problem in refused.problems)) from None


def previewed(shown: Shown, host: str) -> Site | None:
    """The one site of a preview, if a Host header asks for it."""
    name = asked_as(host, shown.domains)
    if name is None:
        return None
    return Site(shown=shown, here=Here(release="preview", previous=shown.previous, brotli=shown.brotli), host=name)


def asked_as(host: str, domains: tuple[str, ...]) -> str | None:
    """The domain that a Host header means: localhost and addresses of it the first one, DOMAIN.localhost that one, which
    browsers look for on this machine (RFC 6761). None for a name that may be anybody's."""
    name = host.lower()
    name = name[: name.find("]") + 1] if name.startswith("[") else name.partition(":")[0]
    first = domains[0].replace("*", "www") if domains else "localhost"
    if name in ("localhost", "127.0.0.1", "[::1]"):
        return first
    return name.removesuffix(".localhost") if name.endswith(".localhost") else None


__all__ = ["Site", "Told", "app", "asked_as", "previewed", "serve"]
