"""What `trueup check` says of a site before anybody visits it. Each finding has the file and the line that must change."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, urljoin, urlsplit

from reconciler.core.problem import Problem, in_order
from reconciler.systems.sites.rules import links, mime, target
from reconciler.systems.sites.rules.answer import Answer, Request, answer
from reconciler.systems.sites.rules.pattern import NAME, Pattern
from reconciler.systems.sites.rules.redirects import REDIRECTS, Redirect
from reconciler.systems.sites.rules.resolve import named, resolve
from reconciler.systems.sites.rules.site import EMPTY, Rules, Tree
from reconciler.systems.sites.rules.urls import SAFE, address, open_rules, urls

Read = Callable[[str], bytes]
"""The content of a file of the tree."""

MOST_HOPS = 10
LONGEST_LINK = 2_000
"""Characters of an address that is followed. Old browsers take no more, and patterns with placeholders take their time."""
MOST_LINKS = 200
"""Dead links that are told of one by one; a site that moved would say the same thousands of times."""
HEAVY = 1024 * 1024
"""Bytes. What a page shows or runs and is larger keeps its readers waiting: a second each on a good mobile connection."""
SHOWN = ("image/", "font/", "text/html", "text/css", "text/javascript")
MOST_HEAVY = 3
LARGE = 25 * 1024 * 1024
"""Bytes. Cloudflare Pages takes no file above that (developers.cloudflare.com/pages/platform/limits)."""


def examine(
    rules: Rules, tree: Tree, read: Read, *, folder: str = "", domains: tuple[str, ...] = ()
) -> tuple[Problem, ...]:
    """All findings, in order. `folder` is put before the paths of files; `domains` are the site's own."""
    made = _Examining(open_rules(rules), tree, read, folder.rstrip("/") + "/" if folder else "", domains)
    return in_order([*made.rules_found(), *made.links_found(), *made.names_found(), *made.sizes_found()])


def biggest(tree: Tree, count: int = 10) -> tuple[tuple[str, int], ...]:
    """The largest files: (path, bytes)."""
    return tuple(sorted(((path, entry.size) for path, entry in tree.items()), key=lambda p: (-p[1], p[0]))[:count])


