"""`_redirects`, as Netlify and as Cloudflare Pages read it.

Netlify (docs.netlify.com/routing/redirects, .../redirect-options, and the grammar of @netlify/redirect-parser):
`from [query] to [code[!]] [conditions]`, default 301, the first rule that matches wins, an existing file wins over a
rule without `!`. Cloudflare (developers.cloudflare.com/pages/configuration/redirects): `from to [code]`, default 302,
rules come before files, 2,000 static and 100 dynamic rules, 1,000 characters a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from reconciler.core.problem import Problem
from reconciler.systems.sites.rules import target
from reconciler.systems.sites.rules.pattern import LONGEST, NAME, BadPattern, Dialect, Pattern, compile_pattern

REDIRECTS = frozenset({301, 302, 303, 307, 308})
PAGES = frozenset({404, 410, 451})
"""Codes that answer with a page of the site and leave the address as it is."""
CODES: Mapping[Dialect, frozenset[int]] = {
    "netlify": REDIRECTS | PAGES | {200},
    "cloudflare": REDIRECTS | {200},
}
DEFAULT_CODE: Mapping[Dialect, int] = {"netlify": 301, "cloudflare": 302}
MOST_STATIC = 2_000
MOST_DYNAMIC = 100

VALUE = r"(?:(?!%2[fF]|%5[cC]|[/\\&]).)+"
"""What a placeholder of a query takes: no slash, else `/:id` could become `//evil.example`."""
SAFE_VALUE = r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*"
"""The same for a rewrite, where the raw value becomes part of a file's path."""


@dataclass(frozen=True)
class Redirect:
    """One rule. `to` is the target as it is sent: a path with query and fragment, or a URL."""

    source: Pattern
    to: str
    code: int
    force: bool = False
    query: tuple[tuple[str, str], ...] = ()
    """Parameters that the request must have: (name, value), where a value may be `:placeholder`."""
    path: str = ""
    line: int = 0

    @property
    def conditional(self) -> bool:
        return bool(self.query or self.source.host)

    @property
    def internal(self) -> bool:
        """Whether the address stays: a rewrite, or a page with a code."""
        return self.code not in REDIRECTS

    @property
    def static(self) -> bool:
        """Whether the Location holds nothing of the request's path or query but the query as a whole."""
        return self.source.literal is not None and not self.conditional

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.source.names) | {value[1:] for _, value in self.query if NAME.fullmatch(value)}

    def value_regex(self, value: str) -> str:
        if NAME.fullmatch(value):
            return SAFE_VALUE if self.internal else VALUE
        return re.escape(value)

    def template(self) -> tuple[tuple[str, ...], tuple[str, ...], str]:
        """Path or URL, query, fragment of the target; the odd pieces are placeholders' names."""
        before, _, fragment = self.to.partition("#")
        place, mark, query = before.partition("?")
        return self._pieces(place), self._pieces(query) if mark else (), fragment

    def _pieces(self, words: str) -> tuple[str, ...]:
        out = [""]
        at = 0
        for found in NAME.finditer(words):
            if found[1] in self.names:
                out[-1] += words[at : found.start()]
                out += [found[1], ""]
                at = found.end()
        out[-1] += words[at:]
        return tuple(out)


@dataclass(frozen=True)
class _Line:
    number: int
    words: tuple[str, ...]
    text: str
    path: str

    def problem(self, message: str, hint: str, code: str = "bad-redirect", warning: bool = False) -> Problem:
        return Problem(
            code=code,
            message=message,
            path=self.path,
            line=self.number,
            severity="warning" if warning else "error",
            hint=hint,
        )


