"""A site's nginx configuration: one file that is included at http level, valid beside those of other sites.

For nginx 1.18 (Debian 11) to 1.26 (Debian 13). Everything that matters is said here, so that it doesn't depend on what
the host's nginx.conf says: types, compression, logs, caching of files' descriptors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from reconciler.systems.sites.rules import mime
from reconciler.systems.sites.rules.answer import types_of
from reconciler.systems.sites.rules.nginx_headers import header_lines
from reconciler.systems.sites.rules.nginx_ranges import UNSERVED
from reconciler.systems.sites.rules.nginx_routes import Routes
from reconciler.systems.sites.rules.nginx_text import Names, word
from reconciler.systems.sites.rules.site import EMPTY, HASHED, RELEASE_HEADER, RELEASE_URL, Rules, Tree

CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
"""For TLS 1.2: Mozilla's intermediate list (wiki.mozilla.org/Security/Server_Side_TLS) without DHE."""
CHALLENGES = "/.well-known/acme-challenge/"
"""RFC 8555, 8.3."""
_ODD = r"[\x01-\x1f\x7f\\]|//"
"""nginx merges slashes, but where the host's nginx.conf says `merge_slashes off`: then //a is no path that a rule knows, and
the file of /a."""
_PLAIN = re.compile(r"/[A-Za-z0-9._/+@=,-]*")
_DOMAIN = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a site stands on a host. Paths are absolute and of letters, digits and . _ / + @ = , - only.

    Raises ValueError: a path, a domain or a release id that can't be written into a configuration.
    """

    site: str
    """The name of the site; two sites of a host have different ones."""
    domains: tuple[str, ...]
    root: str
    """The folder of one release."""
    release: str
    http: tuple[int, ...] = (80,)
    https: tuple[int, ...] = ()
    certificate: str = ""
    key: str = ""
    previous_root: str | None = None
    previous: Tree = EMPTY
    htpasswd: str = ""
    access_log: str | None = None
    acme: str | None = None
    """The folder below which certbot writes .well-known/acme-challenge/."""
    asking: str | None = None
    """Where that folder is made known to a site without `acme` while one is asked for: `NAME.site` there, if it is."""
    version: tuple[int, ...] = (1, 22, 1)
    brotli: bool = False
    """Whether the host's nginx has brotli_static. Links are not refused then: the module that Debian 12 and 13 have says
    that a path is four bytes longer than it is, so that a `disable_symlinks` walks on into whatever lies behind it, and
    now and then finds no file. A release has no links; one that is planted in it is found by a look."""
    ipv6: bool = True
    address: str = ""
    """The one IPv4 address to listen at; empty for all."""

    def __post_init__(self) -> None:
        paths = (self.root, self.certificate, self.key, self.previous_root, self.htpasswd, self.access_log)
        for path in (*paths, self.acme, self.asking):
            if path and (not _PLAIN.fullmatch(path) or "/../" in path + "/"):
                raise ValueError(f"{path!r} can't stand in a configuration.")
        for domain in self.domains:
            if not _DOMAIN.fullmatch(domain) or len(domain) > 253:
                raise ValueError(f"{domain!r} is no domain.")
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,128}", self.release):
            raise ValueError(f"{self.release!r} is no id of a release.")
        if not self.domains or not self.root or bool(self.https) != bool(self.certificate and self.key):
            raise ValueError("A place has domains, a root, and a certificate with its key where it has TLS.")
        if any(not 0 < port < 65_536 for port in (*self.http, *self.https)):
            raise ValueError("A port is 1 to 65535.")


def config(rules: Rules, tree: Tree, place: Place) -> str:
    """The text of the file. The same input gives the same text."""
    names = Names(place.site)
    routes = Routes(rules, tree, place.previous, place.previous_root, names, place.brotli)
    headers_http, headers_server = header_lines(rules, types_of(tree, place.previous), names)
    pages_http, pages_server = routes.error_pages()
    body = [
        *_common(rules, place, names),
        *headers_server,
        *pages_server,
        *routes.ranges.server(),
        *_challenges(place),
        *_gate(rules, names),
        *_release(place),
        *routes.lines(),
        *routes.listing(),
    ]
    redirecting = bool(place.https) and rules.redirect_https
    servers = [_server(place, [*([] if redirecting else _listen(place, place.http, tls=False)), *_tls(place), *body])]
    if redirecting and place.http:
        to = f":{place.https[0]}" if place.https[0] != 443 else ""
        away = [f"location / {{ return 301 https://$host{to}$request_uri; }}"]
        servers.insert(
            0,
            _server(
                place,
                [
                    *_listen(place, place.http, tls=False),
                    *_log(place, names),
                    *_challenges(place),
                    *_release(place),
                    *away,
                ],
            ),
        )
    top = [*_zones(rules, place, names), *headers_http, *pages_http, *routes.ranges.http()]
    lines = ["# Written by trueup; changes by hand are undone.", *names.lines(), *top, *servers]
    return "\n".join(lines) + "\n"


def _server(place: Place, lines: list[str]) -> str:
    shown = [f"server_name {' '.join(_name(domain) for domain in place.domains)};", *lines]
    return "server {\n" + "\n".join("  " + line for line in shown) + "\n}"


def _name(domain: str) -> str:
    """A long name is written as a pattern: nginx's table of names takes none above 64 bytes by default."""
    if len(domain) <= 40:
        return domain
    start = "[^.]+" if domain.startswith("*.") else ""
    return word("~^" + start + re.escape(domain[1:] if start else domain) + "$")


