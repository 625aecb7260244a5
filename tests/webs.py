"""A web server on loopback: pages that a test gives it, and repositories by Git's own http-backend."""

from __future__ import annotations

import base64
import http.server
import os
import ssl
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from .gits import Git


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


def certificate(folder: Path) -> tuple[Path, Path]:
    """One for localhost that nobody signed, and its key, made in `folder`."""
    made, key = folder / "web.crt", folder / "web.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", made],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


def serve(web: Web, git: Git, login: str = "") -> str:
    """Git's own http-backend below /docs.git, for a checkout docs; its URL."""
    below = f"/{git.folder.name}.git"
    wanted = "Basic " + base64.b64encode(login.encode()).decode()

    def page(handler: http.server.BaseHTTPRequestHandler) -> None:
        if login and handler.headers.get("Authorization") != wanted:
            handler.send_response(401)
            handler.send_header("WWW-Authenticate", 'Basic realm="git"')
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        path, _, query = handler.path.partition("?")
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        done = subprocess.run(
            ["git", "http-backend"], input=body, capture_output=True, check=False,
            env={
                **os.environ, "GIT_PROJECT_ROOT": str(git.folder / ".git"), "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path.removeprefix(below), "QUERY_STRING": query, "REQUEST_METHOD": handler.command,
                "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": handler.headers.get("Content-Type") or "",
                "GIT_PROTOCOL": handler.headers.get("Git-Protocol") or "",
            },
        )  # fmt: skip
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        handler.send_response(200)
        for line in head.decode().splitlines():
            name, _, value = line.partition(": ")
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    for path in ("/info/refs", "/git-upload-pack"):
        web.pages[below + path] = page
    return web.url + below
