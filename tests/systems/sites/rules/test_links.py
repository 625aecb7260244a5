"""Which links a page has: what html.parser finds in a page that is well formed; and no page takes long, or fails."""

from __future__ import annotations

import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.systems.sites.rules import links

NAMES = ("p", "DIV", "span", "h2", "a", "img", "link", "form", "script", "style", "base", "SOURCE")
ATTRIBUTES = ("class", "title", "data-x", "HREF", "src", "srcset", "action", "style", "rel")
VALUES = (
    "x",
    "/a",
    "a b",
    "/a 2x, /b",
    "stylesheet",
    "url(/c)",
    "one\ntwo",
    "it's",
    "&amp;",
    "/q?a=1#b",
    "a>b",
    "/*",
    "",
)
VALUES += ("<a href='/y'>",)


class Reader(HTMLParser):
    """Start tags with their attributes, lines, and what a style sheet in the page says."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, int, dict[str, str], str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given: dict[str, str] = {}
        for name, value in attrs:
            given.setdefault(name, value or "")
        self.found.append((tag, self.getpos()[0], {name: value for name, value in given.items() if value}, ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem and self.found:
            tag, line, given, content = self.found[-1]
            self.found[-1] = (tag, line, given, content + data)


@st.composite
def tags(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(NAMES))
    if draw(st.booleans()):
        return f"</{name}>"
    gaps = st.sampled_from((" ", "  ", "\t", "\n", " / "))
    given = draw(st.lists(st.tuples(gaps, st.sampled_from(ATTRIBUTES), st.sampled_from(VALUES)), max_size=3))
    return f"<{name}" + "".join(f'{gap}{attribute}="{value}"' for gap, attribute, value in given) + ">"


TEXTS = st.sampled_from(
    ("text", "\n", "a < b", "url(/d)", "<!-- <a href='/x'> -->", "&lt;", "if (a<b) {}", ">", "<!DOCTYPE html>")
)


@given(st.lists(st.one_of(tags(), TEXTS), max_size=20).map(lambda pieces: "".join(pieces) + "</style></script>"))
def test_links_are_those_of_the_tags_that_another_parser_finds(text: str) -> None:
    reader = Reader()
    reader.feed(text)
    reader.close()
    wanted = [
        link
        for name, line, attributes, content in reader.found
        for link in links._of_tag(links._Tag(name, line, "", content), attributes)
        if link.url
    ]
    found = links.of_html(text)[0]
    assert [(link.url, link.loads) for link in found] == [(link.url, link.loads) for link in wanted]
    in_tags = {link for link in wanted if not link.url.startswith("/c") and link.url != "/d"}
    assert in_tags <= set(found)  # lines of what stands in a style sheet are that sheet's own


def test_content_that_is_no_markup_holds_no_link() -> None:
    text = "<title><a href='/1'></title><textarea><img src='/2'></TEXTAREA ><script>'<a href=/3>'</script><a href=/4>"
    assert [link.url for link in links.of_html(text)[0]] == ["/4"]


def test_what_is_written_loosely_is_read_as_browsers_do() -> None:
    text = "<!--><a href='/1'><!-- <a href=/no> --!><IMG SRC = /2 /><a href=/3 href=/no><![<><a\nhref='/&amp;'></a href=/no>"
    assert [link.url for link in links.of_html(text)[0]] == ["/1", "/2", "/3", "/&"]


def test_lines_are_those_of_the_page() -> None:
    text = "<p>\n<a href='/1'>\n<style>\n/* a\nb */\nb {background: url(/2)}\n</style>\n<a href=/3>"
    assert [(link.url, link.line) for link in links.of_html(text)[0]] == [("/1", 2), ("/2", 6), ("/3", 8)]


HOSTILE = (
    "<!",
    "<!--",
    "<a ",
    "<a x='",
    "</a ",
    "<![",
    "<![a",
    "<?",
    "&",
    "<script>",
    "<script></",
    "<style>/*",
    "<title>",
)
HOSTILE += (
    "<a b='c' ",
    '<p class="',
    "<a b=\"'>",
    "--!",
    "<a =",
    "url(",
    "<p style='url( ",
    "@import ",
    "<textarea></",
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_no_page_takes_long(piece: str) -> None:
    started = time.process_time()
    for end in ("", ">", "'>", '">'):
        links.of_html(piece * 20_000 + end)
        list(links.of_css(piece * 20_000 + end))
    assert time.process_time() - started < 5


def test_a_style_sheet_whose_comments_never_end_takes_no_time() -> None:
    started = time.process_time()
    assert [link.url for link in links.of_css("a {b: url(/1)}" + "/*" * 200_000 + "url(/2)")] == ["/1"]
    assert [link.line for link in links.of_css("url(/x)\n" * 50_000)][-1] == 50_000
    assert time.process_time() - started < 5
