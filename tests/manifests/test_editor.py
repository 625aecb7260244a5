"""The generated schemas in the language server that editors run: it completes at once in a new fleet, and marks a bad field."""

from __future__ import annotations

import functools
import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.core.kind import Kinds
from reconciler.manifests import editor, starter

from .language_server import SERVER, Editor

SETTINGS = {"yaml": {"validate": True, "completion": True, "hover": True, "schemaStore": {"enable": False}}}
MANIFEST = """\
apiVersion: trueup.dev/v1
kind: User
metadata:
  name: ada
spec:
  hosts: all
  shel: /bin/zsh
  {typed}
"""


@pytest.fixture(scope="module", autouse=True)
def server(tmp_path_factory: pytest.TempPathFactory) -> None:
    """`make setup` installs it; a test that is run alone does it itself."""
    if not SERVER.exists():
        folder = SERVER.parent.parent.parent.parent
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True, timeout=300)


@pytest.fixture
def new_fleet(tmp_path: Path, kinds: Kinds) -> Path:
    for path, text in starter.files(kinds, "prod").items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", ["User", "all"])
def test_the_modeline_of_a_new_fleet_completes_and_marks(new_fleet: Path, name: str) -> None:
    text = starter.MODELINE.format(way="../", name=name) + MANIFEST.format(typed="s")
    with Editor(new_fleet, SETTINGS) as server:
        uri = server.open("manifests/user.yaml", text)
        marks = [mark for mark in server.diagnostics(uri) if "shel" in mark["message"]]
        assert [(mark["range"]["start"], mark["range"]["end"]["character"]) for mark in marks] == [
            ({"line": 7, "character": 2}, 6)
        ]
        offered = server.completions(uri, 8, 3)
        assert {"shell", "sshKeys", "sudo", "onRemove"} <= set(offered)
        assert "schedule" not in offered, "a field of another kind"
        assert "The hosts that the manifest is for" in server.hover(uri, 6, 4)


def test_a_right_manifest_has_no_mark(new_fleet: Path) -> None:
    text = (new_fleet / "trueup.yaml").read_text()
    with Editor(new_fleet, SETTINGS) as server:
        uri = server.open("trueup.yaml", text)
        assert server.diagnostics(uri) == []
        longer = server.open("other.yaml", text + "  ")
        assert {"guards", "waves"} <= set(server.completions(longer, len(text.splitlines()), 2))


@pytest.fixture
def published(tmp_path: Path, kinds: Kinds) -> Iterator[str]:
    """The schemas at an address, as a team may publish them."""
    site = tmp_path / "site"
    site.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as web:
        base = f"http://127.0.0.1:{web.server_port}"
        for name, text in editor.schemas(kinds, base).items():
            (site / name).write_text(text)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield base
        web.shutdown()


def test_the_catalog_finds_the_schema_by_the_file(tmp_path: Path, published: str) -> None:
    catalog = {"yaml": {**SETTINGS["yaml"], "schemaStore": {"enable": True, "url": f"{published}/catalog.json"}}}
    with Editor(tmp_path, catalog) as server:
        uri = server.open("manifests/ada.yaml", MANIFEST.format(typed="s"))
        marks = [mark["message"] for mark in server.diagnostics(uri)]
        assert any("shel" in mark for mark in marks), marks
        assert {"shell", "sudo"} <= set(server.completions(uri, 7, 3))