@dataclass
class _Examining:
    rules: Rules
    tree: Tree
    read: Read
    folder: str
    domains: tuple[str, ...]
    _answers: dict[str, tuple[Answer, int]] = field(default_factory=dict)
    _joined: dict[tuple[str, str], str | None] = field(default_factory=dict)
    _fine: set[tuple[str, bool]] = field(default_factory=set)
    """Links from the root on that lead somewhere, and whether they load: nearly all pages have those of the menu."""

    # ---- following

    def _ask(self, url: str, host: str = "", scheme: str = "https") -> Answer:
        return answer(self.rules, self.tree, Request(target=url, host=host or "localhost", scheme=scheme))

    def follow(self, url: str, host: str = "", scheme: str = "https") -> tuple[Answer, tuple[str, ...]]:
        """The last answer, and the addresses on the way; a loop ends with an address that was there before."""
        seen = [url]
        given = self._ask(url, host, scheme)
        while given.status in REDIRECTS and len(seen) <= MOST_HOPS:
            to = self._inside(urljoin(f"https://site.invalid{seen[-1]}", given.header("Location") or ""))
            if to is None:
                break
            looped = to in seen
            seen.append(to)
            if looped:
                break
            given = self._ask(to)
        return given, tuple(seen)

    def _inside(self, url: str) -> str | None:
        """Path and query of a URL of this site, encoded; None for another's, and for one that is too long to be followed."""
        if len(url) > LONGEST_LINK:
            return None
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        if parts.scheme not in ("http", "https") or (parts.hostname or "") not in ("site.invalid", *self.domains):
            return None
        path = quote(parts.path or "/", safe="%" + SAFE)
        return path + ("?" + quote(parts.query, safe="%?" + SAFE) if parts.query else "")

    # ---- rules

    def rules_found(self) -> Iterator[Problem]:
        for at, rule in enumerate(self.rules.redirects):
            never = self._never(at, rule)
            if never is not None:
                yield never
            else:
                yield from self._circle(rule)
        known = [*map(target.decode, urls(self.rules, self.tree)), *("/" + path for path in self.tree)]
        known += [rule.source.literal for rule in self.rules.redirects if rule.source.literal]
        sample = [path for rule in self.rules.redirects if rule.internal for path in _samples(rule.source)]
        everything = self.rules.fallback(self.tree) is not None
        for block in self.rules.headers:
            if block.pattern.host or (everything and block.pattern.literal is None):
                continue
            if not any(block.pattern.match(path) is not None for path in (*known, *sample)):
                yield Problem(
                    code="header-never-sent",
                    message=f"No address of this site matches {block.pattern.written}; its headers are never sent.",
                    path=self._rules_file(block.path),
                    line=block.line,
                    severity="warning",
                    hint="Write the path as the browser asks for it (pages are asked for without .html), or remove it.",
                )

    def _rules_file(self, path: str) -> str:
        return self.folder + path if path in ("_redirects", "_headers") else path

    def _never(self, at: int, rule: Redirect) -> Problem | None:
        paths = _samples(rule.source)
        for place in self.rules.order.matching(paths[0], at):
            earlier = self.rules.redirects[place]
            if earlier.conditional and (earlier.query, earlier.source.host) != (rule.query, rule.source.host):
                continue
            if all(earlier.source.match(path) is not None for path in paths):
                where = f"line {earlier.line}" if earlier.path == rule.path else f"{earlier.path}:{earlier.line}"
                return self._told(
                    rule,
                    "rule-never-matches",
                    f"{rule.source.written} never matches: the rule of {where} matches first.",
                    "Put it before that rule, or remove it.",
                )
        literal = rule.source.literal
        files_first = self.rules.dialect == "netlify" and not rule.force
        if (
            files_first
            and literal is not None
            and not rule.source.host
            and resolve(self.rules, self.tree, EMPTY, literal)
        ):
            return self._told(
                rule,
                "rule-never-matches",
                f"{rule.source.written} never matches: a file answers there.",
                f"Write {rule.code}! to come before the file, or remove the rule.",
            )
        return None

    def _told(self, rule: Redirect, code: str, message: str, hint: str, *, error: bool = False) -> Problem:
        return Problem(
            code=code,
            message=message,
            path=self._rules_file(rule.path),
            line=rule.line,
            severity="error" if error else "warning",
            hint=hint,
        )

    def _circle(self, rule: Redirect) -> Iterator[Problem]:
        if rule.internal:
            if rule.source.literal is not None and rule.code in (200, 404) and named(self.tree, rule.to) is None:
                yield self._told(
                    rule,
                    "rule-leads-nowhere",
                    f"There is no file {rule.to} for this rule to show.",
                    "Name a file of this site.",
                    error=True,
                )
            return
        scheme, _, host = (rule.source.host or "https://localhost").partition("://")
        query = "&".join(f"{name}={'x' if NAME.fullmatch(value) else value}" for name, value in rule.query)
        asked = quote(_samples(rule.source)[0], safe=SAFE) + ("?" + query if query else "")
        given, way = self.follow(asked, host, scheme)
        if len(set(way)) < len(way) or len(way) > MOST_HOPS:
            yield self._told(
                rule,
                "redirect-loop",
                f"This redirect goes in a circle: {' → '.join(way[: MOST_HOPS + 1])}.",
                "Let one of them lead to a page.",
                error=True,
            )
        elif given.status in (404, 400):
            if rule.source.literal is not None:
                yield self._told(
                    rule,
                    "rule-leads-nowhere",
                    f"This redirect leads nowhere: {' → '.join(way)} is not there.",
                    "Let it lead to a page that is there.",
                )
        elif len(way) > 2:
            yield self._told(
                rule,
                "redirect-chain",
                f"A visitor is redirected {len(way) - 1} times: {' → '.join(way)}.",
                f"Let the rule lead to {way[-1]} at once.",
            )

    # ---- files

    def names_found(self) -> Iterator[Problem]:
        by_fold: dict[str, list[str]] = {}
        for path, entry in self.tree.items():
            by_fold.setdefault(path.casefold(), []).append(path)
            if entry.size > LARGE and self.rules.dialect == "cloudflare":
                yield Problem(
                    code="large-file",
                    message=f"This file has {entry.size / 1024 / 1024:.0f} MiB; Cloudflare takes 25.",
                    path=self.folder + path,
                    severity="warning",
                    hint="Serve it from elsewhere, or set dialect: netlify.",
                )
        for same in by_fold.values():
            for path in same[1:]:
                yield Problem(
                    code="names-differ-in-case",
                    message=f"{path} and {same[0]} differ only in case.",
                    path=self.folder + path,
                    severity="warning",
                    hint="Rename one: who works on a Mac or on Windows has only one of them.",
                )

    def sizes_found(self) -> Iterator[Problem]:
        heavy = [path for path, entry in self.tree.items() if entry.size > HEAVY and mime.of(path).startswith(SHOWN)]
        if not heavy:
            return
        first, *more = biggest(Tree({path: self.tree[path] for path in heavy}), MOST_HEAVY)
        told = ", ".join(f"{path} ({_mib(size)})" for path, size in more)
        rest = f" and {len(heavy) - MOST_HEAVY} more" if len(heavy) > MOST_HEAVY else ""
        yield Problem(
            code="heavy-files",
            message=f"This file has {_mib(first[1])}, and readers of a page wait for it"
            + (f"; after it come {told}{rest}." if told else "."),
            path=self.folder + first[0],
            severity="warning",
            hint="Scale or compress it; what is only downloaded (an archive, a film) is not meant.",
        )

    # ---- links

    def links_found(self) -> Iterator[Problem]:
        told = 0
        for path in self.tree:
            for link, url in self._links(path):
                wrong = self._wrong(link, url)
                if wrong is None:
                    if link.url.startswith("/"):
                        self._fine.add((link.url, link.loads))
                    continue
                told += 1
                if told <= MOST_LINKS:
                    yield Problem(
                        code="dead-link",
                        message=wrong,
                        path=self.folder + path,
                        line=link.line,
                        severity="warning",
                        hint="Correct the link, or add a redirect for it.",
                    )
        if told > MOST_LINKS:
            yield Problem(
                code="dead-link",
                message=f"{told - MOST_LINKS:,} more links lead nowhere.",
                path=self.folder.rstrip("/"),
                severity="warning",
                hint="Correct those that are told of first.",
            )

    def _links(self, path: str) -> Iterator[tuple[links.Link, str]]:
        """The links of a file that stay in this site, with where they lead."""
        if not path.endswith((".html", ".htm", ".css")) or self.tree.packed("/" + path):
            return
        own = address(self.rules, self.tree, path) or "/" + path
        here = "https://site.invalid" + quote(own, safe=SAFE)
        found, base = links.of_file(path, self.tree[path].digest, lambda: self.read(path))
        try:
            here = urljoin(here, base or "")
        except ValueError:
            return
        in_site = here.startswith("https://site.invalid/")
        for link in found:
            if (in_site and (link.url, link.loads) in self._fine) or (base is None and link.url.startswith("#")):
                continue
            url = self._joined_to(here, link.url)
            if url is not None:
                yield link, url

    def _joined_to(self, here: str, url: str) -> str | None:
        """Where a link leads from a page. Pages share most of theirs: those from the root on are read once."""
        from_root = url.startswith("/") and here.startswith("https://site.invalid/")
        key = ("" if from_root else here, url)
        if key not in self._joined:
            try:
                self._joined[key] = self._inside(urljoin(here, url))
            except ValueError:
                self._joined[key] = None
        return self._joined[key]

    def _wrong(self, link: links.Link, url: str) -> str | None:
        if url not in self._answers:
            given, way = self.follow(url)
            looped = len(set(way)) < len(way) or len(way) > MOST_HOPS
            self._answers[url] = (given, -1 if looped else len(way))
        given, hops = self._answers[url]
        if hops < 0:
            return f"The link to {link.url} goes in a circle of redirects."
        if given.status in (400, 404):
            return f"The link to {link.url} leads nowhere: {url} is not there."
        fallback = self.rules.fallback(self.tree)
        if fallback is None:
            return None
        path = target.decode(url.split("?")[0])
        stands_in = given.file == fallback[1:] and not path.endswith("/")
        if link.loads and stands_in and path not in (fallback, fallback.removesuffix(".html")):
            return f"{link.url} is not there: the page of the app would come in its place."
        return None


def _mib(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MiB"


def _samples(pattern: Pattern) -> tuple[str, ...]:
    """Paths that a pattern matches, with words in them that no other pattern has by chance."""
    if pattern.literal is not None:
        return (pattern.literal,)
    words = ["x-any", "x-any/x-other", ""] if "splat" in pattern.names else ["x-any"]
    found = [_filled(pattern, word) for word in words]
    return tuple(path for path in found if pattern.match(path) is not None)


def _filled(pattern: Pattern, splat: str) -> str:
    out = ""
    for piece in pattern.pieces:
        if not isinstance(piece, str):
            out += splat if piece[0] == "splat" else "x-any"
        elif piece not in ("/?", "/*", "(?:/", ")?"):
            out += re.sub(r"\\(.)", r"\1", piece)
        elif piece == "(?:/":
            out += "/"
    return out or "/"
