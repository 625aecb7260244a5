"""Three servers of the same files on one lab host: nginx as trueup configures it, a plain one, and Debian's Caddy.

The plain site is a server block with a root and nothing more, in the same nginx, so that both are served by the same
processes. wrk asks from the same host, over loopback and kept connections.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import lab
from lab import Fleet, LabHost

DOMAIN = "docs.example.com"
KB = 1024
FILES = {"/img/small.png": KB, "/img/large.png": 100 * KB, "/about.html": KB}
PORTS = {"trueup": 80, "plain nginx": 8001, "Caddy": 8002}
SITE = f"kind: Site\nmetadata: {{name: docs}}\nspec: {{hosts: all, domains: [{DOMAIN}], from: {{folder: public}}}}\n"
PLAIN = f"server {{ listen {PORTS['plain nginx']}; root /srv/plain; }}\n"
CADDY = f"{{\n  admin off\n  auto_https off\n}}\n:{PORTS['Caddy']} {{\n  root * /srv/plain\n  file_server\n}}\n"


@contextmanager
def up() -> Iterator[LabHost]:
    """A host on which all three serve; each answers with the same bytes."""
    with TemporaryDirectory(prefix="tub-") as name, lab.up(1) as hosts:
        fleet = Fleet(hosts=hosts, folder=Path(name), key=hosts.key)
        fleet.make()
        fleet.inventory()
        made = random.Random(1)
        contents = {at: made.randbytes(count) for at, count in FILES.items()}
        for at, content in contents.items():
            (fleet.clone / f"public{at}").parent.mkdir(parents=True, exist_ok=True)
            (fleet.clone / f"public{at}").write_bytes(content)
        fleet.write("public/index.html", "<h1>A site</h1>\n")
        fleet.write("docs.yaml", SITE)
        fleet.land()
        fleet.apply()
        (host,) = hosts
        host.run("cp -r /srv/trueup/sites/docs/current/files /srv/plain")
        host.write("/etc/nginx/conf.d/plain.conf", PLAIN)
        host.write("/run/Caddyfile", CADDY)
        host.run("nginx -s reload; HOME=/run caddy start --config /run/Caddyfile >/run/caddy.log 2>&1", timeout=60)
        for at, content in contents.items():
            for server in PORTS:
                got = host.run(
                    f"curl -sf --retry 9 --retry-connrefused -H 'Host: {DOMAIN}' {url(server, at)} | sha256sum"
                ).stdout.split()[0]
                assert got == hashlib.sha256(content).hexdigest(), (server, at)
        yield host


def url(server: str, at: str) -> str:
    """The address of a file. A page has its pretty one on trueup's site, and its file's on the others, which know no other."""
    return f"http://127.0.0.1:{PORTS[server]}{at.removesuffix('.html') if server == 'trueup' else at}"


def rate(host: LabHost, server: str, at: str, seconds: int = 1, connections: int = 32) -> float:
    """Requests a second that wrk gets answered. Every answer is a 200, or it raises AssertionError."""
    words = f"wrk -t 1 -c {connections} -d {seconds}s -H 'Host: {DOMAIN}' {url(server, at)}"
    said = host.run(words, timeout=60).stdout
    assert "Non-2xx" not in said and "Socket errors" not in said, said
    found = re.search(r"Requests/sec: +([0-9.]+)", said)
    assert found, said
    return float(found.group(1))
