"""Selectors: which hosts a manifest, a pause or a filter means.

The grammar is Kubernetes' for labels, and three words for names:

    selector := group ("or" group)*        a list of selectors in YAML is the same as `or` between them
    group    := term (("," | "and") term)*
    term     := "all"                      every host
              | NAME                       the host of this name; `*` and `?` make it a glob: web-*
              | KEY "=" VALUE | KEY "==" VALUE | KEY "!=" VALUE
              | KEY "in" "(" VALUE, … ")" | KEY "notin" "(" VALUE, … ")"
              | "has" "(" KEY ")" | "!" KEY

As in Kubernetes, `!=` and `notin` also match hosts that lack the label.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TypeAlias

from ..core.model import Host
from ..core.problem import Problem, Refused

_Test: TypeAlias = Callable[[Host], bool]

_TOKEN = re.compile(r"\s*(?:(?P<op>==|!=|=|!|,|\(|\))|(?P<word>[^\s,()=!]+))")
_WORD = re.compile(r"[A-Za-z0-9*?\[\]](?:[A-Za-z0-9._/*?\[\]:@-]*)")
_RESERVED = frozenset(("and", "or", "in", "notin", "has"))
MAX_LENGTH = 4000
GRAMMAR = "a host's name, a glob (web-*), labels (role=web, env in (prod, stage), !legacy), `and`, `or`, or all"


class BadSelector(ValueError):
    """A selector that can't be read: `at` is the index of the character where it went wrong."""

    def __init__(self, message: str, at: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector that was read. Equal texts are equal selectors."""

    text: str
    _groups: tuple[tuple[_Test, ...], ...] = field(repr=False, compare=False)
    _names: tuple[str, ...] | None = field(repr=False, compare=False, default=None)
    """The hosts' names, when the selector is nothing but names: then no host has to be tried."""

    def matches(self, host: Host) -> bool:
        return any(all(test(host) for test in group) for group in self._groups)

    def pick(self, hosts: Mapping[str, Host]) -> tuple[str, ...]:
        """The names of all hosts that match, sorted."""
        if self._names is not None:
            return tuple(sorted({name for name in self._names if name in hosts}))
        return tuple(sorted(name for name, host in hosts.items() if self.matches(host)))

    @property
    def names(self) -> tuple[str, ...]:
        """The host names that it names one by one, empty when it uses anything else."""
        return self._names or ()


def joined(value: str | Sequence[str]) -> str:
    """The one text of what a manifest's `hosts` says: a list means `or`."""
    return value if isinstance(value, str) else " or ".join(value)


def parse(text: str) -> Selector:
    """Read a selector. Raises BadSelector with the place, counted in characters."""
    if len(text) > MAX_LENGTH and "=" in text:
        raise BadSelector(f"longer than {MAX_LENGTH} characters")
    return _Parser(text).selector()


def hosts(text: str, known: Mapping[str, Host]) -> tuple[str, ...]:
    """The hosts that a person asks for, sorted. Raises Refused for a selector that can't be read or that picks nobody."""
    try:
        selector = parse(text)
    except BadSelector as bad:
        at = f" (at character {bad.at + 1})" if bad.at else ""
        raise Refused(
            Problem(code="selector", message=f"{text[:200]!r} is no selector: {bad.message}{at}", hint=GRAMMAR)
        ) from None
    found = selector.pick(known)
    if not found:
        near = [guess for name in selector.names for guess in difflib.get_close_matches(name, known, n=1)]
        hint = f"did you mean {', '.join(near)}? " if near else ""
        hint += "trueup status --all lists the hosts" if known else "the commit has no Host yet"
        raise Refused(Problem(code="no-host", message=f"no host matches {text[:200]}", hint=hint))
    return found


def known(name: str, hosts: Mapping[str, Host]) -> str:
    """`name`, if it is a host of the inventory. Raises Refused, with the nearest name."""
    if name in hosts:
        return name
    near = difflib.get_close_matches(name, hosts, n=1)
    hint = f"did you mean {near[0]}?" if near else "trueup status --all lists the hosts"
    raise Refused(Problem(code="unknown-host", message=f"there is no host {name[:100]} in the inventory", hint=hint))


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, bool, int]] = []
        """(text, whether it is a word, its index)"""
        self.next = 0
        self.names: list[str] | None = []
        index = 0
        while text[index:].strip():
            found = _TOKEN.match(text, index)
            if found is None:  # can't happen: the two groups cover every character
                raise BadSelector("it can't be read here", index)
            kind = "word" if found.group("word") is not None else "op"
            self.tokens.append((found.group(kind), kind == "word", found.start(kind)))
            index = found.end()

    def selector(self) -> Selector:
        if not self.tokens:
            raise BadSelector("it is empty; `all` means every host")
        groups = [self.group()]
        while self.next < len(self.tokens):
            found, _, at = self.tokens[self.next]
            if found != "or":
                raise BadSelector(f"`,`, `and` or `or` is missing before `{found}`", at)
            self.next += 1
            groups.append(self.group())
        return Selector(self.text, tuple(groups), tuple(self.names) if self.names is not None else None)

    def group(self) -> tuple[_Test, ...]:
        tests = [self.term()]
        while self.peek() in (",", "and"):
            self.names = None
            self.next += 1
            tests.append(self.term())
        return tuple(tests)

    def peek(self) -> str:
        return self.tokens[self.next][0] if self.next < len(self.tokens) else ""

    def take(self, what: str) -> tuple[str, int]:
        if self.next >= len(self.tokens):
            raise BadSelector(f"{what} is missing at the end", len(self.text))
        token, word, at = self.tokens[self.next]
        if not word or token in _RESERVED:
            raise BadSelector(f"{what} is expected, not `{token}`", at)
        if not _WORD.fullmatch(token):
            raise BadSelector(f"`{token}` is not {what}", at)
        self.next += 1
        return token, at

    def expect(self, token: str) -> None:
        if self.peek() != token:
            at = self.tokens[self.next][2] if self.next < len(self.tokens) else len(self.text)
            raise BadSelector(f"`{token}` is missing", at)
        self.next += 1

    def term(self) -> _Test:
        if self.peek() == "!":
            self.names = None
            self.next += 1
            key, _ = self.take("a label's name")
            return lambda host: key not in host.labels
        if self.peek() == "has" and self.next + 1 < len(self.tokens) and self.tokens[self.next + 1][0] == "(":
            self.names = None
            self.next += 2
            key, _ = self.take("a label's name")
            self.expect(")")
            return lambda host: key in host.labels
        word, at = self.take("a host's name or a label")
        operator = self.peek()
        if operator in ("=", "==", "!=", "in", "notin"):
            self.names = None
            self.next += 1
            values = frozenset(self.values() if operator in ("in", "notin") else (self.value(),))
            if operator in ("!=", "notin"):
                return lambda host: host.labels.get(word) not in values
            return lambda host: host.labels.get(word) in values
        return self.name(word, at)

    def name(self, word: str, at: int) -> _Test:
        if word == "all":
            self.names = None
            return lambda host: True
        if any(char in word for char in "*?["):
            if word.count("*") > 8:
                raise BadSelector("more than eight `*` in one name", at)
            self.names = None
            return lambda host: fnmatchcase(host.name, word)
        if self.names is not None:
            self.names.append(word)
        return lambda host: host.name == word

    def value(self) -> str:
        token, at = self.take("a label's value")
        if any(char in token for char in "*?[]"):
            raise BadSelector("a label's value can't be a glob", at)
        return token

    def values(self) -> Iterable[str]:
        self.expect("(")
        found = [self.value()]
        while self.peek() == ",":
            self.next += 1
            found.append(self.value())
        self.expect(")")
        return found
