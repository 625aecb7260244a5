"""How values read: ages, moments, fields, diffs, and text that wants to deceive."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model import Json
from reconciler.web.page import words

NOW = datetime(2026, 11, 24, 14, 5, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "age", "clock"),
    [
        ("2026-11-24T14:04:50Z", "12 s", "14:04:50"),
        ("2026-11-24T13:55:11Z", "9 min", "13:55:11"),
        ("2026-11-24T10:51:00Z", "3 h", "10:51:00"),
        ("2026-11-21T14:00:00Z", "3 d", "21 Nov 14:00"),
        ("2024-01-02T03:04:05Z", "1057 d", "2024-01-02 03:04"),
        (None, "never", ""),
        ("yesterday", "never", ""),
        (1e300, "never", ""),
    ],
)
def test_a_moment_reads_as_its_age_and_as_utc(at: Json, age: str, clock: str) -> None:
    assert words.age(at, NOW) == age
    assert words.clock(at, NOW) == clock


def test_a_time_tag_has_both() -> None:
    tag = words.time_tag("2026-11-24T14:04:50Z", NOW, "ago")
    assert tag == '<time datetime="2026-11-24T14:04:50Z">12 s ago <small>14:04:50</small></time>'
    assert "in 10 min" in words.time_tag("2026-11-24T14:15:30Z", NOW)
    assert words.time_tag("<b>", NOW) == '<span class="soft">never</span>'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "(nothing)"),
        ("", '""'),
        ([], "[]"),
        (True, "true"),
        (1042, "1042"),
        (["wheel", "adm"], "wheel, adm"),
        ({"sealed": "5f3a"}, "(secret)"),
        ({"PATH": "/bin"}, '{"PATH": "/bin"}'),
        ([{"sealed": "5f3a"}], "(secret)"),
        ({"a": {"b": {"sealed": "5f3a"}}}, '{"a": {"b": "(secret)"}}'),
    ],
)
def test_values_of_fields(value: Json, text: str) -> None:
    assert words.value(value) == text
    assert "5f3a" not in words.block(value)


@pytest.mark.parametrize("evil", ["\x1b[31mred", "a\x00b", "\u202egnp.exe", "\u2066x", "\x07", "\u200bzero"])
def test_what_hides_is_made_visible(evil: str) -> None:
    shown = words.visible(evil)
    assert shown.isprintable()
    assert "\\" in shown


@given(st.text())
def test_visible_text_never_hides_anything(text: str) -> None:
    hidden = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    assert all(unicodedata.category(char) not in hidden or char in "\n\t" for char in words.visible(text))


def test_a_diff_names_both_sides_counts_and_caps() -> None:
    before = "\n".join(f"line {n}" for n in range(1000))
    after = before.replace("line 3\n", "line three\n")
    found = words.diff(before, after)
    assert found.lines[0] == ("at", "--- on the host")
    assert found.lines[1] == ("at", "+++ in Git")
    assert (found.added, found.taken, found.left) == (1, 1, 0)
    long = words.diff(None, before)
    assert len(long.lines) == words.DIFF_LINES
    assert long.left == 1003 - words.DIFF_LINES
    assert (long.added, long.taken) == (1000, 0)


def test_a_line_that_looks_like_a_header_stays_a_line_of_the_diff() -> None:
    found = words.diff("a\n-- x", "a\n++ y")
    assert (found.added, found.taken) == (1, 1)
    assert ("take", "--- x") in found.lines


@given(st.text(max_size=80))
def test_a_segment_ends_nowhere(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert not set(words.segment(text)) & set("/?#&<>\"' %".replace("%", ""))
