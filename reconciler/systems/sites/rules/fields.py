"""The headers of an answer, from the rules: `_headers`, cache, CORS, security. nginx_headers.py says the same to nginx."""

from __future__ import annotations

import re

from reconciler.systems.sites.rules import mime
from reconciler.systems.sites.rules.headers import Block, value_pieces
from reconciler.systems.sites.rules.site import REVALIDATE, Rules, cache_rules, varying

CONTENT = frozenset({200, 206, 304})
"""Statuses that carry a file's content."""
MISSING = frozenset({404, 410, 451})


def content_type(rules: Rules, path: str, file: str) -> str:
    """A block of `_headers` may say it for files at their own addresses; the last block that does wins."""
    shaped = (".gz", ".br", *((".html", "/index") if rules.pretty_urls else ()))
    for block in reversed(rules.headers):
        value = type_of(block)
        if value is not None and file == path and not path.endswith(shaped) and block.pattern.match(path) is not None:
            return value
    return mime.of(file)


def type_of(block: Block) -> str | None:
    """The Content-Type that a block sets, where nginx can: for paths of any host."""
    if block.pattern.host:
        return None
    return next((value for name, value in block.sets if name.lower() == "content-type"), None)


def base(rules: Rules) -> dict[str, tuple[str, str]]:
    """Headers of every page before `_headers` has its say: lower-case name to (name, value)."""
    out = {}
    if rules.dialect == "cloudflare":  # "Headers always added"; not its Access-Control-Allow-Origin, which opens a site
        out["x-content-type-options"] = ("X-Content-Type-Options", "nosniff")
        out["referrer-policy"] = ("Referrer-Policy", "strict-origin-when-cross-origin")
    if rules.csp:
        out["content-security-policy"] = ("Content-Security-Policy", rules.policy)
    if rules.noindex:
        out["x-robots-tag"] = ("X-Robots-Tag", "noindex")
    return out


def names(rules: Rules) -> dict[str, str]:
    """Lower-case name to name as written first, of what the blocks say apart from Content-Type."""
    out: dict[str, str] = {}
    for block in rules.headers:
        for name in (*(name for name, _ in block.sets), *block.removes):
            out.setdefault(name.lower(), name)
    out.pop("content-type", None)
    return out


def said(rules: Rules, name: str, path: str, host: str) -> str | None:
    """What the blocks say of a header: its value, "" where it is removed, None where they say nothing."""
    value: str | None = None
    for block in rules.headers:
        match = block.pattern.match_with_host(host, path)
        if match is None:
            continue
        if name in (known.lower() for known in block.removes):
            value = ""
        for known, words in block.sets:
            if known.lower() == name:
                pieces = value_pieces(words, block.pattern, rules.dialect)
                meant = "".join(match.get(piece, "") if odd % 2 else piece for odd, piece in enumerate(pieces))
                joined = rules.dialect == "cloudflare" and value
                value = f"{value}, {meant}" if joined else meant
    return value


def fields(
    rules: Rules, types: tuple[str, ...], *, status: int, path: str, file: str, host: str, origin: str, secure: bool
) -> tuple[tuple[str, str], ...]:
    """All headers that rules decide. `path` is the decoded path of the request, `file` that of the file that answers."""
    out: list[tuple[str, str]] = []
    host = host.split(":")[0].lower()
    if status == 405:
        out.append(("Allow", "GET, HEAD"))
    if status in CONTENT:
        cache = said(rules, "cache-control", path, host)
        out.append(("Cache-Control", _cache(rules, file) if cache is None else cache))
    elif status in MISSING:
        out.append(("Cache-Control", REVALIDATE))
    if status in CONTENT or status in MISSING:
        if types and re.search(varying(types), file, re.DOTALL):
            out.append(("Vary", "Accept-Encoding"))
        known = names(rules)
        ground = base(rules)
        for name in dict.fromkeys((*ground, *known)):
            if name in ("cache-control", "strict-transport-security", "access-control-allow-origin"):
                continue
            value = said(rules, name, path, host)
            if value is None:
                value = ground[name][1] if name in ground else ""
            out.append((ground[name][0] if name in ground else known[name], value))
    out += _cors(rules, status, path, host, origin)
    out += _hsts(rules, status, path, host, secure)
    # A value may begin or end with an empty placeholder; what surrounds a value is no part of it (RFC 9110, 5.5).
    return tuple((name, value.strip(" ")) for name, value in out if value)


def _cache(rules: Rules, file: str) -> str:
    return next((value for regex, value in cache_rules(rules) if re.search(regex, file, re.DOTALL)), REVALIDATE)


def _cors(rules: Rules, status: int, path: str, host: str, origin: str) -> list[tuple[str, str]]:
    served = status in CONTENT or status in MISSING
    value = said(rules, "access-control-allow-origin", path, host) if served else None
    cors = rules.cors
    out: list[tuple[str, str]] = []
    if cors is not None and (served or status == 204):
        if cors.origins != ("*",):
            out.append(("Vary", "Origin"))
        if value is None:
            value = "*" if "*" in cors.origins else origin if origin in cors.origins else ""
        if status == 204 and value:
            out.append(("Access-Control-Allow-Methods", ", ".join(cors.methods)))
            out.append(("Access-Control-Allow-Headers", ", ".join(cors.headers)))
            out.append(("Access-Control-Max-Age", str(cors.max_age)))
    out.append(("Access-Control-Allow-Origin", value or ""))
    return out


def _hsts(rules: Rules, status: int, path: str, host: str, secure: bool) -> list[tuple[str, str]]:
    value = None
    if status in CONTENT or status in MISSING:
        value = said(rules, "strict-transport-security", path, host)
    if value is None and rules.hsts is not None and secure:
        value = rules.hsts.value
    return [("Strict-Transport-Security", value or "")]
