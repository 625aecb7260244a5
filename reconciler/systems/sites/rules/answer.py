"""How a site answers a request, as a function: the meaning of Rules. nginx.py says the same to nginx; the same cases test both."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.systems.sites.rules import conditional, fields, listing, passwords, target
from reconciler.systems.sites.rules.redirects import Redirect
from reconciler.systems.sites.rules.resolve import Found, Moved, named, page, resolve
from reconciler.systems.sites.rules.site import EMPTY, RELEASE_HEADER, RELEASE_URL, Rules, Tree, etag_of, hidden


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a client asks. `target` is raw, of the origin form or the absolute one; names of `headers` are in lower case."""

    method: str = "GET"
    target: str = "/"
    host: str = "localhost"
    scheme: str = "http"
    headers: Mapping[str, str] = field(default_factory=dict)
    address: str = "127.0.0.1"
    over_limit: bool = False
    """Whether the client has used up its rate: whoever counts says so."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is sent. The body is `text`, or the bytes of `file` from `first` up to `end`; of HEAD and 304 there is none."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    file: str | None = None
    """Path in the release, without a leading slash."""
    previous: bool = False
    """Whether the file is the previous release's."""
    first: int = 0
    end: int | None = None
    text: str | None = None
    listing: str | None = None
    """The folder that `text` lists, with slashes at both ends."""

    def header(self, name: str) -> str | None:
        found = [value for known, value in self.headers if known.lower() == name.lower()]
        return ", ".join(found) if found else None


@dataclass(frozen=True, kw_only=True)
class Here:
    """What only the place of a site decides."""

    release: str = ""
    previous: Tree = EMPTY
    brotli: bool = False
    tls: bool = False
    """Whether the site has TLS: only then it redirects to it, and sends HSTS there."""
    https_port: int = 443


Fits = Callable[[str, str], bool]
"""(password, hash) to whether they fit."""


def answer(rules: Rules, tree: Tree, request: Request, here: Here | None = None, fits: Fits = passwords.fits) -> Answer:
    """The answer of a site with these rules and files to a request."""
    absolute = target.absolute(request.target)
    if absolute is not None:
        request = replace(request, host=absolute[0], target=absolute[1])
    return _Answering(rules, tree, request, here or Here(), fits).run()


