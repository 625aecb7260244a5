"""A law: what is left out of a page before it is parsed changes neither its links nor their lines."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.systems.sites.rules import links

NOTHING = re.compile(r"(?!)")
NAMES = ("p", "DIV", "span", "h2", "a", "img", "link", "form", "script", "style", "title", "iframe", "base", "textarea")
ATTRIBUTES = (
    "class",
    "id",
    "lang",
    "title",
    "alt",
    "aria-label",
    "data-x",
    "href",
    "src",
    "srcset",
    "action",
    "style",
    "rel",
)
VALUES = ("x", "/a", "a b", "/a 2x, /b", "stylesheet", "url(/c)", "one\ntwo", "it's", "&amp;", "/q?a=1#b")


@st.composite
def tags(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(NAMES))
    if draw(st.booleans()):
        return f"</{name}>"
    gaps = st.sampled_from((" ", "  ", "\t", "\n"))
    given = draw(st.lists(st.tuples(gaps, st.sampled_from(ATTRIBUTES), st.sampled_from(VALUES)), max_size=3))
    return f"<{name}" + "".join(f'{gap}{attribute}="{value}"' for gap, attribute, value in given) + ">"


TEXTS = st.sampled_from(("text", "\n", "a < b", "url(/d)", "<!-- <a href='/x'> -->", "&lt;", "if (a<b) {}", "<p", ">"))


@given(st.lists(st.one_of(tags(), TEXTS), max_size=20).map("".join))
def test_what_is_left_out_holds_no_link(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(links, "_BARE", NOTHING)
        whole = links.of_html(text)
    assert links.of_html(text) == whole


def test_tags_of_highlighted_code_are_left_out() -> None:
    text = '<span class="k">def</span> <b id="x" data-line="3" title="a &quot; b">f</b><a class="x" href="/y">y</a>'
    assert links._BARE.sub("", text) == 'def f<a class="x" href="/y">y'
