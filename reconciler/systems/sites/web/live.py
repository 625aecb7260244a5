"""Reloads an open page of a previewed site when a file changed: a script that listens, put into HTML alone.

The script comes from an address of its own and not as text in the page, so that a policy with `'self'` lets it in; where a
site's policy doesn't, the page is sent as it is. It bears the version that its page was made of, so that no change is missed while
the page loads; a page is therefore always sent anew, and never answered with 304. Browsers give a host six connections over HTTP/1.1, so that the stream is
open only while its tab is seen.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from starlette.responses import PlainTextResponse, Response, StreamingResponse

SCRIPT_URL = "/.well-known/trueup/live.js"
STREAM_URL = "/.well-known/trueup/live"
SCRIPT = f"""\
// Put in by `trueup site preview`; --no-live leaves it out. Hosts never send it.
const mine = new URL(document.currentScript.src).search.slice(1);
let stream = null;
const listen = () => {{
  if (document.hidden) {{ stream?.close(); stream = null; return; }}
  stream ??= new EventSource("{STREAM_URL}");
  stream.onmessage = (told) => {{ if (told.data !== mine) location.reload(); }};
}};
document.addEventListener("visibilitychange", listen);
addEventListener("pagehide", () => {{ stream?.close(); stream = null; }});
addEventListener("pageshow", listen);
"""
EVERY = 0.2
"""Seconds between two looks for a change."""
PING = 15.0
"""Seconds of silence after which a comment is sent, so that a reader who went away is noticed."""
MOST = 64
"""Streams at once."""
_END = re.compile(rb"</body\s*>", re.IGNORECASE)


@dataclass
class Live:
    """`looks` counts the looks at the site; it is asked in a thread of its own."""

    looks: Callable[[], int]
    _process: str = field(default_factory=lambda: secrets.token_hex(4))
    """Tells the versions of this preview from those of the one before."""
    _open: int = 0
    _ended: bool = False

    def end(self) -> None:
        """End all streams, from any thread."""
        self._ended = True

    def version(self) -> str:
        return f"{self._process}-{self.looks()}"

    def answer(self, path: str) -> Response | None:
        """What is asked by the script, or for it."""
        if path == SCRIPT_URL:
            return Response(SCRIPT, media_type="text/javascript", headers={"cache-control": "no-store"})
        if path != STREAM_URL:
            return None
        if self._open >= MOST:
            return PlainTextResponse("Too many open pages of this preview: close some.\n", status_code=503)
        return StreamingResponse(self._stream(), media_type="text/event-stream", headers={"cache-control": "no-store"})

    async def _stream(self) -> AsyncIterator[str]:
        self._open += 1
        try:
            told, quiet = "", 0.0
            while not self._ended:
                version = await asyncio.to_thread(self.version)
                if version != told:
                    told, quiet = version, 0.0
                    yield f"retry: 1000\ndata: {version}\n\n"
                elif quiet >= PING:
                    quiet = 0.0
                    yield ": still here\n\n"
                await asyncio.sleep(EVERY)
                quiet += EVERY
        finally:
            self._open -= 1


def with_script(page: bytes, version: str) -> bytes:
    """The page with the script as the last thing of its body."""
    tag = f'<script src="{SCRIPT_URL}?{version}"></script>\n'.encode()
    ends = [found.start() for found in _END.finditer(page)]
    at = ends[-1] if ends else len(page)
    return page[:at] + tag + page[at:]


def lets_in(policy: str | None) -> bool:
    """Whether a Content-Security-Policy lets a script of the site's own address in, and lets it listen there."""
    if policy is None:
        return True
    for one in policy.split(","):
        said = {words[0].lower(): words[1:] for part in one.split(";") if (words := part.split())}
        for names in (("script-src-elem", "script-src", "default-src"), ("connect-src", "default-src")):
            sources = next((said[name] for name in names if name in said), None)
            if sources is not None and not {"'self'", "*"} & {source.lower() for source in sources}:
                return False
    return True
