"""The YAML reader: which values it reads, and the places it gives."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.manifests.reader import load


def value(text: str) -> object:
    documents, problems = load(text.encode(), "a.yaml")
    assert problems == []
    return documents[0].value["x"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        # YAML 1.2 core schema: chapter 10.3.2 of the specification.
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"), ("NO", "NO"),
        ("true", True), ("False", False), ("tRue", "tRue"),
        ("null", None), ("~", None), ("", None), ("Null", None), ('""', ""), ("'null'", "null"),
        ("12", 12), ("-3", -3), ("+7", 7), ("0", 0), ("0o17", 15), ("0x1f", 31), ("1_000", "1_000"),
        ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("1.", 1.0), (".", "."), ("1.2.3", "1.2.3"),
        ("12:30", "12:30"), ("2026-11-24", "2026-11-24"), (".inf", ".inf"), (".nan", ".nan"), ("0b11", "0b11"),
        ('"0644"', "0644"), ("1" * 40, "1" * 40), ("1e999", "1e999"),
        ("!!str 12", "12"), ("!!int 12", 12),
    ],
)  # fmt: skip
def test_plain_scalars_are_yaml_1_2(text: str, read: object) -> None:
    found = value(f"x: {text}\n")
    assert found == read
    assert type(found) is type(read)


def test_every_field_has_its_place() -> None:
    text = 'a:\n  - b: 1\n    "c d": [x, "yy"]\n---\n# why\ne: |\n  text\n'
    (first, second), problems = load(text.encode(), "p")
    assert problems == []
    assert (first.line, second.line) == (1, 6)
    place = first.at(["a", 0, "c d", 1])
    assert (place.line, place.column, place.length) == (3, 16, 4)
    key = first.key(["a", 0, "c d"])
    assert (key.line, key.column, key.length) == (3, 5, 5)
    assert first.place(["a", 0, "nope"]).line == 2
    assert (second.block_start(["e"]).line, second.block_start(["e"]).column) == (7, 3)


def test_reading_goes_on_after_an_error_and_counts_lines_from_the_top() -> None:
    documents, problems = load(b'a: 1\n---\nb: "\n---\nc: 1\nc: 2\n---\nd: *x\n---\ne: 5\n', "p")
    assert [doc.value for doc in documents] == [{"a": 1}, {"c": 1}, {"e": 5}]
    assert [(found.code, found.line) for found in problems] == [
        ("yaml-syntax", 3),
        ("duplicate-field", 6),
        ("yaml-syntax", 8),
    ]
    assert documents[-1].at(["e"]).line == 10


def test_windows_lines_are_lines() -> None:
    (doc,), problems = load(b"a: 1\r\nb: |\r\n  x\r\n  y\r\n", "p")
    assert problems == []
    assert doc.value == {"a": 1, "b": "x\ny\n"}
    assert doc.key(["b"]).line == 2


def test_aliases_that_stay_small_are_fine() -> None:
    (doc,), problems = load(b"a: &a [1, 2]\nb: *a\n", "p")
    assert problems == []
    assert doc.value == {"a": [1, 2], "b": [1, 2]}


PIECES = st.sampled_from(["a: ", "- ", "\n", "  ", "\t", "[", "]", "{", "}", "&a ", "*a", "!t ", "|\n", ">", '"', "'", "#", "---\n", "...\n",
                          "? ", ": ", "<<: ", "0644", "~", "\\", "%YAML 1.1\n", "é", "\u2028", "\x85", "\r", "\r\n", "x", ",", "@", "`"])  # fmt: skip


@settings(max_examples=600, deadline=20_000)
@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_text_is_read_or_told(text: str) -> None:
    documents, problems = load(text.encode(), "p")
    lines = text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + 2
    for found in problems:
        assert found.path == "p"
        assert 0 <= found.line <= lines
        assert found.column >= 1
    for doc in documents:
        assert 1 <= doc.at(()).line <= lines


@settings(max_examples=200, deadline=20_000)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_told(data: bytes) -> None:
    load(data, "p")


BAD = {
    "documents that can't be read": b"--- ]\n" * 150_000,
    "fields that stand twice": b"".join(b"k%d: 1\nk%d: 2\n" % (number, number) for number in range(40_000)),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_a_file_that_is_wrong_all_over_takes_no_time(data: bytes) -> None:
    """Whoever may push must not hang the daemon that reads it."""
    started = time.process_time()
    _, problems = load(data, "x.yaml")
    assert problems and time.process_time() - started < 30
