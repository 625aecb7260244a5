"""A site as it is resolved, with the packed forms that hosts get: nginx and the preview say the same of them, Vary too."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.model import SAVES
from reconciler.repo import FolderFiles
from reconciler.systems.sites.kinds.site import checks, serving
from reconciler.systems.sites.preview.content import InFolder
from reconciler.systems.sites.preview.looking import files_in
from reconciler.systems.sites.rules.answer import Here, Request, answer
from reconciler.systems.sites.rules.nginx import config
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
ASKED = ("/", "/app.js", "/OLD.HTML", "/short.css", "/photo.png", "/none")


@pytest.mark.parametrize("said", [{}, {"precompress": False}], ids=["as by default", "nothing is packed"])
def test_caches_are_told_of_forms_that_only_hosts_have(tmp_path: Path, said: dict[str, Any]) -> None:
    spec = {"domains": ["docs.test"], "from": {"folder": "public"}, **said}
    root = tmp_path / "files"
    server.write(root, FILES)
    paths = FolderFiles(root).paths()
    rules, _ = serving.rules("docs", spec, {})
    here = replace(
        serving.place("docs", spec, "r1"), root=str(root), http=(server.free_port(),), previous_root=None,
        access_log=None, asking=None, ipv6=False, address="127.0.0.1",
    )  # fmt: skip
    text = config(rules, serving.served(spec, paths), here)
    if said.get("precompress", True):
        server.write(root, {path + ".gz": body for path, body in _gzip(FILES).items()})
    tree, _, _ = files_in(InFolder(root), paths, {}, pack=spec.get("precompress", True))
    with server.running(tmp_path / "nginx", {"docs": text}):
        for url in ASKED:
            for encodings in ("", "gzip", "br", "gzip, br", "gzip;q=0"):
                sent = {"accept-encoding": encodings} if encodings else {}
                reply = server.ask(here.http[0], "GET", url, "docs.test", sent)
                given = answer(rules, tree, Request(target=url, host="docs.test", headers=sent), Here(release="r1"))
                told = [each for each in differences(given, reply, "GET", None) if "etag" not in each]
                assert not told, (url, encodings, told)  # an ETag is of the bytes, which two levels of gzip make differ
                vary = "Accept-Encoding" if said.get("precompress", True) and url != "/photo.png" else None
                assert reply.header("vary") == vary, (url, encodings)


def _gzip(files: dict[str, bytes]) -> dict[str, bytes]:
    made = {path: gzip.compress(data, 9, mtime=0) for path, data in files.items() if checks.packs(path)}
    return {path: body for path, body in made.items() if len(body) <= SAVES * len(files[path])}
