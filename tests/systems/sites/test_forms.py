"""A site as it is resolved, with the packed forms that hosts get: nginx and the preview say the same of them, Vary too."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.model import Packing
from reconciler.manifests import load_kinds
from reconciler.repo import FolderFiles
from reconciler.systems.sites.kinds.site import checks, meaning, serving
from reconciler.systems.sites.preview.content import InFolder
from reconciler.systems.sites.preview.looking import ENDINGS, files_in
from reconciler.systems.sites.rules.answer import Here, Request, answer
from reconciler.systems.sites.rules.nginx import config
from reconciler.trip import packing
from tests.cases import book
from tests.systems.sites.rules import server
from tests.systems.sites.rules.compare import differences

FILES = {
    "index.html": b"<h1>one</h1>\n" * 200,
    "404.html": b"<h1>none</h1>\n" * 200,
    "app.js": b"let x = 1; " * 200,
    "OLD.HTML": b"<h1>old</h1>\n" * 200,
    "short.css": b"a{}",
    "photo.png": b"\x89PNG" * 200,
}


OLD = {"app.3f2a9c01.js": b"let y = 2; " * 200}
"""Of the release before, which a link leads to."""
ASKED = ("/", "/app.js", "/OLD.HTML", "/short.css", "/photo.png", "/none", "/app.3f2a9c01.js")
ENCODINGS = ("", "gzip", "br", "gzip, br", "gzip;q=0", "br;q=0, gzip")


@pytest.mark.parametrize("said", [True, False, ["gzip", "brotli"]], ids=["gzip", "nothing", "gzip and brotli"])
def test_caches_are_told_of_forms_that_only_hosts_have(tmp_path: Path, said: Any) -> None:
    spec = {"domains": ["docs.test"], "from": {"folder": "public"}, "precompress": said}
    now, before = tmp_path / "releases/r2/files", tmp_path / "releases/r1/files"
    server.write(now, FILES)
    server.write(before, OLD)
    (tmp_path / "previous").symlink_to("releases/r1")
    paths = FolderFiles(now).paths()
    rules, _ = serving.rules("docs", spec, {})
    here = replace(
        serving.place("docs", spec, "r2"), root=str(now), http=(server.free_port(),),
        previous_root=str(tmp_path / "previous/files"), access_log=None, asking=None, ipv6=False, address="127.0.0.1",
    )  # fmt: skip
    text = config(rules, serving.served(spec, paths), here)
    packings = meaning.packings(spec)
    server.write(now, _packed(FILES, packings))
    server.write(before, _packed(OLD, packings))
    tree, _, _ = files_in(InFolder(now), paths, {}, pack=packings)
    previous, _, _ = files_in(InFolder(before), FolderFiles(before).paths(), {})
    sent: dict[tuple[str, str], str | None] = {}
    with server.running(tmp_path / "nginx", {"docs": text}):
        for url, encodings in product(ASKED, ENCODINGS):
            asked = {"accept-encoding": encodings} if encodings else {}
            reply = server.ask(here.http[0], "GET", url, "docs.test", asked)
            request = Request(target=url, host="docs.test", headers=asked)
            given = answer(rules, tree, request, Here(release="r2", previous=previous, brotli="brotli" in packings))
            told = [each for each in differences(given, reply, "GET", None) if "etag" not in each]
            assert not told, (url, encodings, told)  # an ETag is of the bytes, which two levels of packing make differ
            vary = "Accept-Encoding" if said and url != "/photo.png" else None
            assert reply.header("vary") == vary, (url, encodings)
            sent[url, encodings] = reply.header("content-encoding")
    best = "br" if "brotli" in packings else "gzip" if packings else None
    assert (sent["/app.js", "gzip, br"], sent["/short.css", "gzip, br"]) == (best, None)
    assert sent["/app.3f2a9c01.js", "gzip, br"] == ("gzip" if packings else None)


def test_the_module_goes_after_the_switch_to_what_needs_it_no_more() -> None:
    page = book.parse(Path(checks.__file__).parent / "cases" / "brotli-off.md")
    plan = book.run(page, load_kinds()).plan
    assert plan is not None
    site, package = plan.changes
    assert (site.key.kind, package.key.name) == ("Site", meaning.BROTLI) and site.key in package.after


def _packed(files: dict[str, bytes], packings: Collection[Packing]) -> dict[str, bytes]:
    made = {path + ENDINGS[how]: packing.packed(data, how) for path, data in files.items() for how in packings}
    return {path: body for path, body in made.items() if body and checks.packs(path[:-3])}
