"""A site on a lab host with a real nginx: contents put where a visit's cargo puts them, ops run as a visit runs them."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import LabHost
from reconciler.core.model import Packing
from reconciler.trip import packing

SITE = Path(__file__).resolve().parents[4] / "reconciler/systems/sites/kinds/site"
HERE = Path(__file__).parent
HOME = "/srv/trueup"
MARK = "/.well-known/trueup/release"
INCLUDE = "include /srv/trueup/sites/*/current/site.conf;\n"
RUN = "import sys; sys.path.insert(0, '/run/op'); import json, os; from trueup_op import site"


def blob_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass
class Place:
    """A host and what it is told."""

    host: LabHost
    port: int = 80
    name: str = "docs"
    domain: str = "docs.test"
    extra: str = ""
    """More of the server block."""
    contents: dict[str, bytes] = field(default_factory=dict)

    # ---- what is sent

    def files(self, **texts: str) -> dict[str, str]:
        """Names (`__` for a slash, `_` for a dot) and texts → path and id."""
        return self.given({name.replace("__", "/").replace("_", "."): text.encode() for name, text in texts.items()})

    def given(self, files: Mapping[str, bytes]) -> dict[str, str]:
        for data in files.values():
            self.contents[blob_id(data)] = data
        return {path: blob_id(data) for path, data in files.items()}

    def send(self, files: Mapping[str, str], packed: Collection[Packing] = ()) -> None:
        """Put the contents into the host's store, those that it lacks, as a visit's cargo does."""
        cargo = {}
        for blob in set(files.values()):
            cargo[blob] = base64.b64encode(self.contents[blob]).decode()
            for how in packed:
                body = packing.packed(self.contents[blob], how)
                if body:
                    ending = ".gz" if how == "gzip" else f".{hashlib.sha256(body).hexdigest()}.br"
                    cargo[blob + ending] = base64.b64encode(body).decode()
        self.host.run("mkdir -p /srv/trueup/blobs; chmod 755 /srv/trueup /srv/trueup/blobs")
        self.python(CARGO, json.dumps(cargo))

    def python(self, program: str, given: str = "", timeout: float = 120) -> str:
        self.host.write("/run/program.py", program)
        return self.host.run("python3 -I /run/program.py", input=given, timeout=timeout).stdout

    def config(self, release: str) -> str:
        return (
            f"server {{\n  listen {self.port};\n  server_name {self.domain};\n"
            f"  root {HOME}/sites/{self.name}/releases/{release}/files;\n  gzip_static on;\n  {self.extra}\n"
            f"  location = {MARK} {{ return 200 {release}; }}\n}}\n"
        )

    # ---- ops

    def op(self, first: str = "", under: str = "", **args: Any) -> dict[str, Any]:
        """What the op answers; `first` is Python that runs before it, `under` the command that the Python runs under."""
        done = self.tried(first, under, **args)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        assert set(found) == {"changed", "failed", "msg"}
        return found

    def tried(self, first: str = "", under: str = "", **args: Any) -> subprocess.CompletedProcess[str]:
        install(self.host)
        self.host.write("/run/op/run.py", f"{RUN}\n{first}\nprint(json.dumps(site.run(json.load(sys.stdin))))\n")
        given = json.dumps({"name": self.name, **args})
        return self.host.run(f"{under} python3 -I /run/op/run.py", input=given, timeout=300, check=False)

    def stage(self, release: str, files: Mapping[str, str], **more: Any) -> dict[str, Any]:
        return self.op(
            do="stage", release=release, files=files, **{"packed": [], "config": self.config(release), **more}
        )

    def switch(self, release: str, expect: tuple[dict[str, Any], ...] = (), **more: Any) -> dict[str, Any]:
        return self.op(do="switch", release=release, expect=[self.mark(release), *expect], **{"keep": 3, **more})

    def mark(self, release: str) -> dict[str, Any]:
        return {**self.expect(MARK), "body": release}

    def expect(self, url: str, **more: Any) -> dict[str, Any]:
        return {"host": self.domain, "port": self.port, "tls": False, "url": url, "status": 200, **more}

    def serve(self, release: str, files: Mapping[str, str], **more: Any) -> None:
        """Send, stage and switch; all goes well."""
        self.send(files)
        for done in (self.stage(release, files, **more), self.switch(release)):
            assert not done["failed"], done

    def probe(self, **request: Any) -> dict[str, Any]:
        self.host.write("/run/probe.py", (SITE / "probe.py").read_text("utf-8"))
        done = self.host.run(
            "python3 -I /run/probe.py", input=json.dumps([{"name": self.name, "whole": False, **request}])
        )
        (answer,) = json.loads(done.stdout)
        found: dict[str, Any] = answer
        return found

    def served(self, **request: Any) -> dict[str, Any]:
        """What is served, what of it is altered and which releases are kept, as the probe finds it."""
        state = self.probe(**request)["state"]
        return {name: state[name] for name in ("release", "altered", "kept")}

    # ---- what is there

    @property
    def at(self) -> str:
        return f"{HOME}/sites/{self.name}"

    def get(self, url: str = "/", *options: str) -> str:
        """What a visitor gets: status, a space, the body."""
        flags = " ".join(options)
        return self.host.run(
            f"curl -s -o /run/body -w '%{{http_code}}' {flags} -H 'Host: {self.domain}' http://127.0.0.1:{self.port}{url}; "
            "echo -n ' '; cat /run/body; rm -f /run/body", check=False,
        ).stdout  # fmt: skip

    def current(self) -> str:
        return self.host.run(f"readlink {self.at}/current", check=False).stdout.strip()

    def left(self) -> list[str]:
        """What works that were cut short left behind."""
        return self.host.run(f"find {HOME}/sites -name '.*' -o -name switching").stdout.split()


CARGO = """
import base64, json, os, sys
for name, data in json.load(sys.stdin).items():
    form = ("gz", "br").index(name.rpartition(".")[2]) + 1 if "." in name else 0
    path = "/srv/trueup/blobs/%s/%s" % (name[:2], name[2:])
    if os.path.exists(path):
        continue
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path, "wb") as file:
        file.write(base64.b64decode(data))
    os.chmod(path, 0o644)
    mtime = int(name[8 * form : 8 * form + 8], 16) & 0x7FFFFFFF
    os.utime(path, (mtime, mtime))
