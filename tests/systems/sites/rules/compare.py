"""Whether a server's reply is the answer: status, every header that isn't the connection's, and the bytes."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.systems.sites.rules.answer import Answer
from tests.systems.sites.rules.server import Reply

CONNECTION = frozenset({"server", "date", "connection", "content-length", "transfer-encoding"})


def content(answer: Answer, files: Mapping[str, bytes], previous: Mapping[str, bytes]) -> bytes | None:
    """The bytes that an answer names, or None where it names none."""
    if answer.text is not None:
        return answer.text.encode()
    if answer.file is None:
        return None
    return (previous if answer.previous else files)[answer.file][answer.first : answer.end]


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
