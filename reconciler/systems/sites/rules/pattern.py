"""URL patterns of `_redirects` and `_headers`: `*`, `:placeholder`, and the one regular expression that both servers run.

The expression is anchored, has numbered groups and means the same to Python's `re` and to PCRE.
Netlify (docs.netlify.com/routing/redirects): a trailing slash makes no difference, `/news/*` also matches `/news`, a
placeholder is a whole segment. Cloudflare (developers.cloudflare.com/pages/configuration/redirects): character by
character, a placeholder may stand anywhere, one splat at any place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from reconciler.systems.sites.rules import target

Dialect = Literal["netlify", "cloudflare"]

NAME = re.compile(r":([A-Za-z]\w*)", re.ASCII)
MOST_GROUPS = 9
"""nginx knows $1 to $9."""
LONGEST = 1_000
"""Characters of a pattern; Cloudflare's limit of a line. nginx takes no word above 4,096 bytes."""
_WILD = re.compile(r"\*|:[A-Za-z]\w*", re.ASCII)


class BadPattern(Exception):
    """The pattern can't be served; the message says why, as a sentence."""


@dataclass(frozen=True)
class Pattern:
    """A pattern of URL paths. `host` is what an absolute one says before its path: `https://old.example`, or empty."""

    written: str
    pieces: tuple[str | tuple[str, str], ...]
    """Regular expressions, and (placeholder, what it matches)."""
    literal: str | None
    """The decoded path, where the pattern has no wildcard."""
    host: str = ""
    host_pieces: tuple[str | tuple[str, str], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What the groups of `regex` are called, in order."""
        return tuple(piece[0] for piece in self.pieces if not isinstance(piece, str))

    @property
    def all_names(self) -> tuple[str, ...]:
        return tuple(piece[0] for piece in self.host_pieces if not isinstance(piece, str)) + self.names

    @cached_property
    def regex(self) -> str:
        return "^" + self.inner(groups=True) + "$"

    def inner(self, *, groups: bool) -> str:
        """Without anchors."""
        return "".join(p if isinstance(p, str) else f"({p[1]})" if groups else f"(?:{p[1]})" for p in self.pieces)

    def named(self, prefix: str) -> str:
        """With groups called prefix + placeholder; of host and path where the pattern has a host."""
        return (
            "^"
            + "".join(
                piece if isinstance(piece, str) else f"(?<{prefix}{piece[0]}>{piece[1]})"
                for piece in self.host_pieces + self.pieces
            )
            + "$"
        )

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.regex, re.DOTALL)

    @cached_property
    def _compiled_with_host(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\(\?<(?=\w)", "(?P<", self.named("p_")), re.DOTALL)

    def match(self, path: str) -> dict[str, str] | None:
        """What the placeholders stand for, or None; the host isn't looked at."""
        found = self._compiled.match(path)
        return None if found is None else dict(zip(self.names, (g or "" for g in found.groups()), strict=True))

    def match_with_host(self, host: str, path: str) -> dict[str, str] | None:
        found = self._compiled_with_host.match(f"https://{host}{path}" if self.host else path)
        return None if found is None else {name[2:]: value or "" for name, value in found.groupdict().items()}


def _literal(words: str) -> str:
    try:
        meant = target.decode(words)
    except target.BadTarget as bad:
        raise BadPattern(str(bad)) from bad
    if any(ord(c) < 0x20 or ord(c) == 0x7F or c == "\\" for c in meant):
        raise BadPattern("A path holds no control characters and no backslash.")
    return meant


def _split_host(written: str) -> tuple[str, str]:
    found = re.match(r"(https?://[^/?#\s]+)(/.*)?$", written)
    if found is None:
        return "", written
    return found[1].lower() if ":" not in found[1][8:] else found[1], found[2] or "/"


def compile_pattern(written: str, dialect: Dialect, *, splat_anywhere: bool) -> Pattern:
    """Read a pattern. `splat_anywhere`: Netlify's headers allow a `*` inside of a path, its redirects only at the end.

    Raises BadPattern.
    """
    if len(written) > LONGEST:
        raise BadPattern(f"A pattern has at most {LONGEST} characters.")
    host, path = _split_host(written)
    if not path.startswith("/"):
        raise BadPattern("A path starts with a slash.")
    if "?" in path or "#" in path:
        raise BadPattern("A path to match has no ? and no #: those are no part of a path.")
    pieces = _netlify(path, splat_anywhere) if dialect == "netlify" else _cloudflare(path)
    host_pieces: tuple[str | tuple[str, str], ...] = ()
    if host:
        host_pieces = tuple(_host(host))
    wild = [piece for piece in pieces if not isinstance(piece, str)]
    if dialect == "cloudflare":
        _bound(host, path)
    names = [piece[0] for piece in (*host_pieces, *pieces) if not isinstance(piece, str)]
    if len(set(names)) != len(names):
        raise BadPattern("A placeholder is named once, and there is one * at most.")
    if len(names) > MOST_GROUPS:
        raise BadPattern(f"A pattern has at most {MOST_GROUPS} placeholders.")
    literal = None if wild else _literal(path)
    return Pattern(written=written, pieces=tuple(pieces), literal=literal, host=host, host_pieces=host_pieces)


def _bound(host: str, path: str) -> None:
    """What doesn't match is found out by trying all places where each placeholder of a part may end, those before it too:
    with five of them a path of 200 characters took a minute, here and in nginx. Raises BadPattern."""
    most = 1 if "*" in path else 2
    if any(len(_WILD.findall(part)) > most for part in path.split("/")):
        raise BadPattern("Between two slashes there are at most two placeholders; where there is a *, one or that.")
    if any(len(NAME.findall(part)) > 1 for part in host.partition("://")[2].split(".")):
        raise BadPattern("Between two dots of a host there is at most one placeholder.")


def _host(host: str) -> list[str | tuple[str, str]]:
    name = host.partition("://")[2]
    if ":" in NAME.sub("", name):
        raise BadPattern("A host is written without a port.")
    out: list[str | tuple[str, str]] = [re.escape("https://")]
    at = 0
    for found in NAME.finditer(name):
        out += [re.escape(name[at : found.start()]), (found[1], "[^/.]+")]
        at = found.end()
    return [*out, re.escape(name[at:])]


def _netlify(path: str, splat_anywhere: bool) -> list[str | tuple[str, str]]:
    segments = path.strip("/").split("/") if path.strip("/") else []
    out: list[str | tuple[str, str]] = []
    for at, segment in enumerate(segments):
        last = at == len(segments) - 1
        if segment == "*" and last:
            return [*out, "(?:/", ("splat", ".*"), ")?"] if out else ["/", ("splat", ".*")]
        placeholder = NAME.fullmatch(segment)
        if placeholder:
            out += ["/", (placeholder[1], "[^/]+")]
        elif "*" not in segment:
            out.append("/" + re.escape(_literal(segment)))
        elif not splat_anywhere:
            raise BadPattern("Netlify takes a * only as the last segment: /news/*")
        elif segment.count("*") > 1:
            raise BadPattern("There is one * at most.")
        else:
            before, _, after = segment.partition("*")
            out += ["/" + re.escape(_literal(before)), ("splat", ".*"), re.escape(_literal(after))]
    return [*out, "/?"] if out else ["/"]


def _cloudflare(path: str) -> list[str | tuple[str, str]]:
    out: list[str | tuple[str, str]] = []
    at = 0
    for found in _WILD.finditer(path):
        before = path[at : found.start()]
        out.append(re.escape(_literal(before)))
        if found[0] == "*":
            if not before.endswith("/"):
                out.append("/*")  # else `/old*  /:splat` would send /old/evil.example to //evil.example
            out.append(("splat", ".*"))
        else:
            out.append((found[0][1:], "[^/]+"))
        at = found.end()
    return [*out, re.escape(_literal(path[at:]))]
