"""The nouns: `Rules` is everything that decides an answer, `Tree` the files of a release."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from reconciler.systems.sites.rules.headers import Block
from reconciler.systems.sites.rules.order import Order
from reconciler.systems.sites.rules.pattern import LONGEST, Dialect
from reconciler.systems.sites.rules.redirects import Redirect

IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"
RELEASE_URL = "/.well-known/trueup/release"
"""Answers with the release id as text, and with the header X-Trueup-Release, whatever else the site says."""
RELEASE_HEADER = "X-Trueup-Release"

HASHED = (
    r"[._-](?:(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{8,64}"
    r"|(?=[A-Za-z0-9_-]*[0-9])(?=[A-Za-z0-9_-]*[a-z])(?=[A-Za-z0-9_-]*[A-Z])[A-Za-z0-9_-]{8,64})"
    r"(?:\.(?!html?(?:\.|$))[A-Za-z0-9]{1,12}){1,3}$"
)
"""How a name tells that it changes with its content: app.3f2a9c01.js, index-Bq3xYz91.css. Digits alone are a date, letters
alone a word; a page is never one. What is wrongly taken for one would stay in browsers for a year: rather too few."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_HASHED = re.compile(HASHED)
HIDDEN = r"/\.(?!well-known(?:/|$))|^/_(?:redirects|headers)$"
"""What is never served: dot-files, apart from /.well-known/ (RFC 8615), and the two files of rules."""
_HIDDEN = re.compile(HIDDEN)


class Entry(NamedTuple):
    """A file: its size in bytes, and a digest of its content in hexadecimal (Git's id of it)."""

    size: int
    digest: str


def mtime_of(digest: str) -> int:
    """The mtime that the file of a release gets, in seconds since 1970: nginx builds its ETag from mtime and size.

    The same content has the same ETag on every host, and in the preview. 31 bits: file systems with 32-bit times (XFS as
    Debian 11 makes it) keep no more, and with the size that tells versions of a file apart. op_disk.py gives files it.
    """
    return int(digest[:8], 16) & 0x7FFF_FFFF


def etag_of(entry: Entry) -> str:
    """As nginx writes it (ngx_http_set_etag)."""
    return f'"{mtime_of(entry.digest):x}-{entry.size:x}"'


def hashed(path: str) -> bool:
    return _HASHED.search(path) is not None


def hidden(path: str) -> bool:
    """Whether a URL's path is never served."""
    return _HIDDEN.search(path) is not None