@dataclass(frozen=True)
class _Answering:
    rules: Rules
    tree: Tree
    request: Request
    here: Here
    fits: Fits

    def run(self) -> Answer:
        try:
            asked = target.parse(self.request.target)
        except target.BadTarget:
            return self._bare(400, _At("/", target.Target("/", "", False)))
        at = _At(asked.path, asked)
        if self.request.method in ("TRACE", "CONNECT"):
            return self._bare(405, at)
        if asked.path == RELEASE_URL:
            return self._release()
        if self.here.tls and self.rules.redirect_https and self.request.scheme == "http":
            port = "" if self.here.https_port == 443 else f":{self.here.https_port}"
            host = self.request.host.split(":")[0].lower()
            return self._moved(301, f"https://{host}{port}{self.request.target}", at)
        if not self.rules.allows(self.request.address):
            return self._bare(403, at)
        if self.request.method == "OPTIONS" and self.rules.cors is not None:
            return Answer(status=204, headers=self._fields(204, at, ""))
        if self.request.method not in ("GET", "HEAD"):
            return self._bare(405, at)
        if re.search(r"[\x01-\x1f\x7f\\]", asked.path):
            return self._bare(400, at)
        if hidden(asked.path):
            return self._page(404, asked.path, at)
        auth = self.rules.basic_auth
        if auth is not None and auth.covers(at.path):
            return self._guarded(at, at.path, lambda: self._route(at))
        return self._route(at)

    def _release(self) -> Answer:
        headers = (
            ("Content-Type", "text/plain; charset=utf-8"),
            (RELEASE_HEADER, self.here.release),
            ("Cache-Control", "no-store"),
        )
        return Answer(status=200, headers=headers, text=self.here.release + "\n")

    def _route(self, at: _At) -> Answer:
        """Rules and files, in the dialect's order."""
        files_first = self.rules.dialect == "netlify"
        found: Found | Moved | None = None
        looked = False
        for place in self.rules.order.matching(at.path):
            rule = self.rules.redirects[place]
            match = matching(rule, self.request, at.asked)
            if match is None:
                continue
            if files_first and not rule.force:
                found, looked = self._files(at.path), True
                if found is not None:
                    break
            return self._apply(rule, match, at)
        if not looked:
            found = self._files(at.path)
        if isinstance(found, Moved):
            return self._moved(self.rules.moved, _escaped(found.path, at.asked), at, query=True)
        if found is not None:
            return self._guarded(at, at.path, lambda: self._serve(200, found, at))
        return self._guarded(at, at.path, lambda: self._missing(at))

    def _files(self, path: str) -> Found | Moved | None:
        return resolve(self.rules, self.tree, self.here.previous, path)

    def _missing(self, at: _At) -> Answer:
        """No file and no rule: the page of a single-page app, a listing, or 404."""
        near = page(self.rules, self.tree, at.path)
        fallback = self.rules.fallback(self.tree)
        if fallback and not (self.rules.dialect == "cloudflare" and near and self.rules.spa is None):
            return self._internal(200, fallback, at)
        if self.rules.dir_listing and at.path.strip("/") in self.tree.folders:
            if not at.path.endswith("/"):
                return self._moved(301, _escaped(at.path + "/", at.asked), at, query=True)
            status = conditional.precondition(self.request.headers, None)
            headers = self._fields(status, at, at.path)
            if status == 412:
                return self._bare(412, at)
            if status == 304:
                return Answer(status=304, headers=headers)
            text = listing.listing(self.tree, at.path)
            return Answer(status=200, headers=(("Content-Type", listing.TYPE), *headers), text=text, listing=at.path)
        return self._page(404, at.path, at)

    def _apply(self, rule: Redirect, match: Mapping[str, str], at: _At) -> Answer:
        if rule.internal:
            to = "".join(match.get(piece, "") if odd % 2 else piece for odd, piece in enumerate(rule.template()[0]))
            if rule.code != 200 and len(rule.template()[0]) == 1 and named(self.tree, to) is None:
                return self._page(404, at.path, at) if rule.code == 404 else self._bare(rule.code, at)
            return self._internal(rule.code, to, at)
        return self._moved(rule.code, location(rule, match, at.asked), at)

    def _internal(self, status: int, to: str, at: _At) -> Answer:
        """Answer with a file of the site, the address stays."""
        found = named(self.tree, to)
        if status != 200:
            if found is None:
                return self._guarded(at, to, lambda: self._bare(404, at, file=to))
            return self._guarded(at, to, lambda: self._serve(status, found, at))
        if found is None:
            return self._guarded(at, to, lambda: self._page(404, to, at))
        return self._guarded(at, to, lambda: self._serve(200, found, at))

    def _page(self, status: int, path: str, at: _At) -> Answer:
        url = page(self.rules, self.tree, path)
        if url is None:
            return self._bare(status, at, file=path)
        return self._guarded(at, url, lambda: self._serve(status, Found(url), at))

    def _guarded(self, at: _At, url: str, then: Callable[[], Answer]) -> Answer:
        """What stands behind the rewriting: the rate limit, then the password."""
        if self.request.over_limit and self.rules.rate_limit is not None:
            return self._bare(429, at)
        auth = self.rules.basic_auth
        if auth is not None and (auth.covers(at.path) or auth.covers(url)) and not self._known():
            challenge = ("WWW-Authenticate", f'Basic realm="{auth.realm}"')
            return self._bare(401, at, challenge)
        return then()

    def _known(self) -> bool:
        auth = self.rules.basic_auth
        kind, _, words = self.request.headers.get("authorization", "").partition(" ")
        if auth is None or kind.lower() != "basic":
            return False
        try:
            user, colon, password = base64.b64decode(words.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return bool(colon) and user in auth.users and self.fits(password, auth.users[user])

    def _serve(self, status: int, found: Found, at: _At) -> Answer:
        tree = self.here.previous if found.previous else self.tree
        headers = self.request.headers
        url, encoding = conditional.variant(tree, found.url, headers, self.here.brotli and not found.previous)
        entry = tree[url[1:]]
        base: list[tuple[str, str]] = [("Content-Type", fields.content_type(self.rules, at.path, found.url))]
        if encoding:
            base.append(("Content-Encoding", encoding))
        base.append(("ETag", etag_of(entry)))
        given = Answer(status=status, file=url[1:], previous=found.previous)
        if status == 200:
            status = conditional.precondition(headers, entry)
            if status == 412:
                return self._bare(412, at)
            if status == 304:
                kept = [pair for pair in base if pair[0] == "ETag"]
                return Answer(status=304, headers=(*kept, *self._fields(304, at, found.url)))
            if not encoding:
                asked = None
                if conditional.wants_range(headers, entry):
                    asked = conditional.ranges(headers["range"], entry.size)
                if asked == 416:
                    sized = ("Content-Range", f"bytes */{entry.size}")
                    headers_of_file = self._fields(200, at, found.url)  # as nginx has them by then
                    return Answer(status=416, headers=(("Content-Type", "text/html"), sized, *headers_of_file))
                if isinstance(asked, tuple):
                    first, end = asked
                    base.append(("Content-Range", f"bytes {first}-{end - 1}/{entry.size}"))
                    given = replace(given, status=206, first=first, end=end)
                else:
                    base.append(("Accept-Ranges", "bytes"))
        return replace(given, headers=(*base, *self._fields(given.status, at, found.url)))

    def _moved(self, status: int, to: str, at: _At, query: bool = False) -> Answer:
        if query and at.asked.query:
            to += "?" + at.asked.query
        return Answer(status=status, headers=(("Location", to), *self._bare(status, at).headers))

    def _bare(self, status: int, at: _At, *more: tuple[str, str], file: str | None = None) -> Answer:
        """An answer with nginx's own page. `file`: the path that was looked for, where it isn't the one asked for."""
        body = [("Content-Type", "text/html")] if status != 451 else []  # nginx has no page for that one
        headers = [*body, *more, *self._fields(status, at, at.path if file is None else file)]
        return Answer(status=status, headers=tuple(headers))

    def _fields(self, status: int, at: _At, file: str) -> tuple[tuple[str, str], ...]:
        origin = self.request.headers.get("origin", "")
        secure = self.here.tls and self.request.scheme == "https"
        return fields.fields(
            self.rules,
            types_of(self.tree, self.here.previous),
            status=status,
            path=at.path,
            file=file,
            host=self.request.host,
            origin=origin,
            secure=secure,
        )


@dataclass(frozen=True)
class _At:
    path: str
    asked: target.Target


def types_of(tree: Tree, previous: Tree) -> tuple[str, ...]:
    """The types that vary, of both releases that are served from."""
    return tuple(sorted({*tree.packed_types, *previous.packed_types}))


def _escaped(path: str, asked: target.Target) -> str:
    """A path as nginx repeats it in a Location."""
    return target.unescape_redirect(target.escape(path)) if asked.quoted else path


def matching(rule: Redirect, request: Request, asked: target.Target) -> dict[str, str] | None:
    """What the placeholders of a rule stand for, or None where the rule doesn't match."""
    if rule.source.host and rule.source.host != f"{request.scheme}://{request.host.split(':')[0].lower()}":
        return None
    found = rule.source.match(asked.path)
    if found is None:
        return None
    for name, value in rule.query:
        given = _argument(asked.query, name)
        if not re.fullmatch(rule.value_regex(value), given):
            return None
        if value.startswith(":"):
            found[value[1:]] = given
    return found


def _argument(query: str, name: str) -> str:
    """The raw value of the first parameter of that name, as $arg_name is."""
    for pair in query.split("&"):
        known, equals, value = pair.partition("=")
        if equals and known.lower() == name.lower():
            return value
    return ""


def location(rule: Redirect, match: Mapping[str, str], asked: target.Target) -> str:
    """The Location of a redirect. A target's own query takes the place of the request's; a fragment stays last."""
    place, query, fragment = rule.template()
    in_path = frozenset(rule.source.names)

    def filled(pieces: tuple[str, ...]) -> str:
        out = ""
        for odd, piece in enumerate(pieces):
            value = match.get(piece, "") if odd % 2 else piece
            out += target.escape(value) if odd % 2 and piece in in_path and asked.quoted else value
        return out

    to = filled(place)
    if query:
        to += "?" + filled(query)
    elif asked.query and not rule.query:
        to += "?" + asked.query
    if fragment:
        to += "#" + fragment
    return to if rule.static else target.unescape_redirect(to)
