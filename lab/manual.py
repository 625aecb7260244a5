"""Makes the pages of example-repo's site, trueup's own manual, from docs/: `python -m lab.manual`, or `--check`, which
writes nothing and fails when a page is not as its document says. The stylesheet and the rules are written by hand, beside them."""

from __future__ import annotations

import argparse
import html
import posixpath
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from .fleet import PROJECT

SITE = PROJECT / "example-repo/web/manual"
MENU = (
    ("Tour", "/tour"),
    ("Tutorial", "/tutorial"),
    ("How it works", "/how-it-works"),
    ("Kinds", "/kinds"),
    ("Sites", "/sites"),
    ("Problem codes", "/problems"),
)
FRONT = ("", "Try it", "What a manifest looks like")
"""The parts of README.md that are the front page; the first has no heading but the document's own."""
LOST = """\
# Nothing is here

No page of the manual has this address. It may have moved: [the front page](README.md) leads to all of them, and every
kind and every [problem code](docs/reference/problems.md) has its place.
"""


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page of the site: its address, and the document that it is made of."""

    url: str
    source: str
    text: str

    @property
    def file(self) -> str:
        """Its file in the site's folder."""
        return ("index" if self.url == "/" else self.url.lstrip("/")) + ".html"


def main(argv: list[str] | None = None) -> int:
    """Write the pages, or check them; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lab.manual", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is not fresh")
    check = parser.parse_args(argv).check
    made = made_of(PROJECT)
    stale = [name for name, content in made.items() if _now(SITE / name) != content]
    over = sorted(
        str(path.relative_to(SITE))
        for glob in ("**/*.html", "images/*")
        for path in SITE.glob(glob)
        if str(path.relative_to(SITE)) not in made
    )
    if check:
        for name in [*stale, *over]:
            print(f"{(SITE / name).relative_to(PROJECT)}: not as `make gen` writes it", file=sys.stderr)
        if stale or over:
            print("  next: make gen bless, and commit what they wrote", file=sys.stderr)
        return int(bool(stale or over))
    for name in stale:
        (SITE / name).parent.mkdir(parents=True, exist_ok=True)
        (SITE / name).write_bytes(made[name])
    for name in over:
        (SITE / name).unlink()
    print(f"manual: {len(made)} files, {len(stale)} written, {len(over)} removed")
    return 0


def _now(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def made_of(root: Path) -> dict[str, bytes]:
    """Name in the site's folder → content, of all that is made from the documents below `root`."""
    pages = list(_pages(root))
    urls = {page.source: page.url for page in pages if page.url != "/404"}
    template = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    ).get_template("manual.html.j2")
    made: dict[str, bytes] = {}
    for page in pages:
        document = _Document(page, urls)
        text = template.render(
            title=document.title, about=document.about, url=page.url, menu=MENU, parts=document.parts,
            body=Markup(document.body), source=page.source,
        )  # fmt: skip
        made[page.file] = text.encode()
        for image in document.images:
            made[f"images/{posixpath.basename(image)}"] = (root / image).read_bytes()
    return made


def _pages(root: Path) -> Iterator[Page]:
    yield Page(url="/", source="README.md", text=_front((root / "README.md").read_text("utf-8")))
    for name in (
        "tour",
        "tutorial",
        "how-it-works",
        "sites",
        "reference/kinds",
        "reference/fields",
        "reference/problems",
    ):
        source = f"docs/{name}.md"
        yield Page(url=f"/{posixpath.basename(name)}", source=source, text=(root / source).read_text("utf-8"))
    for path in sorted((root / "docs/reference/kinds").glob("*.md")):
        yield Page(url=f"/kinds/{path.stem}", source=str(path.relative_to(root)), text=path.read_text("utf-8"))
    yield Page(url="/404", source="lab/manual.py", text=LOST)


def _front(readme: str) -> str:
    parts = re.split(r"^## (.*)\n", readme, flags=re.M)
    named = {"": parts[0], **{name: f"## {name}\n{text}" for name, text in zip(parts[1::2], parts[2::2], strict=True)}}
    return "".join(named[name] for name in FRONT)


class _Document:
    """A document as HTML. Links to documents of the site lead to their pages; of others the words stay."""

    def __init__(self, page: Page, urls: dict[str, str]) -> None:
        self.page, self.urls = page, urls
        self.images: list[str] = []
        self.parts: list[tuple[str, str]] = []
        self.title = self.about = ""
        self._ids: set[str] = set()
        reader = MarkdownIt("commonmark").enable("table")
        tokens = [token for token in reader.parse(page.text) if token.type != "html_block"]  # comments of ours
        self._walk(tokens)
        del tokens[:3]  # the heading of all, which the template has
        self.body = str(reader.renderer.render(tokens, reader.options, {}))

    def _walk(self, tokens: list[Token]) -> None:
        for token, after in zip(tokens, [*tokens[1:], None], strict=True):
            if token.type == "heading_open" and after is not None:
                self._heading(token, _words(after))
            elif token.type == "paragraph_open" and after is not None and not self.about:
                self.about = re.sub(r"\s+", " ", _words(after))[:200]
            elif token.type == "inline":
                self._inline(token.children or [])
            elif token.type == "table_open":
                # A table that is wider than the screen scrolls, by keys too.
                token.attrSet("tabindex", "0")
            elif token.type in ("fence", "code_block"):
                language = (token.info or "").split()[:1]
                shown = f' class="language-{html.escape(language[0])}"' if language else ""
                token.type, token.content = (
                    "html_block",
                    f'<pre tabindex="0"><code{shown}>{html.escape(token.content, quote=False)}</code></pre>\n',
                )

    def _heading(self, token: Token, words: str) -> None:
        if token.tag == "h1":
            self.title = words
            return
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        name, number = slug, 0
        while name in self._ids:
            number += 1
            name = f"{slug}-{number}"
        self._ids.add(name)
        token.attrSet("id", name)
        if token.tag == "h2":
            self.parts.append((name, words))

    def _inline(self, children: list[Token]) -> None:
        open_links: list[bool] = []
        for child in children:
            if child.type == "link_open":
                to = self._address(str(child.attrGet("href")))
                open_links.append(bool(to))
                if to:
                    child.attrSet("href", to)
                else:
                    child.hidden = True
            elif child.type == "link_close":
                child.hidden = not open_links.pop()
            elif child.type == "image":
                path = self._path(str(child.attrGet("src")))
                self.images.append(path)
                child.attrSet("src", f"/images/{posixpath.basename(path)}")
        children[:] = [child for child in children if not (child.hidden and child.type.startswith("link_"))]

    def _path(self, to: str) -> str:
        """The path in the repository that a relative link leads to."""
        return posixpath.normpath(
            posixpath.join(posixpath.dirname(self.page.source if self.page.url != "/404" else ""), to)
        )

    def _address(self, href: str) -> str:
        """Where a link leads on the site; empty when what it leads to is not on it."""
        to, mark, fragment = href.partition("#")
        if not to or to.startswith("https:"):
            return href
        if re.match(r"[a-z]+:", to):
            return ""
        url = self.urls.get(self._path(to), "")
        return url + mark + fragment if url else ""


def _words(token: Token) -> str:
    return "".join(child.content or " " * (child.type == "softbreak") for child in token.children or []).strip()


if __name__ == "__main__":
    sys.exit(main())
