"""Versions are the same when dpkg says so."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.kinds.package.versions import compare, same_version

ALPHABET = "0123456789abzAZ.+~"
UPSTREAM = st.text(ALPHABET, min_size=1, max_size=8).map(lambda text: "1" + text)
VERSIONS = st.builds(
    lambda epoch, upstream, revision: epoch + upstream + revision,
    st.sampled_from(("", "0:", "1:", "01:")),
    UPSTREAM,
    st.one_of(st.just(""), st.text(ALPHABET, min_size=1, max_size=4).map(lambda text: "-" + text)),
)


def dpkg(one: str, relation: str, other: str) -> bool:
    done = subprocess.run(["dpkg", "--compare-versions", one, relation, other], check=False, capture_output=True)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0


@settings(max_examples=120, deadline=None)
@given(VERSIONS, VERSIONS)
@example("1.0", "1.0-0")
@example("0:1.2", "1.2-0")
@example("1.0~rc1", "1.0")
@example("1.09", "1.9")
@example("1.a", "1.+")
@example("1-1", "1-1~")
def test_the_order_is_dpkgs(one: str, other: str) -> None:
    expected = 0 if dpkg(one, "eq", other) else -1 if dpkg(one, "lt", other) else 1
    assert compare(one, other) == expected
    assert same_version(one, other) == (expected == 0)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_it_is_an_order(a: str, b: str, c: str) -> None:
    assert compare(a, b) == -compare(b, a)
    assert compare(a, a) == 0
    if compare(a, b) <= 0 and compare(b, c) <= 0:
        assert compare(a, c) <= 0


@pytest.mark.parametrize(
    ("want", "have", "same"),
    [
        ("1.22.*", "1.22.1-9+deb12u2", True),
        ("1.22*", "1.22", True),
        ("1.22.*", "1.2.22", False),
        ("1:*", "1:9.2p1", True),
        ("[1]*", "1", False),
        ("*", "anything", True),
    ],
)
def test_a_star_at_the_end_stands_for_any_rest(want: str, have: str, same: bool) -> None:
    assert same_version(want, have) is same


@given(st.text(max_size=12), st.text(max_size=12))
def test_a_hostile_version_breaks_nothing(one: str, other: str) -> None:
    compare(one, other)
    same_version(one, other)
