"""Which rules match a path, in their order, without asking each: sites have ten thousand rules, nearly all of one path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from heapq import merge

from reconciler.systems.sites.rules import target
from reconciler.systems.sites.rules.redirects import Redirect


class Order:
    """Rules by path. Conditions (a domain, query parameters) are not looked at."""

    def __init__(self, rules: Sequence[Redirect]) -> None:
        self.rules = tuple(rules)
        self._literal: dict[str, list[int]] = {}
        self._below: dict[str, list[int]] = {}
        """Those with a wildcard behind a first part that has none, by it: /docs/* by docs."""
        self._wild: list[int] = []
        for at, rule in enumerate(self.rules):
            # An empty part of a pattern (`//a`) may count for nothing: that is the pattern's to say as well.
            if rule.source.literal is None or "//" in rule.source.literal:
                first = _first(rule.source.written)
                (self._below.setdefault(first, []) if first else self._wild).append(at)
            else:
                self._literal.setdefault(_key(rule.source.literal), []).append(at)

    def matching(self, path: str, before: int | None = None) -> Iterator[int]:
        """The places of the rules that match a decoded path, ascending; only those before `before`, where given."""
        below = self._below.get(path[1:].partition("/")[0], ())
        for at in merge(self._literal.get(_key(path), ()), below, self._wild):
            if before is not None and at >= before:
                return
            if self.rules[at].source.match(path) is not None:
                yield at


def _first(written: str) -> str:
    """The first part of a pattern's path, decoded, where every path that matches begins with it; else empty."""
    path = re.sub(r"^https?://[^/]*", "", written)
    part, slash, _ = path[1:].partition("/")
    if not slash or re.search(r"[*:]", part):
        return ""
    meant = target.decode(part)
    return "" if "/" in meant else meant


def _key(path: str) -> str:
    """A path without the slash at its end: whether that counts is the pattern's to say."""
    return path.rstrip("/")
