"""A real nginx for tests: a private process with its own folder and ports, and a client that sends what it is told."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.repo import blob_id
from reconciler.systems.sites.kinds.site.op_nginx import HTTP2
from reconciler.systems.sites.rules.site import mtime_of

BROTLI = next(
    (str(p) for p in [Path("/usr/lib/nginx/modules/ngx_http_brotli_static_module.so")] if p.exists()),
    None,
)


def version() -> tuple[int, ...]:
    """Of the nginx of this machine."""
    said = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    return tuple(map(int, said.partition("nginx/")[2].split()[0].split(".")))


@dataclass(frozen=True)
class Reply:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        found = [value for known, value in self.headers if known.lower() == name.lower()]
        return ", ".join(found) if found else None


def write(folder: Path, files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> None:
    """A release as a deployer makes it: mtimes come from the content."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        stamp = mtime_of(blob_id(content))
        os.utime(file, (stamp, stamp))
    for path, to in (links or {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to(to)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main_config(folder: Path, sites: str, more: str = "") -> str:
    load = f"load_module {BROTLI};\n" if BROTLI else ""
    temporary = "".join(
        f"  {name}_temp_path {folder}/tmp-{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"{load}user root;\nmaster_process off;\ndaemon off;\npid {folder}/pid;\nerror_log {folder}/error.log warn;\n"
        f"events {{ worker_connections 256; }}\nhttp {{\n{temporary}{more}  include {sites};\n}}\n"
    )


def accepts(folder: Path, config: str) -> str:
    """What `nginx -t` says of a site's file; empty where it is well. Like a host's op, it passes over what nginx says of
    `listen … http2` from 1.25.1 on."""
    (folder / "site.conf").write_bytes(config.encode("utf-8", "surrogateescape"))
    (folder / "nginx.conf").write_text(main_config(folder, f"{folder}/site.conf"))
    done = subprocess.run(["nginx", "-t", "-q", "-c", f"{folder}/nginx.conf"], capture_output=True, text=True)
    passed = ("could not open error log", HTTP2)
    said = "\n".join(line for line in done.stderr.splitlines() if not any(words in line for words in passed))
    return said if done.returncode or "[warn]" in said else ""


@contextlib.contextmanager
def running(folder: Path, sites: Mapping[str, str], more: str = "") -> Iterator[Path]:
    """nginx with these files of sites, and `more` at http level; yields the folder of its log."""
    assert shutil.which("nginx"), "nginx is missing: requirements/setup.sh test installs it"
    home = folder / "sites"
    home.mkdir(parents=True, exist_ok=True)
    for name, text in sites.items():
        (home / f"{name}.conf").write_bytes(text.encode("utf-8", "surrogateescape"))
    (folder / "nginx.conf").write_text(main_config(folder, f"{home}/*.conf", more))
    process = subprocess.Popen(["nginx", "-c", f"{folder}/nginx.conf"], stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 30
        while not (folder / "pid").exists() or not (folder / "pid").read_text().strip():
            if process.poll() is not None:
                assert process.stderr is not None
                raise AssertionError(
                    f"nginx did not start: {process.stderr.read()}\n{(folder / 'error.log').read_text()}"
                )
            assert time.monotonic() < deadline, "nginx did not start"
            time.sleep(0.02)
        yield folder
    finally:
        process.kill()  # one process, which keeps nothing
        process.wait(30)


def ask(
    port: int,
    method: str,
    target: str,
    host: str,
    headers: Mapping[str, str],
    *,
    tls: bool = False,
    source: str = "127.0.0.1",
) -> Reply:
    with socket.create_connection(("127.0.0.1", port), 10, (source, 0)) as plain:
        link: socket.socket = plain
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            link = context.wrap_socket(plain, server_hostname=host)
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        link.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape"))
        reply = http.client.HTTPResponse(link, method=method)
        reply.begin()
        got = tuple((name, _utf8(value)) for name, value in reply.getheaders())
        return Reply(reply.status, got, reply.read())


def _utf8(value: str) -> str:
    """What the bytes of a header say; http.client takes them for Latin-1."""
    return value.encode("latin-1").decode("utf-8", "surrogateescape")


def certificate(folder: Path) -> tuple[str, str]:
    crt, key = folder / "crt.pem", folder / "key.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=test", "-days", "30"]
    out = ["-keyout", str(key), "-out", str(crt)]
    subprocess.run(["openssl", "req", "-x509", *curve, *out], check=True, capture_output=True)
    return str(crt), str(key)