class _Bad(Exception):
    """This rule can't be served: (what is wrong, the next step)."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def parse(text: str, path: str, dialect: Dialect) -> tuple[tuple[Redirect, ...], tuple[Problem, ...]]:
    """Read a `_redirects` file. A line that can't be served is left out and told of with its place."""
    rules: list[Redirect] = []
    problems: list[Problem] = []
    for line in _lines(text, path):
        if dialect == "cloudflare" and len(line.text) > LONGEST:
            problems.append(
                line.problem(
                    f"A rule has at most {LONGEST:,} characters; this one has {len(line.text):,}.", "Shorten it."
                )
            )
            continue
        try:
            rule, told = _rule(line, dialect)
        except _Bad as bad:
            problems.append(line.problem(str(bad), bad.hint))
            continue
        rules.append(rule)
        problems += told
    if dialect == "cloudflare":
        kept, over = _limits(rules, path)
        return tuple(kept), tuple([*problems, *over])
    return tuple(rules), tuple(problems)


def _lines(text: str, path: str) -> Iterator[_Line]:
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        words = line.split()
        comment = next((at for at, word in enumerate(words) if word.startswith("#")), len(words))
        if words[:comment]:
            yield _Line(number, tuple(words[:comment]), line, path)


def rule(
    source: str, to: str, code: int | None, dialect: Dialect, *, force: bool = False, path: str = "", line: int = 0
) -> tuple[Redirect | None, tuple[Problem, ...]]:
    """A rule from a manifest's fields, by the same checks as a line."""
    words = (source, to, *([f"{code}{'!' if force else ''}"] if code is not None or force else []))
    if force and code is None:
        words = (source, to, f"{DEFAULT_CODE[dialect]}!")
    at = _Line(line, words, " ".join(words), path)
    try:
        made, told = _rule(at, dialect)
    except _Bad as bad:
        return None, (at.problem(str(bad), bad.hint),)
    return made, told


def _rule(line: _Line, dialect: Dialect) -> tuple[Redirect, tuple[Problem, ...]]:
    source, query, to, code, force = _netlify(line) if dialect == "netlify" else _cloudflare(line)
    try:
        pattern = compile_pattern(source, dialect, splat_anywhere=False)
    except BadPattern as bad:
        raise _Bad(str(bad), "Write the pattern as the dialect allows.") from bad
    if pattern.host and dialect == "cloudflare":
        raise _Bad("Cloudflare's rules match paths, not domains.", "Write a path, or set dialect: netlify.")
    if any(not isinstance(piece, str) for piece in pattern.host_pieces):
        raise _Bad("A placeholder stands in the path, not in the domain.", "Write one rule for each domain.")
    for name, value in query:
        if not re.fullmatch(r"[A-Za-z0-9_]+", name):
            raise _Bad(f"nginx can't look at a query parameter called {name}.", "Use letters, digits and underscores.")
        if not value or re.search(r"[&#\s]", value):
            raise _Bad(f"The parameter {name} needs a value or a placeholder.", f"Write {name}=:{name}.")
    made = Redirect(source=pattern, to=to, code=code, force=force, query=tuple(query), path=line.path, line=line.number)
    return _checked(made, line)


def _checked(made: Redirect, line: _Line) -> tuple[Redirect, tuple[Problem, ...]]:
    told: list[Problem] = []
    to = made.to
    if re.match(r"https?://", to):
        if made.internal:
            raise _Bad(
                f"A rule with code {made.code} serves a file of this site; trueup is no proxy.",
                "Use a redirect (302), or a path of this site.",
            )
        authority = re.match(r"https?://([^/?#]*)", to)
        assert authority is not None
        if any(found[1] in made.names for found in NAME.finditer(authority[1])):
            raise _Bad("A visitor would choose the host that is redirected to.", "Put a / behind the host.")
    elif not to.startswith("/"):
        raise _Bad("A target starts with / or with https://.", "Write a path or a whole URL.")
    elif to.startswith("//"):
        raise _Bad("A target that starts with // leads to another host.", "Write https:// before the host.")
    used = {found[1] for found in NAME.finditer(to)} - made.names
    if made.source.literal is None and used:
        told.append(
            line.problem(
                f"The target names :{min(used)}, which the pattern doesn't have; it is sent as it is.",
                "Name it in the pattern too.",
                "unknown-placeholder",
                warning=True,
            )
        )
    if made.internal:
        before = re.split(r"[?#]", to, maxsplit=1)[0]
        if before != to:
            told.append(
                line.problem(
                    "The query and fragment of a rewrite's target change nothing: a file is served.",
                    "Leave them out.",
                    "useless-query",
                    warning=True,
                )
            )
        try:
            meant = target.parse(before)
        except target.BadTarget as bad:
            raise _Bad(str(bad), "Write the path of a file of this site.") from bad
        if re.search(r"[?\\\x00-\x1f\x7f]", meant.path):
            raise _Bad("The target's file name has a character that can't be served.", "Rename the file.")
        return _with(made, meant.path), tuple(told)
    if re.search(r"%(?![0-9A-Fa-f]{2})", to):
        raise _Bad("A % in a target has two hexadecimal digits behind it.", "Write %25 for a percent sign.")
    return _with(made, quote(to, safe="/?#%:@!$&'()*+,;=~[]")), tuple(told)