def _listen(place: Place, ports: tuple[int, ...], *, tls: bool) -> list[str]:
    more = " ssl" * tls + " http2" * (tls and place.version < (1, 25, 1))
    out = []
    for port in ports:
        out.append(f"listen {place.address + ':' if place.address else ''}{port}{more};")
        if place.ipv6 and not place.address:
            out.append(f"listen [::]:{port}{more};")
    return out


def _tls(place: Place) -> list[str]:
    if not place.https:
        return []
    return [
        *_listen(place, place.https, tls=True),
        *(["http2 on;"] if place.version >= (1, 25, 1) else []),
        f"# The certificate is for {' '.join(place.domains)}",
        f"ssl_certificate {word(place.certificate)};",
        f"ssl_certificate_key {word(place.key)};",
        "ssl_protocols TLSv1.2 TLSv1.3;",
        f"ssl_ciphers {CIPHERS};",
        "ssl_prefer_server_ciphers off;",
        "ssl_session_cache shared:trueup_tls:10m;",
        "ssl_session_timeout 1d;",
        "ssl_session_tickets off;",
    ]


def _log(place: Place, names: Names) -> list[str]:
    if place.access_log is None:
        return ["access_log off;"]
    return [f"access_log {word(place.access_log)} {names.prefix}log;"]


def _common(rules: Rules, place: Place, names: Names) -> list[str]:
    types = "".join(f"\n    {word(name)} {' '.join(extensions)};" for name, extensions in mime.TYPES.items())
    out = [
        *_log(place, names),
        f"root {word(place.root)};",
        "disable_symlinks off;" if place.brotli else "disable_symlinks on from=$document_root;",
        "open_file_cache max=10000 inactive=60s;",
        "open_file_cache_valid 10s;",
        "open_file_cache_errors on;",  # what isn't in a release doesn't come into it: page → page.html costs no system call
        "absolute_redirect off;",
        "server_tokens off;",
        "log_not_found off;",
        "uninitialized_variable_warn off;",
        "charset off;",
        "gzip off;",
        "gzip_static on;",
        "gzip_proxied any;",
        "gzip_http_version 1.0;",
        *(["brotli_static on;"] if place.brotli else []),
        "etag on;",
        "if_modified_since off;",
        'add_header Last-Modified "";',
        f"default_type {mime.DEFAULT};",
        f"types {{{types}\n  }}",
    ]
    if rules.rate_limit is not None:
        burst = f" burst={rules.rate_limit.burst} nodelay" if rules.rate_limit.burst else ""
        out += [f"limit_req zone={names.prefix}rate{burst};", "limit_req_status 429;"]
    if rules.basic_auth is not None:
        out += ["satisfy all;", f"auth_basic {names('realm')};", f"auth_basic_user_file {word(place.htpasswd)};"]
    return out