class Tree(Mapping[str, Entry]):
    """The files of a release by path without a leading slash; those that are never served are left out. `types`: extensions
    of files that may have a precompressed form which isn't among `files`, since hosts get it made."""

    def __init__(self, files: Mapping[str, Entry], types: Iterable[str] = ()) -> None:
        self._types = frozenset(types)
        self._files = {path: Entry(*files[path]) for path in sorted(files) if not hidden("/" + path)}

    def __getitem__(self, path: str) -> Entry:
        return self._files[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __hash__(self) -> int:
        return hash(tuple(self._files.items()))

    def file(self, url: str) -> bool:
        """Whether a decoded URL path is a file's."""
        return url[1:] in self._files

    @cached_property
    def folders(self) -> frozenset[str]:
        """Every folder, without slashes at its ends; the root is the empty text."""
        found = {""}
        for path in self._files:
            while "/" in path:
                path = path.rsplit("/", 1)[0]
                found.add(path)
        return frozenset(found)

    def packed(self, url: str) -> bool:
        """Whether it is the precompressed form of a file beside it, and so no page of its own."""
        base, dot, end = url.rpartition(".")
        return bool(dot) and end in ("gz", "br") and self.file(base)

    @cached_property
    def packed_types(self) -> tuple[str, ...]:
        """The extensions of files that have a precompressed form, or may: answers of such a type vary by Accept-Encoding."""
        bases = {path[:-3] for path in self._files if self.packed("/" + path)}
        return tuple(sorted({*self._types, *(base.rsplit("/", 1)[-1].rpartition(".")[2] for base in bases)}))

    @cached_property
    def error_pages(self) -> tuple[str, ...]:
        """The URLs of every 404.html, the deepest first."""
        found = ["/" + path for path in self._files if path.rsplit("/", 1)[-1] == "404.html"]
        return tuple(sorted(found, key=lambda url: (-url.count("/"), url)))


EMPTY = Tree({})


@dataclass(frozen=True)
class BasicAuth:
    """`paths` are patterns: /private/*, or /* for all. `users`: name to hash, as in an htpasswd file."""

    realm: str
    paths: tuple[str, ...]
    users: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.realm or not re.fullmatch(r"[\x20-\x7e]+", self.realm) or '"' in self.realm or "\\" in self.realm:
            raise ValueError("A realm is printable ASCII without quotes and backslashes.")
        if self.realm == "off":
            raise ValueError("nginx takes the realm `off` for no protection.")
        if any(not path.startswith("/") or len(path) > LONGEST or _CONTROL.search(path) for path in self.paths):
            raise ValueError("A protected path starts with a slash.")

    @cached_property
    def regexes(self) -> tuple[str, ...]:
        """Match URL paths and files' paths: /secret also protects /secret.html and /secret/index.html."""
        return tuple(f"^{_protects(path)}$" for path in self.paths)

    def covers(self, path: str) -> bool:
        return any(re.search(regex, path, re.DOTALL) for regex in self.regexes)


def _protects(path: str) -> str:
    path = re.sub(r"(?:/index)?\.html$", "", path) or "/"
    if path.endswith("/*"):
        return re.escape(path[:-2]) + r"(?:\.html|/.*)?" if path != "/*" else ".*"
    if path.endswith("*"):
        return re.escape(path[:-1]) + ".*"
    return re.escape(path.rstrip("/") if path != "/" else "") + r"(?:\.html|/|/index(?:\.html)?)?"


@dataclass(frozen=True)
class RateLimit:
    """Requests per second (or per minute, for a rate below one a second) for each client address."""

    rate: int
    burst: int = 0
    per: str = "s"

    def __post_init__(self) -> None:
        if not (0 < self.rate <= 1_000_000 and 0 <= self.burst <= 1_000_000 and self.per in ("s", "m")):
            raise ValueError("A rate is 1 to 1,000,000 requests per s or m, with a burst of 0 to 1,000,000.")


@dataclass(frozen=True)
class Cors:
    """Which other origins may read this site; ("*",) is all of them."""

    origins: tuple[str, ...]
    methods: tuple[str, ...] = ("GET", "HEAD")
    headers: tuple[str, ...] = ()
    max_age: int = 86_400

    def __post_init__(self) -> None:
        for origin in self.origins:
            if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9.:\[\]-]+", origin):
                raise ValueError(f"{origin} is no origin: write scheme://host, without a path.")
        if any(not re.fullmatch(r"[A-Z]+", method) for method in self.methods):
            raise ValueError("A method is upper-case letters.")
        if any(not re.fullmatch(r"[A-Za-z0-9-]+|\*", header) for header in self.headers):
            raise ValueError("A header's name is letters, digits and hyphens.")


