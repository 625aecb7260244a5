"""The search itself: it finds each way of writing, or a clean result means nothing."""

from __future__ import annotations

import base64
import gzip
import json
import marshal
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from .traces import Hunter

MARK = 'Zq7"/Kx%9wV+ümark'
WAYS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "hex": lambda text: text.encode().hex().encode(),
    "url": lambda text: quote(text, safe="").encode(),
    "json": lambda text: json.dumps({"a": text}).encode(),
    "json of json": lambda text: json.dumps(json.dumps(text, ensure_ascii=False)).encode() + text.encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "zlib": lambda text: b"head" + zlib.compress(text.encode()) + b"tail",
    "gzip": lambda text: gzip.compress(text.encode()),
    "marshal": lambda text: marshal.dumps({"a": [text]}),
    "marshal of bytes": lambda text: marshal.dumps((1, text.encode())),
    "zlib of marshal": lambda text: zlib.compress(marshal.dumps(["x" * 50, text])),
    "base64 of zlib": lambda text: (
        b"answer " + base64.b64encode(zlib.compress(b"some text before " + text.encode() * 2))
    ),
    "zlib of base64 of zlib": lambda text: zlib.compress(
        base64.b64encode(zlib.compress(b"before before " + text.encode() * 2))
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_finds(way: str) -> None:
    assert Hunter([MARK]).hits(WAYS[way](MARK))
    assert not Hunter([MARK]).hits(WAYS[way]("Something else entirely, as long as that"))


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "abcd"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_finds_base64_at_any_offset(before: str, encode: Callable[[bytes], bytes]) -> None:
    assert Hunter([MARK]).hits(encode((before + MARK + "after").encode()))


def test_looks_through_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").write_bytes(zlib.compress(MARK.encode()))
    (tmp_path / "clean").write_text("nothing")
    assert [hit.partition(": ")[0] for hit in Hunter([MARK]).files(tmp_path)] == [str(tmp_path / "a/b/c")]
