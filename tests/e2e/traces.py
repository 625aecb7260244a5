"""Finds a secret in what a process left behind, however it was written down.

`Hunter.hits(data)` names every way in which one of the marks stands in some bytes: in plain, as base64 (at any offset),
hex, URL-, JSON- and shell-escaped, reversed never; and within what is compressed (zlib, gzip) or marshalled in them.
"""

from __future__ import annotations

import base64
import binascii
import json
import marshal
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

DEEP = 3
"""Layers that are unpacked: a compressed text within base64 within a compressed one."""
MOST = 1 << 26


def forms(mark: bytes) -> dict[str, bytes]:
    """Way of writing → the bytes to look for."""
    text = mark.decode()
    found = {
        "plain": mark,
        "hex": mark.hex().encode(),
        "HEX": mark.hex().upper().encode(),
        "url": quote(text, safe="").encode(),
        "url+": quote_plus(text).encode(),
        "json": json.dumps(text)[1:-1].encode(),
        "unicode": "".join(f"\\u{ord(char):04x}" for char in text).encode(),
        "utf-16": text.encode("utf-16-le"),
        "backslash": text.encode("unicode_escape"),
        "reversed": mark[::-1],
    }
    for shift in range(3):
        # What surrounds the mark decides three offsets, and the characters at both ends.
        whole = base64.b64encode(b"\0" * shift + mark)
        inner = whole[4 if shift else 0 : len(whole) - 4]
        found[f"base64/{shift}"] = inner
        found[f"base64url/{shift}"] = inner.replace(b"+", b"-").replace(b"/", b"_")
    return found


class Hunter:
    """Looks for marks: unlikely texts that stand within secrets."""

    def __init__(self, marks: Iterable[str]) -> None:
        self.marks = tuple(marks)
        self._forms = [(mark, way, form) for mark in self.marks for way, form in forms(mark.encode()).items()]
        self._any = re.compile(b"|".join(re.escape(form) for form in sorted({form for _, _, form in self._forms})))

    def hits(self, data: bytes) -> list[str]:
        """`mark as way`, sorted; empty when there is no trace."""
        return sorted(set(self._hits(data, 0, "")))

    def _hits(self, data: bytes, depth: int, within: str) -> Iterator[str]:
        if self._any.search(data):
            yield from (f"{mark} as {within}{way}" for mark, way, form in self._forms if form in data)
        if depth < DEEP:
            for how, inner in unpacked(data):
                yield from self._hits(inner, depth + 1, f"{within}{how} of ")

    def files(self, folder: Path) -> Iterator[str]:
        """`path: mark as way` of every file below a folder."""
        for top, _, names in os.walk(folder):
            for name in names:
                path = Path(top, name)
                if path.is_file() and not path.is_symlink():
                    for hit in self.hits(path.read_bytes()):
                        yield f"{path}: {hit}"


_ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{40,}={0,2}")


def _claims(data: bytes) -> int:
    """How many values a marshalled tuple, list or set says that it holds, by its letter and four bytes (Python/marshal.c).
    Text like `[{"a` says half a milliard, and marshal makes room for them before it reads on."""
    return int.from_bytes(data[1:5], "little") if data and data[0] & 0x7F in b"([<>" else 0


def unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    """What lies packed within some bytes: compressed at any place, long base64, a marshalled value."""
    for start in _ZLIB.finditer(data):
        unpack = zlib.decompressobj(47)
        try:
            inner = unpack.decompress(data[start.start() :], MOST)
        except zlib.error:
            continue
        if len(inner) >= 8:
            yield "zlib", inner
    for run in _BASE64.findall(data):
        try:
            inner = base64.b64decode(
                run.replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=") + b"=" * (-len(run.rstrip(b"=")) % 4)
            )
        except binascii.Error:
            continue
        if _ZLIB.match(inner):  # plain text in base64 is found without unpacking
            yield "base64", inner
    if _claims(data) > len(data):  # each takes a byte at least
        return
    try:
        value = marshal.loads(data)
    except (ValueError, EOFError, TypeError):
        return
    if isinstance(value, (str, bytes, list, tuple, dict)):
        yield "marshal", repr(value).encode()
