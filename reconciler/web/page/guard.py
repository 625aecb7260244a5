"""What every request passes first: the page only reads, answers only to its own name, and tells browsers to be strict."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..access import Access

READS = ("GET", "HEAD")

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Content-Security-Policy, CSP Level 3. No inline script or style, nothing from elsewhere, in no frame."""

STRICT = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

YEAR = "max-age=31536000"
"""Strict-Transport-Security (RFC 6797): who came by TLS once doesn't come without for a year."""
OPEN = frozenset({"/healthz"})
"""Says that the process lives, and nothing else: what restarts it has no token."""


class Guard:
    """Pure ASGI, so that it holds for whatever is inside, unknown paths and errors included."""

    def __init__(self, inner: ASGIApp, names: Iterable[str] = (), access: Access | None = None) -> None:
        self.inner = inner
        self.access = access or Access()
        self.names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.inner(scope, receive, send)
            return  # no websocket is ever accepted

        async def strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in STRICT.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
                if scope.get("scheme") == "https":
                    headers["strict-transport-security"] = YEAR
            await send(message)

        refusal = self.refusal(scope)
        answer: ASGIApp = refusal if refusal is not None else self.inner
        await answer(scope, receive, strict)

    def refusal(self, scope: Scope) -> Response | None:
        if scope["method"] not in READS:
            # RFC 9110, 15.5.6: a 405 names what is allowed.
            return PlainTextResponse(
                "This page only reads: GET and HEAD. Changes go through Git.\n",
                status_code=405,
                headers={"allow": ", ".join(READS)},
            )
        host = Headers(scope=scope).get("host", "")
        if not self.known(host):
            # DNS rebinding: a foreign site whose name was pointed at this machine still sends its own name.
            return PlainTextResponse(
                "This address is not one of this page. If it should be, add it to pageNames in /etc/trueup/server.yaml.\n",
                status_code=421,
            )
        if scope["path"] in OPEN:
            return None
        client = scope["client"][0] if scope.get("client") else ""
        denied = self.access.denied(client, scope["headers"], scope.get("query_string", b"").decode("latin-1"))
        if denied is not None:
            return PlainTextResponse(denied.says + "\n", status_code=denied.status, headers=denied.headers)
        return None

    def known(self, host: str) -> bool:
        """A numeric address can't be rebound, so any is fine; a name must be localhost or one that was set."""
        name = host.lower()
        if name.startswith("["):
            name, closed, _ = name[1:].partition("]")
            if not closed:
                return False
        else:
            name = name.partition(":")[0]
        name = name.rstrip(".")
        if name == "localhost" or name in self.names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
