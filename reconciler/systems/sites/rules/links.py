"""What an HTML page or a style sheet refers to, with the line where it does."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
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
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_BARE = re.compile(
    r"</?(?!(?:script|style|title|textarea|xmp|iframe|noembed|noframes|plaintext|base)[ \t>])[a-z][a-z0-9]*+"
    r'(?:[ \t]+(?:class|id|lang|role|tabindex|title|alt|(?:aria|data)-[a-z-]+)="[^"<>\n]*+")*+>',
    re.IGNORECASE,
)
"""Tags without attributes that may hold a link, most of a page's; those whose content is no markup stay. The parser is
written in Python: without them it is three times as fast. Their end stays, with a space before it: it ends what an
unescaped `<` of the text began, and `<!-->` would end a comment."""
MOST_KNOWN = 10_000


class Link(NamedTuple):
    """A reference as it is written. `loads`: the page needs it to look right, so that a page in its place is no answer."""

    url: str
    line: int
    loads: bool


def of_css(text: str, line: int = 1) -> Iterator[Link]:
    blank = _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)
    for found in _URL.finditer(blank):
        url = next((group for group in found.groups() if group), "")
        if url:
            yield Link(url, line + blank.count("\n", 0, found.start()), True)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[Link] = []
        self.base: str | None = None
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        line = self.getpos()[0]
        if tag == "base" and self.base is None and "href" in given:
            self.base = given["href"]
        if tag == "link" and _RELS & set((given.get("rel") or "").lower().split()):
            return
        if tag == "form" and (given.get("method") or "get").lower() != "get":
            return
        for name in ATTRIBUTES.get(tag, ()):
            for url in _urls(name, given.get(name) or ""):
                self.links.append(Link(url, line, tag not in PAGES))
        self.links += of_css(given.get("style") or "", line)
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if self._style:
            self.links += of_css(data, self.getpos()[0])


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
    reader = _Reader()
    reader.feed(_BARE.sub(" >", text))
    reader.close()
    return tuple(link for link in reader.links if link.url), reader.base
