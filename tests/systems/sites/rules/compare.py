"""Whether a server's reply is the answer: status, every header that isn't the connection's, and the bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.systems.sites.rules import conditional
from reconciler.systems.sites.rules.answer import Answer
from reconciler.systems.sites.rules.site import Entry, Tree
from tests.systems.sites.rules.server import Reply, version

CUTS_GZIP = version() >= (1, 23, 4)
"""Since then gzip_static answers ranges of gzip's form too (nginx's CHANGES), and no directive keeps it from that alone:
`max_ranges` takes no variable, and `0` would also end those of the plain form. docs/sites.md says it."""
CONNECTION = frozenset({"server", "date", "connection", "content-length", "transfer-encoding"})


def content(answer: Answer, files: Mapping[str, bytes], previous: Mapping[str, bytes]) -> bytes | None:
    """The bytes that an answer names, or None where it names none."""
    if answer.text is not None:
        return answer.text.encode()
    if answer.file is None:
        return None
    return (previous if answer.previous else files)[answer.file][answer.first : answer.end]


def by_nginx(answer: Answer, sent: Mapping[str, str], tree: Tree, previous: Tree, cuts: bool = CUTS_GZIP) -> Answer:
    """What the nginx of this machine makes of an answer; another one where it cuts what answer() sends whole.

    `sent`: the request's headers, by names in lower case.
    """
    if not cuts or answer.file is None or (answer.status, answer.header("Content-Encoding")) != (200, "gzip"):
        return answer
    entry: Entry = (previous if answer.previous else tree)[answer.file]
    asked = conditional.ranges(sent["range"], entry.size) if conditional.wants_range(sent, entry) else None
    if asked is None:
        return replace(answer, headers=(*answer.headers, ("Accept-Ranges", "bytes")))
    if isinstance(asked, int):
        of_file = ("content-type", "etag")  # Content-Encoding stays, though nginx's own page is plain: its fault
        kept = [(name, value) for name, value in answer.headers if name.lower() not in of_file]
        sized = ("Content-Range", f"bytes */{entry.size}")
        return Answer(status=asked, headers=(("Content-Type", "text/html"), sized, *kept))
    first, end = asked
    part = ("Content-Range", f"bytes {first}-{end - 1}/{entry.size}")
    return replace(answer, status=206, first=first, end=end, headers=(*answer.headers, part))


def differences(answer: Answer, reply: Reply, method: str, body: bytes | None, who: str = "nginx") -> list[str]:
    out = []
    if reply.status != answer.status:
        out.append(f"status: {who} says {reply.status}, answer() {answer.status}")
    names = {name.lower() for name, _ in (*reply.headers, *answer.headers)} - CONNECTION
    for name in sorted(names):
        real, meant = reply.header(name), answer.header(name)
        if name == "vary":
            real, meant = (", ".join(sorted((v or "").split(", "))) for v in (real, meant))
        if real != meant:
            out.append(f"{name}: {who} says {real!r}, answer() {meant!r}")
    if body is not None and method != "HEAD" and answer.status != 304 and reply.body != body:
        out.append(f"body: {who} says {reply.body[:80]!r}, answer() {body[:80]!r}")
    if (method == "HEAD" or answer.status in (204, 304)) and reply.body:
        out.append("body: there is one")
    return out