def _with(made: Redirect, to: str) -> Redirect:
    return Redirect(made.source, to, made.code, made.force, made.query, made.path, made.line)


_Parts = tuple[str, list[tuple[str, str]], str, int, bool]


def _netlify(line: _Line) -> _Parts:
    source, *rest = line.words
    if not rest:
        raise _Bad("A rule says where from and where to.", "Add the target.")
    if re.fullmatch(r"\d{3}!?", rest[0]):  # "/* 200": the target is the path itself
        rest = [re.sub(r"\*$", ":splat", re.sub(r"^https?://[^/]+", "", source)), *rest]
    at = next((i for i, word in enumerate(rest) if word.startswith("/") or re.match(r"https?:", word)), None)
    if at is None:
        raise _Bad("A target starts with /, http: or https:.", "Write a path or a whole URL.")
    query = [_pair(word) for word in rest[:at]]
    code, force = DEFAULT_CODE["netlify"], False
    tail = rest[at + 1 :]
    if tail and "=" not in tail[0]:
        code, force = _code(tail[0], "netlify")
        tail = tail[1:]
    if tail:
        name = tail[0].split("=")[0]
        raise _Bad(
            f"The condition {name}= is not served here: a file's address alone decides what a visitor gets.",
            "Remove the rule, or write it without the condition.",
        )
    return source, query, rest[at], code, force


def _cloudflare(line: _Line) -> _Parts:
    if not 2 <= len(line.words) <= 3:
        raise _Bad(f"A rule has 2 or 3 words; this one has {len(line.words)}.", "Write: from to [code].")
    source, to = line.words[:2]
    code = DEFAULT_CODE["cloudflare"]
    if len(line.words) == 3:
        code, force = _code(line.words[2], "cloudflare")
        if force:
            raise _Bad("Cloudflare's rules come before files always; there is no !.", "Leave the ! out.")
    return re.sub(r"#.*", "", source), [], to, code, False


def _code(word: str, dialect: Dialect) -> tuple[int, bool]:
    digits, force = word.rstrip("!"), word.endswith("!")
    if not re.fullmatch(r"\d{3}", digits) or int(digits) not in CODES[dialect]:
        known = ", ".join(str(code) for code in sorted(CODES[dialect]))
        raise _Bad(f"{word} is no code of a rule.", f"Use one of {known}.")
    return int(digits), force


def _pair(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, value


def _limits(rules: Iterable[Redirect], path: str) -> tuple[list[Redirect], list[Problem]]:
    """Cloudflare's limits: a rule counts as static until the first one with a wildcard."""
    kept: list[Redirect] = []
    told: list[Problem] = []
    static = dynamic = 0
    for each in rules:
        is_static = each.source.literal is not None and not dynamic
        static, dynamic = static + is_static, dynamic + (not is_static)
        if (static if is_static else dynamic) > (MOST_STATIC if is_static else MOST_DYNAMIC):
            most = f"{MOST_STATIC:,} static" if is_static else f"{MOST_DYNAMIC} dynamic"
            told.append(
                Problem(
                    code="too-many-redirects",
                    message=f"Cloudflare takes at most {most} rules; this one is left out.",
                    path=path,
                    line=each.line,
                    hint="Join rules by * and placeholders, or set dialect: netlify.",
                )
            )
        else:
            kept.append(each)
    return kept, told
