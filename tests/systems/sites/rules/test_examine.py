"""What is found in a site before it is visited: a page for each finding, and what becomes of addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.systems.sites.rules import examine as examine_module
from reconciler.systems.sites.rules import redirects
from reconciler.systems.sites.rules.codes import CODES
from reconciler.systems.sites.rules.examine import biggest, examine
from reconciler.systems.sites.rules.site import Entry, Rules, Tree
from reconciler.systems.sites.rules.urls import urls, urls_changed
from tests.systems.sites.rules import pages

HERE = Path(__file__).parent / "findings"
PATHS = sorted(HERE.glob("*.md"))
FENCES = ("yaml site", "text _redirects", "text _headers", "text files", "text file ", "text findings")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_findings(path: Path) -> None:
    title, fences = pages.cut(path, FENCES, "text findings")
    case = pages.read_fences(path, title, fences)
    assert case.told == "", "the rules themselves are well formed"
    files = dict(case.files)
    files |= {
        name[len("text file ") :]: text.encode() for name, text in fences.items() if name.startswith("text file ")
    }
    found = examine(case.rules, pages.tree_of(files), lambda name: files[name], folder="site", domains=("www.test",))
    told = "".join(f"{p.path}:{p.line}: {p.severity} {p.code}: {p.message} {p.hint}\n" for p in found)
    assert told == fences["text findings"]


def test_every_page_is_read() -> None:
    assert [path.name for path in HERE.iterdir() if path.suffix != ".md"] == []
    assert len(PATHS) >= 8


def tree(**files: str) -> Tree:
    return Tree({path.replace("__", "/").replace("_", "."): Entry(len(v), v) for path, v in files.items()})


def test_addresses_are_those_that_pages_have() -> None:
    files = tree(
        index_html="1", about_html="2", docs__index_html="3", **{"404_html": "4"}, a_js="5", a_js_gz="6", both_html="7"
    )
    assert dict(urls(Rules(), files)) == {"/": "1", "/about": "2", "/docs/": "3", "/a.js": "5", "/both": "7"}
    assert "/about.html" in urls(Rules(pretty_urls=False), files)


def test_a_page_that_another_hides_has_no_address() -> None:
    files = tree(both_html="1", both__index_html="2")
    assert dict(urls(Rules(), files)) == {"/both": "1"}
    assert dict(urls(Rules(dialect="cloudflare"), files)) == {"/both": "1", "/both/": "2"}


def test_addresses_are_encoded() -> None:
    assert list(urls(Rules(), Tree({"ü b.html": Entry(1, "1"), "100%.txt": Entry(1, "2")}))) == [
        "/%C3%BC%20b",
        "/100%25.txt",
    ]


def test_what_a_release_does_to_addresses() -> None:
    before = tree(index_html="1", old_html="2", moved_html="3", gone_html="4", app_3f2a9c01_js="5", same_html="6")
    after = tree(index_html="9", new_html="2", same_html="6", app_4f2a9c01_js="7")
    rules, problems = redirects.parse("/moved /new\n/gone /none 410\n", "_redirects", "netlify")
    assert not problems
    changed = urls_changed((Rules(), before), (Rules(redirects=rules), after))
    assert changed.appear == ("/app.4f2a9c01.js", "/new")
    assert changed.change == ("/",)
    assert changed.vanish == ("/app.3f2a9c01.js", "/gone", "/moved", "/old")
    assert changed.lost == ("/old",)


def test_a_page_that_only_the_app_stands_in_for_is_lost() -> None:
    before, after = tree(index_html="1", old_html="2"), tree(index_html="1")
    assert urls_changed((Rules(spa=True), before), (Rules(spa=True), after)).lost == ("/old",)


def test_the_biggest_files_come_first() -> None:
    files = Tree({"a": Entry(5, "1"), "b": Entry(9, "2"), "c": Entry(5, "3")})
    assert biggest(files, 2) == (("b", 9), ("a", 5))


def test_what_readers_wait_for_is_named_once_a_site() -> None:
    mib = 1024 * 1024
    sizes = {"a.png": mib, "b.png": 2 * mib, "c.js": 3 * mib, "d.zip": 90 * mib, "e.woff2": 5 * mib, "f.svg": 4 * mib}
    files = Tree({"index.html": Entry(9, "1"), **{path: Entry(size, path) for path, size in sizes.items()}})
    (told,) = examine(Rules(), files, lambda path: b"", folder="site")
    assert (told.code, told.severity, told.path) == ("heavy-files", "warning", "site/e.woff2")
    assert told.message == (
        "This file has 5.0 MiB, and readers of a page wait for it; after it come f.svg (4.0 MiB), c.js (3.0 MiB) and 1 more."
    )


def test_every_finding_has_a_meaning_and_a_cure() -> None:
    """Each code in the sources is in the table with its severity, and none is there for nothing."""
    folder = Path(examine_module.__file__).parent
    text = "".join(path.read_text() for path in folder.glob("*.py") if path.name != "codes.py")
    assert {code for code in CODES if f'"{code}"' not in text} == set()
    pages_ = [pages.cut(path, FENCES, "text findings")[1]["text findings"] for path in PATHS]
    told = {line.split(" ")[2].rstrip(":") for page in pages_ for line in page.splitlines()}
    assert told <= set(CODES)
