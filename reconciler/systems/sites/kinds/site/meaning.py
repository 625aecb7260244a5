"""What a Site's fields mean: files of a release, places on a host. How they make it answer: serving.py."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Literal, cast

from reconciler.core.model import PACKINGS, Packing, State

ROOT = "/srv/trueup"
CONFIG = "/etc/nginx/conf.d/trueup-sites.conf"
SECRETS = "/etc/nginx/trueup"
"""Folder of the password files and of the keys that come from secrets."""
FORMAT = "1"
"""Of a release folder: another one makes other releases of the same files."""
BROTLI = "libnginx-mod-http-brotli-static"
"""Debian's package with nginx's brotli_static."""
SAMPLE = 16
"""Files of a release whose content is read at each look at a host."""
REDIRECTS, HEADERS = "_redirects", "_headers"
Dialect = Literal["netlify", "cloudflare"]

INCLUDE = f"""# Every site that trueup has switched on. Each brings its own server blocks.
include {ROOT}/sites/*/current/site.conf;
# Domains for which an authority is asked for a certificate while nothing is served there yet.
include {ROOT}/asking/*.server;
"""


def dialect_of(spec: State) -> Dialect:
    return cast(Dialect, spec.get("dialect", "netlify"))


def packings(spec: State) -> tuple[Packing, ...]:
    """The forms in which texts are kept beside themselves."""
    said = spec.get("precompress", True)
    return PACKINGS[:1] if said is True else tuple(one for one in PACKINGS if said and one in said)


def tree_text(files: Mapping[str, str]) -> str:
    """The files of a release as one text: a blob id and a path a line, sorted by path."""
    return "".join(f"{blob} {path}\n" for path, blob in sorted(files.items()))


def files_of(text: str) -> dict[str, str]:
    """Path → blob id, from what `tree_text` wrote. A path may hold what splitlines takes for the end of a line."""
    pairs = (line.partition(" ") for line in text.split("\n")[:-1])
    return {path: blob for blob, _, path in pairs}


def among(files: Mapping[str, str], paths: Iterable[str]) -> dict[str, str]:
    """Those of `paths` that are files of a release, or their packed forms, path → blob id."""
    found = {path: files.get(path) or files.get(path.removesuffix(".gz").removesuffix(".br")) for path in paths}
    return {path: blob for path, blob in found.items() if blob}


@lru_cache(maxsize=64)
def _lines(text: str) -> tuple[str, ...]:
    """Of a tree, kept: each host of a site is asked for some of them at each look."""
    return tuple(text.split("\n")[:-1])


def sample(text: str, host: str) -> dict[str, str]:
    """Some files of a tree, path → blob id: others on each host, the same at each look at one."""
    lines = _lines(text)
    step = max(1, len(lines) // SAMPLE)
    start = int.from_bytes(hashlib.blake2b(host.encode(), digest_size=4).digest(), "big") % step
    pairs = (line.partition(" ") for line in lines[start::step][:SAMPLE])
    return {path: blob for blob, _, path in pairs}


def release_id(tree: str, config: str) -> str:
    """16 hex digits: the same files under the same rules are the same release on every host."""
    return hashlib.blake2b(f"{FORMAT}\0{tree}\0{config}".encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def passwords(name: str, spec: State) -> str:
    """Path of the password file on the host; empty without one."""
    return f"{SECRETS}/{name}.htpasswd" if spec.get("basicAuth") else ""


def listed(paths: list[str], most: int = 3) -> Iterator[str]:
    """The first few, and how many there are beyond them."""
    yield from paths[:most]
    if len(paths) > most:
        yield f"{len(paths) - most} more"
