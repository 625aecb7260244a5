"""No pattern of a site takes long to say that it doesn't match: who may write one must not hold up who reads it."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.systems.sites.rules.pattern import BadPattern, compile_pattern
from reconciler.systems.sites.rules.site import cache_regex

MANY = (
    "/:a:b:c:d:e:f:g:h:i!",
    "/:a-:b-:c!",
    "/x/:a.:b.:c",
    "/*:a:b!",
    "/:a:b/*",
    "/y/*-:a-:b!",
    "https://:a:b.example/x",
)


@pytest.mark.parametrize("written", MANY)
def test_a_crowd_of_placeholders_is_refused(written: str) -> None:
    with pytest.raises(BadPattern, match="at most"):
        compile_pattern(written, "cloudflare", splat_anywhere=True)


TAKEN = ("/:a-:b", "/:a:b!", "/:a.html", "/x*/y!", "/old*/:x/z", "/:a/:b/:c/:d!", "/:a-:b/:c-:d/:e-:f!")
TAKEN += ("https://:version.:project.pages.dev/:a/*",)


@pytest.mark.parametrize("written", TAKEN)
def test_those_that_are_taken_take_no_time(written: str) -> None:
    pattern = compile_pattern(written, "cloudflare", splat_anywhere=True)
    started = time.process_time()
    for path in (
        "/" + "-" * 1000,
        "/" + "x" * 1000,
        "/" + "-/" * 500,
        "/x" + "/" * 1000,
        "/old" + "/" * 500 + "x" * 500,
    ):
        pattern.match(path)
        pattern.match_with_host("-" * 63 + ".example", path)
    assert time.process_time() - started < 5


@given(st.text("ab*.", max_size=8), st.text("ab.", max_size=12))
def test_a_pattern_of_files_matches_what_it_says(pattern: str, path: str) -> None:
    plain = "^" + ".*".join(map(re.escape, ("/" + pattern).split("*"))) + "$"
    assert bool(re.search(cache_regex("/" + pattern), "/" + path)) == bool(re.search(plain, "/" + path))


def test_a_pattern_of_files_takes_no_time() -> None:
    started = time.process_time()
    assert not re.search(cache_regex("/" + "*a" * 300 + "!"), "/" + "a" * 1000, re.DOTALL)
    assert time.process_time() - started < 5