"""


def install(host: LabHost) -> None:
    """op.py and what travels with it, as the package that a visit makes of them."""
    if host.exists("/run/op/trueup_op/site/op_switch.py"):
        return
    host.run("mkdir -p /run/op/trueup_op/site; touch /run/op/trueup_op/__init__.py")
    for path in (SITE / "op.py", *sorted(SITE.glob("op_*.py"))):
        name = "__init__" if path.stem == "op" else path.stem
        host.write(f"/run/op/trueup_op/site/{name}.py", path.read_text("utf-8"))


def prepare(host: LabHost) -> None:
    """nginx as Debian brings it, and the include that every host with a site has; a log folder, which the lab hides."""
    host.run("mkdir -p /etc/nginx/conf.d")
    host.write("/etc/nginx/conf.d/trueup-sites.conf", INCLUDE)


def clear(host: LabHost) -> None:
    """No site, and no nginx."""
    host.run(
        "for p in $(pgrep -x nginx); do kill -9 $p; done; rm -rf /srv/trueup /etc/nginx/conf.d/*.conf /run/nginx.pid; "
        "while pgrep -x nginx >/dev/null; do sleep 0.05; done", check=False,
    )  # fmt: skip
    prepare(host)


def under_load(place: Place, switches: int, visitors: int = 8) -> dict[str, Any]:
    """What visitors get while two releases take turns."""
    host = place.host
    for release, text in (("r2", "two"), ("r1", "one")):
        place.serve(release, place.files(index_html=text))
    host.write("/run/load.py", (HERE / "load.py").read_text("utf-8"))
    host.run(
        f"python3 -I /run/load.py {place.domain} {place.port} one,two {visitors} >/run/loaded 2>&1 & echo $! > /run/load.pid"
    )
    for number in range(switches):
        done = place.switch(f"r{2 - number % 2}")
        assert done == {"changed": True, "failed": False, "msg": ""}, done
    host.run("touch /run/enough; while kill -0 $(cat /run/load.pid) 2>/dev/null; do sleep 0.1; done; rm /run/enough")
    found: dict[str, Any] = json.loads(host.read("/run/loaded"))
    return found
