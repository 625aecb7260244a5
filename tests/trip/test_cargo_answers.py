"""What a host says of its store is hostile until it is read; what is packed is made once, and kept while it is used."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from reconciler.core.model import PACKINGS, Freight, Json
from reconciler.trip import cargo, pack, packing, shipped, wire

WANTED = [Freight(blob="ab" * 20, packed=frozenset({"gzip"})), Freight(blob="cd" * 20)]


@pytest.mark.parametrize("lacks", [None, 3, "", "01", "010101", "0102", "0400", "0104", "zz00", ["01", "01"], {"0": 1}])
def test_an_answer_that_speaks_of_something_else_is_none(lacks: Json) -> None:
    with pytest.raises(wire.BadAnswer):
        cargo._lacking({"lacks": lacks}, WANTED)


@pytest.mark.parametrize(
    "begun", [3, [3], [[0, 0]], [[2, 0, 1]], [[-1, 0, 1]], [[0, 3, 1]], [["0", 0, 1]], [[0, 0, "1"]]]
)
def test_what_has_begun_must_be_something_that_was_asked_for(begun: Json) -> None:
    with pytest.raises(wire.BadAnswer):
        cargo._begun({"begun": begun}, WANTED)


def test_a_right_answer_is_read() -> None:
    assert cargo._lacking({"lacks": "0201"}, WANTED) == [(WANTED[0], 2), (WANTED[1], 1)]
    assert cargo._lacking({"lacks": "0000"}, WANTED) == []
    assert cargo._begun({"begun": [[0, 1, 5]]}, WANTED) == {("ab" * 20, 1): 5}
    both = [Freight(blob="ab" * 20, packed=frozenset(PACKINGS))]
    assert cargo._lacking({"lacks": "07"}, both) == [(both[0], 7)]


def test_what_would_take_too_long_gets_no_brotli_form() -> None:
    assert packing.packed(bytes(packing.LARGEST), "brotli")
    larger = bytes(packing.LARGEST + 1)
    assert packing.packed(larger, "gzip") and not packing.packed(larger, "brotli")
    assert f"-le {packing.LARGEST} ]" in shipped._PACK
    assert f"brotli -q {packing.QUALITY} " in shipped._PACK and f"gzip -{packing.LEVEL}nc" in shipped._PACK


def test_a_packed_form_is_made_once_kept_while_it_is_used_and_made_anew_when_it_is_damaged(tmp_path: Path) -> None:
    contents = {"aa" * 20: b"the same\n" * 5000, "bb" * 20: random.Random(1).randbytes(5000), "cc" * 20: b"x" * 5000}
    reads: list[str] = []

    def read(blob: str) -> bytes:
        reads.append(blob)
        return contents[blob]

    def run(number: int, *blobs: str) -> list[tuple[pack.Item, ...]]:
        reads.clear()
        one = pack.Pack(tmp_path / f"pack{number}", tmp_path / "cache", read)
        try:
            return [one.items(blob, 1).result() for blob in blobs]
        finally:
            one.close()

    text, noise, other = contents
    first = run(1, text, noise, other)
    assert [len(items) for items in first] == [1, 0, 1] and sorted(reads) == sorted(contents)
    assert run(2, text, noise) == first[:2] and reads == []

    (tmp_path / "cache" / text).write_bytes((tmp_path / "cache" / text).read_bytes()[:-1])
    unused = time.time() - pack.KEPT - 60
    os.utime(tmp_path / "cache" / other, (unused, unused))
    assert run(3, text) == first[:1] and reads == [text]
    assert sorted(os.listdir(tmp_path / "cache")) == [text, noise], "what was not used for long is gone"
