"""The order of rules and files of answer.py, said to nginx: its locations.

What decides is only `rewrite`, `return` and `if` around them, in the order written, since those are safe in an `if`
(nginx's "If Is Evil"); files are tried by try_files. A path has several shapes (x.html, x/, x/index, a name with a hash);
each has an internal location below /.trueup/, which no visitor can ask for, as dot-files are never served.
A Location is built by `rewrite`, not by `return`: that alone escapes what it repeats of the request.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from reconciler.systems.sites.rules import fields
from reconciler.systems.sites.rules.listing import TYPE, listings
from reconciler.systems.sites.rules.nginx_ranges import FILE, TARGET, UNSERVED, Ranges, strip, tried
from reconciler.systems.sites.rules.nginx_text import Names, block, word
from reconciler.systems.sites.rules.redirects import REDIRECTS, Redirect
from reconciler.systems.sites.rules.resolve import named, page, resolve
from reconciler.systems.sites.rules.site import HASHED, Rules, Tree

OUTSIDE = r"^(?!/\.trueup/)"
"""The start of a pattern that is for paths of visitors alone."""
KEPT = "$is_args$args"
"""Behind the last of `try_files`, which is an internal redirect: nginx drops the query there."""
TAIL = "$is_args$args?"
"""Behind a replacement of `rewrite`: the query of the request, and no second one."""


class Routes:
    """The locations of a site's server."""

    def __init__(
        self, rules: Rules, tree: Tree, previous: Tree, previous_root: str | None, names: Names, brotli: bool = False
    ) -> None:
        self.rules, self.tree, self.previous, self.names = rules, tree, previous, names
        self.previous_root, self.brotli = previous_root, brotli
        self.ranges = Ranges(names)
        self.codes: set[int] = set()
        """The codes other than 301 and 302 that are needed: each has a named location."""
        self.exact, self.sequence = self._sorted()

    # ---- which rules are decided by nginx's table of exact paths

    def _sorted(self) -> tuple[list[tuple[str, Redirect]], list[Redirect]]:
        exact: list[tuple[str, Redirect]] = []
        sequence: list[Redirect] = []
        for at, rule in enumerate(self.rules.redirects):
            paths = [] if rule.conditional or rule.source.literal is None else self._spellings(rule.source.literal)
            decided = [path for path in paths if self._decides(at, rule, path)]
            exact += [(path, rule) for path in decided]
            if not paths or decided != paths:
                sequence.append(rule)
        return exact, sequence

    def _spellings(self, path: str) -> list[str]:
        if self.rules.dialect == "cloudflare":
            return [path]
        bare = path.rstrip("/")
        return [bare, bare + "/"] if bare else ["/"]

    def _decides(self, at: int, rule: Redirect, path: str) -> bool:
        if next(self.rules.order.matching(path, at), None) is not None:
            return False
        first = self.rules.dialect == "cloudflare" or rule.force
        return first or resolve(self.rules, self.tree, self.previous, path) is None

    # ---- one rule

    def _moved(self, code: int) -> tuple[str, str]:
        """(what makes a `rewrite ... permanent` answer with another code, the flag)."""
        if code in (301, 302):
            return "", "permanent" if code == 301 else "redirect"
        self.codes.add(code)
        return f"error_page 301 = @moved{code};", "permanent"

    def _filled(self, rule: Redirect, pieces: tuple[str, ...]) -> str:
        groups = {name: f"${at}" for at, name in enumerate(rule.source.names, 1)}
        groups |= {value[1:]: f"${{arg_{name}}}" for name, value in rule.query if value.startswith(":")}
        return "".join(groups[p] if odd % 2 else self.names.safe(p) for odd, p in enumerate(pieces))

    def _location(self, rule: Redirect) -> str:
        place, query, fragment = rule.template()
        own = "?" + self._filled(rule, query) if query else "" if rule.query else "$is_args$args"
        return self._filled(rule, place) + own + ("#" + self.names.safe(fragment) if fragment else "")

    def _acts(self, rule: Redirect) -> list[str]:
        """What is done where the rule matches; its groups are those of the regular expression before."""
        if rule.code in REDIRECTS and rule.static:
            return [f'return {rule.code} "{self._location(rule)}";']
        if rule.code in REDIRECTS:
            page, flag = self._moved(rule.code)
            return [*([page] if page else []), f'rewrite {word(rule.source.regex)} "{self._location(rule)}?" {flag};']
        to = self._filled(rule, rule.template()[0])
        if rule.code == 200:
            return [f'rewrite {word(rule.source.regex)} "{self.ranges.file}{to}" last;']
        if len(rule.template()[0]) == 1 and named(self.tree, rule.to) is None:
            return [f"return {rule.code};"]
        return [f'error_page {rule.code} "{FILE}{to}";', f"return {rule.code};"]

    def _rule(self, rule: Redirect) -> list[str]:
        return self._guarded(rule, self._acts(rule), simple=rule.code in (200, 301, 302) and not rule.static)

    def _guarded(self, rule: Redirect, acts: list[str], *, simple: bool) -> list[str]:
        if not rule.conditional:
            if simple:
                return acts
            return [f"if ($uri ~ {word(rule.source.regex)}) {{ {' '.join(acts)} }}"]
        parts, wanted = [], []
        if rule.source.host:
            parts.append("$scheme://$host")
            wanted.append(re.escape(rule.source.host))
        for name, value in rule.query:
            parts.append(f"$arg_{name}")
            wanted.append(f"(?:{rule.value_regex(value)})")
        seen = "&".join([*parts, "$uri"])
        regex = "^" + "&".join([*wanted, rule.source.inner(groups=rule.code not in REDIRECTS | {200})]) + "$"
        case = self.names("case")
        return [f'set {case} "{seen}";', f"if ({case} ~ {word(regex)}) {{ {' '.join(acts)} }}"]

    # ---- locations

    def lines(self) -> list[str]:
        out: list[str] = []
        for path, rule in self.exact:
            acts = self._acts(rule)
            out += block(f"location = {word(path)}", acts)
        for at in reversed(range(len(self.rules.headers))):
            said = self.rules.headers[at]
            kind = fields.type_of(said)
            if kind is not None:
                typed = ["types { }", f"default_type {word(kind)};"]
                lost = f"@previous{at}" if self.previous_root is not None else f"/.trueup/asset/{KEPT}"
                sends = self._sends(["$uri"], lost, more=typed)
                body = [*typed, *self._before(), *self._shapes(typed=True), *sends]
                # Places below /.trueup/ are patterns too, and the first that matches wins.
                out += block(f"location ~ {word(OUTSIDE + said.pattern.regex[1:])}", body)
                out += self._previous(f"@previous{at}", typed)
        out += block("location /", [*self._before(), *self._shapes(), *self._sends(self._plain())])
        out += self._inner()
        out += block("location @rules", self._last())
        out += self.ranges.lines()
        for code in sorted(self.codes):
            out += block(f"location @moved{code}", [f"return {code} $sent_http_location;"])
        return out

    def _before(self) -> list[str]:
        """Rules that come before files."""
        if self.rules.dialect == "cloudflare":
            return [line for rule in self.sequence for line in self._rule(rule)]
        last = max((at for at, rule in enumerate(self.sequence) if rule.force), default=-1)
        out: list[str] = []
        for rule in self.sequence[: last + 1]:
            if rule.force:
                out += self._rule(rule)
            else:  # this rule decides, and lets a file win: later rules with ! don't count
                acts = [f'rewrite {word(rule.source.regex)} "/.trueup/files/" last;']
                out += self._guarded(rule, acts, simple=True)
        return out

    def _shapes(self, *, typed: bool = False) -> list[str]:
        out = ['rewrite "^(.+)\\\\.(?:gz|br)$" "/.trueup/packed$1" last;']
        if not typed:
            out.append(f'rewrite {word(HASHED)} "/.trueup/asset$uri" last;')
        if self.rules.pretty_urls:
            out.append('rewrite "^(.*)\\\\.html$" "/.trueup/html$1" last;')
            out.append('rewrite "^(|/.*)/index$" "/.trueup/index$1" last;')
        return [*out, 'rewrite "^(.*)/$" "/.trueup/slash$1" last;']

    def _sends(self, tries: list[str], then: str = "@rules", *, back: str = "", more: Sequence[str] = ()) -> list[str]:
        """The last lines of a location that sends the first of these files that is there, or goes on to `then`."""
        return [self.ranges.leave(tries, then, more), *([back] if back else []), tried(tries, then)]

    def _named(self, name: str, tries: list[str], then: str = "@rules", more: Sequence[str] = ()) -> list[str]:
        self.ranges.named(name, tries, then, more)
        return block(f"location {name}", [*more, tried(tries, then)])

    def _plain(self) -> list[str]:
        return ["$uri", *self._more()]

    def _more(self) -> list[str]:
        return ["${uri}.html"] if self.rules.pretty_urls else ["${uri}.html", "${uri}/index.html"]

    def _inner(self) -> list[str]:
        path, base = self.names("path"), self.names("base")
        named = f"(?<{self.names.prefix}base>"
        back = f"rewrite ^ {path} break;"
        there = f'if (-f "$document_root{base}'
        other, flag = self._moved(self.rules.moved)
        moved = [other] if other else []
        away = f'"$1{TAIL}" {flag};'

        def inner(shape: str, ending: str, body: list[str]) -> list[str]:
            regex = "^/" + re.escape(f".trueup/{shape}") + named + ending + ")$"
            return block(f"location ~ {word(regex)}", ["internal;", *body])

        out = block(f"location ^~ {FILE}/", ["internal;", strip(FILE), UNSERVED, "break;", tried(TARGET, "=404")])
        files = ["internal;", f"rewrite ^ {path};", *self._shapes(), *self._sends(self._plain(), back=back)]
        out += block("location ^~ /.trueup/files/", files)
        if self.rules.basic_auth is not None:
            out += block(
                "location ^~ /.trueup/guard/", ["internal;", back, f"try_files /.trueup/none /.trueup/open/{KEPT};"]
            )
            out += block("location ^~ /.trueup/open/", ["internal;", f"rewrite ^ {path} last;"])
        out += block("location ^~ /.trueup/rules/", ["internal;", back, "try_files /.trueup/none @rules;"])
        form = f'{there}") {{ rewrite ^ "/.trueup/rules/" last; }}'
        out += inner("packed", "/.+", [form, *self._sends(["$uri"], back=back)])
        out += block("location ^~ /.trueup/asset/", ["internal;", *self._sends(["$uri"], "@previous", back=back)])
        if self.previous_root is not None:
            out += self._previous("@previous", [])
            out += self._named("@after", self._more())
        else:
            out += self._named("@previous", self._more())
        if not self.rules.pretty_urls:
            loose = [f"{base}/index.html", f"{_braces(base)}.html"]
            return out + inner("slash", "(?:/.*)?", self._sends(loose, back=back))
        out += block("location ^~ /.trueup/keep/", ["internal;", *self._sends(self._plain(), back=back)])
        out += inner(
            "html",
            "/.*",
            [
                *moved,
                f'{there}") {{ rewrite ^ "/.trueup/keep/" last; }}',
                f'{there}.html") {{ rewrite "^/\\\\.trueup/html(|/.*)/index$" "$1/{TAIL}" {flag}; '
                f'rewrite "^/\\\\.trueup/html(/.*)$" {away} }}',
                *self._sends(self._plain(), back=back),
            ],
        )
        to_index = f'rewrite "^/\\\\.trueup/index(.*)$" "$1/{TAIL}" {flag};'
        keep = f'{there}/index") {{ rewrite ^ "/.trueup/keep/" last; }}'
        if self.rules.dialect == "netlify":
            out += inner(
                "slash",
                "(?:/.*)?",
                [
                    f'{there}.html") {{ rewrite "^/\\\\.trueup/slash(/.+)$" {away} }}',
                    *self._sends(["${uri}index.html"], back=back),
                ],
            )
            out += inner(
                "index",
                "(?:/.*)?",
                [
                    keep,
                    f'{there}/index.html") {{ {to_index} }}',
                    *self._sends(self._plain(), back=back),
                ],
            )
        else:
            out += inner(
                "slash",
                "(?:/.*)?",
                [
                    *moved,
                    f'{there}/index.html") {{ rewrite ^ "{self.ranges.file}{base}/index.html" last; }}',
                    f'rewrite "^/\\\\.trueup/slash(|/.*)/index$" "$1/{TAIL}" {flag};',
                    f'{there}.html") {{ rewrite "^/\\\\.trueup/slash(/.+)$" {away} }}',
                    back,
                    "try_files /.trueup/none @rules;",
                ],
            )
            out += inner("index", "(?:/.*)?", [*moved, keep, to_index])
        return out

    def _previous(self, name: str, typed: list[str]) -> list[str]:
        """The release before, for names with a hash."""
        if self.previous_root is None:
            return []
        elsewhere = [
            *typed,
            f"root {word(self.previous_root)};",
            "open_file_cache_errors off;",  # another release takes this place at a switch
            # A link leads here, which Place.brotli says why not to follow elsewhere.
            *(["disable_symlinks on from=$document_root;", "brotli_static off;"] if self.brotli else []),
        ]
        return self._named(name, [self.names("kept")], "@after", elsewhere)

    def _last(self) -> list[str]:
        """Where no file was found: a folder's address, rules that come behind files, the app's page, a listing, 404."""
        out: list[str] = []
        if self.rules.pretty_urls:
            other, flag = self._moved(self.rules.moved)
            acts = f'{other} rewrite "^(.*)$" "$1/{TAIL}" {flag};'.strip()
            out.append(f'if (-f "$document_root$uri/index.html") {{ {acts} }}')
        if self.rules.dialect == "netlify":
            out += [line for rule in self.sequence for line in self._rule(rule)]
        fallback = self.rules.fallback(self.tree)
        if fallback is not None:
            away = f'rewrite ^ "{self.ranges.file}{self.names.safe(fallback)}" last;'
            if self.rules.dialect == "cloudflare" and self.rules.spa is None and self._nearest():
                away = f"if ({self.names('missing')} = /.trueup/none) {{ {away} }}"
            out.append(away)
        if self.rules.dir_listing:
            out.append('rewrite "^(.*/)$" "/.trueup/list$1" last;')
            out.append(f'if (-d "$document_root$uri") {{ rewrite "^(.*)$" "$1/{TAIL}" permanent; }}')
        return [*out, "return 404;"]

    def listing(self) -> list[str]:
        if not self.rules.dir_listing:
            return []
        back, listing = f"rewrite ^ {self.names('path')} break;", self.names("listing")
        out = block("location ^~ /.trueup/list/", ["internal;", back, "try_files /.trueup/none =404;"])
        for url, text in listings(self.tree).items():
            shown = [f'set {listing} "{self.names.safe(text)}";', back, "try_files /.trueup/none @list;"]
            out += block(f"location = {word('/.trueup/list' + url)}", ["internal;", *shown])
        listed = ["types { }", f"default_type {word(TYPE)};", self.ranges.none, f"return 200 {listing};"]
        return out + block("location @list", listed)

    def _nearest(self) -> bool:
        """Whether a path has its own page for 404, the nearest above it."""
        nearest = self.rules.dialect == "cloudflare" and self.rules.custom_404 == "/404.html"
        return nearest and bool(self.tree.error_pages)

    def error_pages(self) -> tuple[list[str], list[str]]:
        """(lines at http level, lines in the server)."""
        rules, http, server = self.rules, [], []
        if self._nearest():
            pages = self.tree.error_pages
            rows = "".join(f"  {word('~^' + re.escape(url[:-8]))} {self.names.value(url)};\n" for url in pages)
            http.append(f"map $uri {self.names('missing')} {{\n  volatile;\n{rows}  default /.trueup/none;\n}}")
            server.append(f'error_page 404 "{FILE}{self.names("missing")}";')
        elif (url := page(rules, self.tree, "/")) is not None:
            server.append(f'error_page 404 "{FILE}{self.names.safe(url)}";')
        if rules.custom_50x is not None and self.tree.file(rules.custom_50x):
            server.append(f'error_page 500 502 503 504 "{FILE}{self.names.safe(rules.custom_50x)}";')
        return http, server


def _braces(variable: str) -> str:
    return f"${{{variable[1:]}}}"
