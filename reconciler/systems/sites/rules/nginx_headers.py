"""The headers of fields.py, said to nginx: maps at http level and add_header lines of the server.

nginx forgets a server's add_header lines in every location that has its own, so all of them stand in the server and
their values are variables: a header with an empty value is not sent. A block's pattern is looked at once a request.
"""

from __future__ import annotations

import re

from reconciler.systems.sites.rules import fields
from reconciler.systems.sites.rules.headers import value_pieces
from reconciler.systems.sites.rules.nginx_text import Names, word
from reconciler.systems.sites.rules.site import REVALIDATE, Rules, cache_rules, varying


def header_lines(rules: Rules, types: tuple[str, ...], names: Names) -> tuple[list[str], list[str]]:
    """(lines at http level, lines in the server)."""
    made = _Headers(rules, types, names)
    return made.http, made.server


class _Headers:
    def __init__(self, rules: Rules, types: tuple[str, ...], names: Names) -> None:
        self.rules, self.names = rules, names
        self.http: list[str] = []
        self.server: list[str] = []
        self.blocks: dict[int, str] = {}
        self.chains = 0
        n = names
        self._map(
            "$status",
            "kind",
            [(str(s), "f") for s in sorted(fields.CONTENT)]
            + [(str(s), "n") for s in sorted(fields.MISSING)]
            + [("204", "p"), ("405", "m"), ("416", "r")],
            '""',
        )
        self._map(n("kind"), "allow", [("m", '"GET, HEAD"')], '""')
        self._add("Allow", n("allow"))
        self._cache()
        if types:
            pairs = [(word("~" + varying(types)), "Accept-Encoding")]
            self._add("Vary", self._gate(self._map("$uri", "vary", pairs, '""'), "fn"))
        ground, known = fields.base(rules), fields.names(rules)
        for name in dict.fromkeys((*ground, *known)):
            if name in ("cache-control", "strict-transport-security", "access-control-allow-origin"):
                continue
            base = n.value(ground[name][1]) if name in ground else '""'
            value = self._said(name, base)
            self._add(ground[name][0] if name in ground else known[name], self._gate(value, "fn"))
        self._cors()
        self._hsts()

    def _map(self, source: str, name: str, pairs: list[tuple[str, str]], default: str) -> str:
        rows = "".join(f"  {key} {value};\n" for key, value in pairs)
        if source == "$status" or source.strip('"').startswith(self.names("kind")):
            rows += "  volatile;\n"  # a 416 is first taken for a 200, and all headers are added a second time
        self.http.append(f"map {source} {self.names(name)} {{\n{rows}  default {default};\n}}")
        return self.names(name)

    def _add(self, name: str, value: str) -> None:
        self.server.append(f"add_header {word(name)} {value} always;")

    def _next(self, kind: str) -> str:
        self.chains += 1
        return f"{kind}{self.chains}"

    def _gate(self, value: str, kinds: str) -> str:
        return self._map(self.names("kind"), self._next("g"), [(kind, value) for kind in kinds], '""')

    def _block(self, at: int) -> str:
        """A variable that is 1 where a block's pattern matches; its placeholders are variables then, too."""
        if at not in self.blocks:
            pattern = self.rules.headers[at].pattern
            source = f'"https://$host{self.names("path")}"' if pattern.host else self.names("path")
            key = word("~" + pattern.named(f"{self.names.prefix}b{at}_"))
            self.blocks[at] = self._map(source, f"b{at}", [(key, "1")], '""')
        return self.blocks[at]

    def _value(self, at: int, words: str) -> str:
        pieces = value_pieces(words, self.rules.headers[at].pattern, self.rules.dialect)
        return "".join(
            self.names.braced(f"b{at}_{piece}") if odd % 2 else self.names.safe(piece)
            for odd, piece in enumerate(pieces)
        )

    def _said(self, name: str, base: str) -> str:
        """What the blocks say of a header, else `base`: a chain in which = marks a value and ! that it is removed."""
        state = '""'
        for at, block in enumerate(self.rules.headers):
            words = next((value for known, value in block.sets if known.lower() == name), None)
            removes = name in (known.lower() for known in block.removes)
            if words is None and not removes:
                continue
            value = '"!"' if words is None else f'"={self._value(at, words)}"'
            if words is not None and not removes and self.rules.dialect == "cloudflare" and state != '""':
                joint = self._map(state, self._next("j"), [('""', '"="'), ('"!"', '"="')], f'"{state}, "')
                value = f'"{_braces(joint)}{self._value(at, words)}"'
            state = self._map(self._block(at), self._next("h"), [("1", value)], state)
        if state == '""':
            return base
        capture = self._next("v")
        rest = (word(f"~^=(?<{self.names.prefix}{capture}>.*)$"), self.names(capture))
        return self._map(state, self._next("h"), [('"!"', '""'), rest], base)

    def _cache(self) -> None:
        pairs = [(word("~" + regex), self.names.value(value)) for regex, value in cache_rules(self.rules)]
        base = self._map("$uri", "cache", pairs, REVALIDATE)
        value = self._said("cache-control", base)
        kinds = [("f", value), ("n", REVALIDATE)]
        self._add("Cache-Control", self._map(self.names("kind"), self._next("g"), kinds, '""'))

    def _cors(self) -> None:
        cors = self.rules.cors
        base = '""'
        if cors is not None:
            base = '"*"'
            if "*" not in cors.origins:
                pairs = [(word(f"~^{re.escape(origin)}$"), "$http_origin") for origin in cors.origins]
                base = self._map("$http_origin", "origin", pairs, '""')
            if cors.origins != ("*",):
                self._add("Vary", self._gate("Origin", "fnp"))
            granted = f'"{self.names("kind")}{base.strip(chr(34))}"'
            for name, words in (
                ("Methods", ", ".join(cors.methods)),
                ("Headers", ", ".join(cors.headers)),
            ):
                if words:
                    pairs = [('"~^p."', word(words))]
                    self._add(f"Access-Control-Allow-{name}", self._map(granted, self._next("g"), pairs, '""'))
            pairs = [('"~^p."', word(str(cors.max_age)))]
            self._add("Access-Control-Max-Age", self._map(granted, self._next("g"), pairs, '""'))
        value = self._said("access-control-allow-origin", base)
        if value != '""':
            rows = [("f", value), ("n", value), ("p", base)]
            self._add("Access-Control-Allow-Origin", self._map(self.names("kind"), self._next("g"), rows, '""'))

    def _hsts(self) -> None:
        base = '""'
        if self.rules.hsts is not None:
            base = self._map("$https", "sts", [("on", word(self.rules.hsts.value))], '""')
        value = self._said("strict-transport-security", base)
        if value != '""':
            rows = [("f", value), ("n", value), ("r", '""')]
            self._add("Strict-Transport-Security", self._map(self.names("kind"), self._next("g"), rows, base))


def _braces(variable: str) -> str:
    return f"${{{variable[1:]}}}"