@dataclass(frozen=True)
class Hsts:
    """Strict-Transport-Security, RFC 6797. `max_age` in seconds."""

    max_age: int = 31_536_000
    subdomains: bool = False
    preload: bool = False

    @property
    def value(self) -> str:
        return f"max-age={self.max_age}" + "; includeSubDomains" * self.subdomains + "; preload" * self.preload


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Everything that decides how a site answers, apart from its files. Equal rules answer equally on every server."""

    dialect: Dialect = "netlify"
    redirects: tuple[Redirect, ...] = ()
    headers: tuple[Block, ...] = ()
    spa: bool | str | None = None
    """Whether every unknown path is answered with /index.html (or the path given). None: as the dialect has it."""
    pretty_urls: bool = True
    """One address for a page: /about for about.html, /docs/ for docs/index.html; the others redirect to it."""
    custom_404: str | None = "/404.html"
    custom_50x: str | None = "/50x.html"
    dir_listing: bool = False
    basic_auth: BasicAuth | None = None
    allow: tuple[str, ...] = ()
    """Networks that may come in, if any is named; the most specific network of allow and deny decides."""
    deny: tuple[str, ...] = ()
    rate_limit: RateLimit | None = None
    cors: Cors | None = None
    csp: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cache: tuple[tuple[str, str], ...] = ()
    """(pattern of the file's path, Cache-Control), the first that matches; else names with a hash stay, others are asked for."""
    hsts: Hsts | None = None
    redirect_https: bool = False
    noindex: bool = False
    """For previews: X-Robots-Tag: noindex."""

    def __post_init__(self) -> None:
        for network in (*self.allow, *self.deny):
            ipaddress.ip_network(network)
        if doubled := set(map(ipaddress.ip_network, self.allow)) & set(map(ipaddress.ip_network, self.deny)):
            raise ValueError(f"{min(map(str, doubled))} is both allowed and denied.")
        for path in (self.custom_404, self.custom_50x, self.spa if isinstance(self.spa, str) else None):
            if path is not None and (
                not path.startswith("/") or hidden(path) or re.search(r"[\x00-\x20\x7f\\?]", path)
            ):
                raise ValueError(f"{path} is no page of a site.")
        for pattern, value in self.cache:
            if not pattern.startswith(("/", "*")) or len(pattern) > LONGEST or _CONTROL.search(pattern):
                raise ValueError(f"The cache pattern {pattern} starts neither with a slash nor with a *.")
            if not re.fullmatch(r"[\x21-\x7e][\x20-\x7e]*", value):
                raise ValueError("A Cache-Control is printable ASCII.")
        for name, sources in self.csp.items():
            if not re.fullmatch(r"[a-z-]+", name) or any(
                not re.fullmatch(r"[\x21-\x2b\x2d-\x3a\x3c-\x7e]+", s) for s in sources
            ):
                raise ValueError(f"The directive {name} of the content security policy is not well formed.")

    @cached_property
    def order(self) -> Order:
        return Order(self.redirects)

    @property
    def moved(self) -> int:
        """The code of a redirect to the one address of a page: Netlify says 301, Cloudflare 308."""
        return 301 if self.dialect == "netlify" else 308

    def fallback(self, tree: Tree) -> str | None:
        """The file that answers unknown paths, if any. Cloudflare: of its own accord where there is no page for 404."""
        if isinstance(self.spa, str):
            return self.spa
        wanted = (
            self.spa
            if self.spa is not None
            else self.dialect == "cloudflare" and not tree.file(self.custom_404 or "/404.html")
        )
        return "/index.html" if wanted and (self.spa or "index.html" in tree) else None

    def allows(self, address: str) -> bool:
        """Whether a client's address may come in at all."""
        client = ipaddress.ip_address(address)
        if isinstance(client, ipaddress.IPv6Address) and client.ipv4_mapped:
            client = client.ipv4_mapped
        named = [(ipaddress.ip_network(n), True) for n in self.allow]
        named += [(ipaddress.ip_network(n), False) for n in self.deny]
        hits = [(net.prefixlen, allowed) for net, allowed in named if net.version == client.version and client in net]
        return max(hits)[1] if hits else not self.allow

    @property
    def policy(self) -> str:
        """The value of Content-Security-Policy; empty without one."""
        return "; ".join(" ".join((name, *sources)) for name, sources in self.csp.items())


def varying(types: tuple[str, ...]) -> str:
    """A regular expression of the files whose answers vary by Accept-Encoding.

    By type, not by file: brotli_static says Vary only where it sends its form, so that a cache between would hand the
    plain one to everybody.
    """
    return "(?:^|[./])(?:" + "|".join(map(re.escape, types)) + ")$"


def cache_regex(pattern: str) -> str:
    """A pattern of files: `*` stands for anything. What lies between two of them is taken where it comes first, and not
    looked for again (atomic groups, which PCRE has too): else one that doesn't match takes for ever."""
    first, *pieces = map(re.escape, pattern.split("*"))
    between = "".join(f"(?>.*?{piece})" for piece in pieces[:-1])
    return "^" + first + between + "".join(f".*{piece}" for piece in pieces[-1:]) + "$"


def cache_rules(rules: Rules) -> tuple[tuple[str, str], ...]:
    """(regular expression of the file's path, Cache-Control); the first that matches, else REVALIDATE."""
    return (*((cache_regex(pattern), value) for pattern, value in rules.cache), (HASHED, IMMUTABLE))
