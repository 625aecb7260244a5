"""A request's target, read as nginx reads it: decoded, dots resolved, slashes merged; and how nginx writes it back.

Ported by behaviour from ngx_http_parse_complex_uri, ngx_escape_uri and ngx_unescape_uri (nginx 1.22), since whoever
decides on another spelling of a path than the server that opens the file can be led past every rule.
Texts are what the bytes are in UTF-8; bytes that aren't UTF-8 are kept as surrogates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEX = frozenset(b"0123456789abcdefABCDEF")
_ESCAPED = frozenset(b' "#%&+;?') | frozenset(range(0x20)) | frozenset(range(0x7F, 0x100))
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]+)(?=/|$)")


class BadTarget(Exception):
    """The target is no path of a site: nginx answers 400."""


@dataclass(frozen=True, slots=True)
class Target:
    """A request's target: `path` is decoded and always starts with a slash, `query` is raw."""

    path: str
    query: str
    quoted: bool
    """Whether the target had a `%` or a `+`: only then nginx escapes what it repeats in a Location."""


def text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def raw(words: str) -> bytes:
    return words.encode("utf-8", "surrogateescape")


def parse(target: str) -> Target:
    """Read an origin-form target (`/path?query`).

    Raises BadTarget: no leading slash, a broken escape, a NUL, or a way above the root.
    """
    whole = raw(target).split(b"#", 1)[0]
    path, _, query = whole.partition(b"?")
    if not path.startswith(b"/"):
        raise BadTarget("A target starts with a slash.")
    return Target(text(_normal(path)), text(query), b"%" in path or b"+" in path)


def absolute(target: str) -> tuple[str, str] | None:
    """Host and origin form of an absolute one (`http://example.com/path`, RFC 9112, 3.2.2), as it is sent to proxies; None
    for any other. Its host counts, not the one of the Host header."""
    found = _ABSOLUTE.match(target)
    return (found[1], target[found.end() :] or "/") if found else None


def _normal(path: bytes) -> bytes:
    kept: list[bytes] = []
    pieces = _decoded(path).split(b"/")[1:]
    for last, piece in ((at == len(pieces) - 1, piece) for at, piece in enumerate(pieces)):
        if piece == b"..":
            if not kept:
                raise BadTarget("The target leads above the root.")
            kept.pop()
        elif piece not in (b"", b"."):
            kept.append(piece)
        if last and piece in (b"", b".", b".."):
            kept.append(b"")
    return b"/" + b"/".join(kept)


def _decoded(path: bytes) -> bytes:
    out = bytearray()
    at = 0
    while at < len(path):
        if path[at] == 0x25:
            pair = path[at + 1 : at + 3]
            if len(pair) != 2 or not set(pair) <= _HEX:
                raise BadTarget("A % has two hexadecimal digits behind it.")
            out.append(int(pair, 16))
            if not out[-1]:
                raise BadTarget("A path holds no NUL.")
            at += 3
        else:
            out.append(path[at])
            at += 1
    return bytes(out)


def decode(path: str) -> str:
    """What the escapes of a path in a file of rules mean. Raises BadTarget where one is broken."""
    return text(_decoded(raw(path)))


def escape(words: str) -> str:
    """As nginx escapes a capture that it repeats in a Location (NGX_ESCAPE_ARGS); before 1.21.1 it left a quote as it is."""
    return "".join(f"%{byte:02X}" if byte in _ESCAPED else chr(byte) for byte in raw(words))


def unescape_redirect(words: str) -> str:
    """What `rewrite ... permanent` does to the whole Location before its first `?` (NGX_UNESCAPE_REDIRECT)."""
    source = raw(words)
    out = bytearray()
    at = 0
    while at < len(source):
        byte = source[at]
        if byte == 0x3F:
            return text(bytes(out) + source[at:])
        if byte != 0x25:
            out.append(byte)
            at += 1
            continue
        pair = source[at + 1 : at + 3]
        if len(pair) == 2 and set(pair) <= _HEX:
            meant = int(pair, 16)
            if meant == 0x3F:
                return text(bytes(out) + b"?" + source[at + 3 :])
            out += bytes([meant]) if 0x25 < meant < 0x7F else source[at : at + 3]
            at += 3
        else:  # a broken escape loses its % and, where the first digit was one, that too
            at += 1 if not pair or pair[0] not in _HEX else 3
            out += pair[:1] if pair and pair[0] not in _HEX else b""
            at += 1 if pair and pair[0] not in _HEX else 0
    return text(bytes(out))
