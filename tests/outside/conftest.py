"""Sources on this machine: real repositories, and web servers on loopback that the settings name, or don't."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import ssl
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from reconciler.core.problem import Problem, Refused
from reconciler.outside.keeper import Sources
from reconciler.outside.names import Limits
from reconciler.outside.trust import Trust
from tests.gits import own_git_world as own_git_world

PAGES = {"index.html": b"<h1>Hello</h1>\n", "css/site.css": b"h1 { color: red }\n", "about/index.html": b"about\n"}


def refusal(call: Callable[[], object]) -> Problem:
    with pytest.raises(Refused) as refused:
        call()
    [told] = refused.value.problems
    assert told.hint
    return told


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tarred(files: Mapping[str, bytes], how: str = "gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{how}") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return out.getvalue()


def contents(sources: Sources, files: Mapping[str, str]) -> dict[str, bytes]:
    return {path: sources.blob(id) for path, id in files.items()}


@pytest.fixture
def make_sources(tmp_path: Path) -> Callable[..., Sources]:
    def make(*prefixes: str, **limits: float) -> Sources:
        return Sources(tmp_path / "state", Trust(prefixes), Limits(**{"spare": 0, **limits}))  # type: ignore[arg-type]

    return make


class Web:
    """A web server: path → answer. Counts who asked."""

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        self.pages: dict[str, bytes | Callable[[http.server.BaseHTTPRequestHandler], None]] = {}
        self.asked: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.headers.append(dict(self.headers.items()))
                page = outer.pages.get(self.path.partition("?")[0])
                if callable(page):
                    page(self)
                    return
                self.send_response(200 if page is not None else 404)
                self.send_header("Content-Length", str(len(page or b"")))
                self.end_headers()
                self.wfile.write(page or b"")

            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def leads(self, path: str, to: str, status: int = 302) -> None:
        def page(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            handler.send_header("Location", to)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        self.pages[path] = page


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    yield server
    server.close()


@pytest.fixture
def tls_web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """Over TLS, with a certificate of an authority that this process trusts."""
    key, certificate = tmp_path / "web.key", tmp_path / "web.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    server = Web((certificate, key))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _no_buckets_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
