"""What an HTML page or a style sheet refers to, with the line where it does.

Pages are read by the HTML standard's tokenizer (html.spec.whatwg.org, 13.2.5), as far as links go, in one walk forwards: whoever
may write a page must not hold up who reads it. Python's html.parser looks through the rest of a page again for each tag
that never ends (an hour for 100 KB), and raises for some declarations, before 3.11.14, 3.12.12, 3.13.6.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from html import unescape
from typing import NamedTuple

PAGES = frozenset({"a", "area", "form"})
"""Elements that lead to a page; the others load something."""
ATTRIBUTES = {
    "a": ("href",),
    "area": ("href",),
    "form": ("action",),
    "link": ("href",),
    "script": ("src",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "track": ("src",),
    "iframe": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "input": ("src",),
    "image": ("href", "xlink:href"),
    "use": ("href", "xlink:href"),
}
"""Of the HTML standard's list of attributes (html.spec.whatwg.org), those that hold a URL which a visitor needs."""
_RELS = frozenset(
    {"preconnect", "dns-prefetch", "canonical", "alternate", "shortlink", "me", "author", "webmention", "pingback"}
)
"""Links that load nothing, or lead elsewhere on purpose."""
_URL = re.compile(
    r"""url\(\s*(?:"([^"]*)"|'([^']*)'|([^"'()\s]+))\s*\)|@import\s+(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE
)
_CSS_COMMENT = re.compile(r"/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z)")
_OPEN = re.compile(r"<(?:(/?)([A-Za-z][^\t\n\f\r />]*+)|(!--)|[!?/])")
_ATTRIBUTES = re.compile(
    r"[\t\n\f\r /]*+([^\t\n\f\r />][^\t\n\f\r />=]*+)"
    r"""(?:[\t\n\f\r ]*+=[\t\n\f\r ]*+(?:"([^"]*+)"|'([^']*+)'|([^\t\n\f\r "'>][^\t\n\f\r >]*+)|(?=>)))?"""
)
_TAG_END = re.compile(
    r"(?:[\t\n\f\r /]*+[^\t\n\f\r />][^\t\n\f\r />=]*+"
    r"""(?:[\t\n\f\r ]*+=[\t\n\f\r ]*+(?:"[^"]*+"|'[^']*+'|[^\t\n\f\r "'>][^\t\n\f\r >]*+|(?=>)))?+)*+[\t\n\f\r /]*+>"""
)
"""From behind a tag's name; nothing in it is tried a second time. (Without groups: Python 3.11 fails at those in what is
repeated so.)"""
_COMMENT_END = re.compile(r"(?<=!--)-?>|--!?>")
_RAW = frozenset({"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "plaintext"})
"""Elements whose content is no markup."""
_HOLDING = frozenset({*ATTRIBUTES, *_RAW, "base"})
_RAW_END = {name: re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE | re.ASCII) for name in _RAW - {"plaintext"}}
MOST_KNOWN = 10_000


class Link(NamedTuple):
    """A reference as it is written. `loads`: the page needs it to look right, so that a page in its place is no answer."""

    url: str
    line: int
    loads: bool


def of_css(text: str, line: int = 1) -> Iterator[Link]:
    blank = _CSS_COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)
    counted = 0
    for found in _URL.finditer(blank):
        url = next((group for group in found.groups() if group), "")
        if url:
            line += blank.count("\n", counted, found.start())
            counted = found.start()
            yield Link(url, line, True)


class _Tag(NamedTuple):
    name: str
    line: int
    attributes: str
    """As they are written, up to the tag's end."""
    content: str
    """What stands in it, where that is no markup."""

    def given(self) -> dict[str, str]:
        """Its attributes with a value; of two of one name the first counts."""
        found: dict[str, str] = {}
        for name, *values in _ATTRIBUTES.findall(self.attributes):
            found.setdefault(name.lower(), unescape("".join(values)))
        return {name: value for name, value in found.items() if value}


def _tags(text: str) -> Iterator[_Tag]:
    """The start tags that may hold links. What never ends (a tag, a comment) takes all that follows with it."""
    at = counted = 0
    line = 1
    search, ends_at = _OPEN.search, _TAG_END.match
    while found := search(text, at):
        slash, name, comment = found.groups()
        if name is None:
            ends = _COMMENT_END.search(text, found.end()) if comment else None
            at = ends.end() if ends else text.find(">", found.end()) + 1 if not comment else 0
            if not at:
                return
            continue
        tag = ends_at(text, found.end())
        if tag is None:
            return
        at, name = tag.end(), name.lower()
        if slash or not (name in _HOLDING or "style" in tag[0].lower()):
            continue
        line += text.count("\n", counted, found.start())
        counted, content = found.start(), ""
        if name in _RAW and not tag[0].endswith("/>"):
            end = _RAW_END[name].search(text, at) if name in _RAW_END else None
            content = text[at : end.start() if end else len(text)]
            at = end.start() if end else len(text)
        yield _Tag(name, line, tag[0], content)


def _of_tag(tag: _Tag, given: dict[str, str]) -> Iterator[Link]:
    if tag.name == "link" and _RELS & set(given.get("rel", "").lower().split()):
        return
    if tag.name == "form" and given.get("method", "get").lower() != "get":
        return
    for name in ATTRIBUTES.get(tag.name, ()):
        for url in _urls(name, given.get(name, "")):
            yield Link(url, tag.line, tag.name not in PAGES)
    yield from of_css(given.get("style", ""), tag.line)
    if tag.name == "style":
        yield from of_css(tag.content, tag.line + tag.attributes.count("\n"))


_known: OrderedDict[tuple[str, bool], tuple[tuple[Link, ...], str | None]] = OrderedDict()
"""By the content's id, the latest used last: the next release of a site has nearly all of its pages again."""


def of_file(path: str, blob: str, read: Callable[[], bytes]) -> tuple[tuple[Link, ...], str | None]:
    """The links of a page or a style sheet with this content, and what its <base> says; read when it isn't known."""
    key = (blob, path.endswith(".css"))
    found = _known.pop(key, None)
    if found is None:
        text = read().decode("utf-8", "replace")
        found = (tuple(of_css(text)), None) if path.endswith(".css") else of_html(text)
    _known[key] = found
    while len(_known) > MOST_KNOWN:
        _known.popitem(last=False)
    return found


def _urls(name: str, value: str) -> Iterator[str]:
    if name != "srcset":
        yield value.strip()
        return
    for candidate in re.split(r",\s+|,$", value):
        if candidate.split():
            yield candidate.split()[0]


def of_html(text: str) -> tuple[tuple[Link, ...], str | None]:
    """The links of a page, and what its <base> says. Text that is no HTML has none: a parser of HTML refuses nothing."""
    found: list[Link] = []
    base: str | None = None
    for tag in _tags(text):
        given = tag.given()
        if tag.name == "base" and base is None:
            base = given.get("href")
        found += (link for link in _of_tag(tag, given) if link.url)
    return tuple(found), base