def _gate(rules: Rules, names: Names) -> list[str]:
    """What is decided before any rule."""
    # Where error_page and try_files lead passes here again: what was decided once is decided. No visitor can set it, so
    # that one who asks for /.trueup/ is one who asks for any dot-file.
    out = [f"if ({names('path')}) {{ break; }}", f'if ($uri = "{RELEASE_URL}") {{ break; }}']
    if rules.allow or rules.deny:
        out.append(f"if ({names('out')}) {{ return 403; }}")
    if rules.cors is not None:
        out.append("if ($request_method = OPTIONS) { return 204; }")
    guard: list[str] = []
    if rules.basic_auth is not None:  # a redirect would come before the password: rewriting is the earlier phase
        guard.append(f'if ({names("realm1")}) {{ rewrite ^ "/.trueup/guard/" last; }}')
    return [
        *out,
        'if ($request_method !~ "^(?:GET|HEAD)$") { return 405; }',
        f"set {names('path')} $uri;",
        f"if ($uri ~ {word(_ODD)}) {{ return 400; }}",
        UNSERVED,
        *guard,
    ]


def _release(place: Place) -> list[str]:
    return [
        f"location = {RELEASE_URL} {{",
        "  access_log off;",
        '  default_type "text/plain; charset=utf-8";',
        f"  add_header {RELEASE_HEADER} {word(place.release)};",
        "  add_header Cache-Control no-store;",
        f'  return 200 "{place.release}\\n";',
        "}",
    ]


def _challenges(place: Place) -> list[str]:
    """An authority comes over plain HTTP, from anywhere and without a password: its question is answered before any rule.
    A site that has no certificate of one yet leaves room for that (nginx includes a pattern that matches no file)."""
    if place.acme is not None:
        return challenge_lines(place.acme)
    return [f"include {word(f'{place.asking}/{place.site}[.]site')};"] if place.asking is not None else []


def challenge_lines(folder: str) -> list[str]:
    """What answers an authority's challenges out of a folder, in a server's block."""
    return [
        f"if ($uri ~ {word('^' + re.escape(CHALLENGES))}) {{ break; }}",
        f"location ^~ {CHALLENGES} {{",
        "  access_log off;",
        "  auth_basic off;",
        f"  root {word(folder)};",
        "  default_type text/plain;",
        "  open_file_cache off;",
        "}",
    ]


def _zones(rules: Rules, place: Place, names: Names) -> list[str]:
    out: list[str] = []
    if place.access_log is not None:
        fields = {
            "time": "$time_iso8601",
            "address": "$remote_addr",
            "user": "$remote_user",
            "host": "$host",
            "scheme": "$scheme",
            "method": "$request_method",
            "target": "$request_uri",
            "protocol": "$server_protocol",
            "status": "$status",
            "bytes": "$body_bytes_sent",
            "seconds": "$request_time",
            "referer": "$http_referer",
            "agent": "$http_user_agent",
            "encoding": "$sent_http_content_encoding",
        }
        numbers = ("status", "bytes", "seconds")
        row = ",".join(f'"{key}":{value}' if key in numbers else f'"{key}":"{value}"' for key, value in fields.items())
        out.append(f"log_format {names.prefix}log escape=json '{{{row}}}';")
    if rules.rate_limit is not None:
        limit = rules.rate_limit
        out.append(f"limit_req_zone $binary_remote_addr zone={names.prefix}rate:10m rate={limit.rate}r/{limit.per};")
    if rules.allow or rules.deny:
        rows = "".join(f"  {n} 0;\n" for n in rules.allow) + "".join(f"  {n} 1;\n" for n in rules.deny)
        out.append(f"geo {names('out')} {{\n  default {1 if rules.allow else 0};\n{rows}}}")
    if place.previous_root is not None:
        out.append(
            f"map $uri {names('kept')} {{\n  volatile;\n  {word('~' + HASHED)} $uri;\n  default /.trueup/none;\n}}"
        )
    if rules.basic_auth is not None:
        realm = names.value(rules.basic_auth.realm)
        rows = "".join(f"  {word('~' + regex)} 1;\n" for regex in rules.basic_auth.regexes)
        out.append(f"map {names('path')} {names('realm1')} {{\n  volatile;\n{rows}  default 0;\n}}")
        out.append(f"map $uri {names('realm2')} {{\n  volatile;\n{rows}  default 0;\n}}")
        both = f'"{names("realm1")}{names("realm2")}"'
        out.append(f"map {both} {names('realm')} {{\n  volatile;\n  00 off;\n  default {realm};\n}}")
    return out
