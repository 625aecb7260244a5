"""Words for an nginx configuration: nothing that a manifest or a file says can break out of its word.

nginx reads a word in double quotes up to the next bare quote, with backslash escapes (ngx_conf_read_token), at most
4,096 bytes of it. In most words `$name` is a variable and there is no escape for a dollar: it comes from a `geo`.
"""

from __future__ import annotations

import hashlib

LONGEST = 3_000
"""Bytes of one word; longer values are put together from several."""


def word(text: str) -> str:
    """A quoted word in which a dollar means itself: patterns, paths of locations, types. Raises ValueError for a NUL."""
    if "\0" in text:
        raise ValueError("A word of a configuration holds no NUL.")
    out = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return f'"{out}"'


def block(head: str, lines: list[str]) -> list[str]:
    """The lines of a block."""
    return [f"{head} {{", *("  " + line for line in lines), "}"]


class Names:
    """The names of one site in nginx's one space of names, and what its words need at http level."""

    def __init__(self, site: str) -> None:
        self.prefix = "t" + hashlib.sha256(site.encode()).hexdigest()[:8] + "_"
        self._pieces: list[str] = []

    def __call__(self, name: str) -> str:
        """The name of a variable, with its dollar."""
        return f"${self.prefix}{name}"

    def braced(self, name: str) -> str:
        return f"${{{self.prefix}{name}}}"

    def safe(self, text: str) -> str:
        """The inside of a word that is put together: dollars are replaced, the rest is escaped."""
        chunks = _chunks(text)
        if len(chunks) > 1:
            return "".join(self._piece(chunk) for chunk in chunks)
        return word(text)[1:-1].replace("$", self.braced("dollar"))

    def _piece(self, chunk: str) -> str:
        name = f"long{len(self._pieces)}"
        value = word(chunk)[1:-1].replace("$", self.braced("dollar"))
        self._pieces.append(f'map $status {self(name)} {{ default "{value}"; }}')
        return self.braced(name)

    def value(self, text: str) -> str:
        """A quoted word in which variables would count, with none in it."""
        return f'"{self.safe(text)}"'

    def lines(self) -> list[str]:
        """What must stand at http level."""
        return [f'geo {self("dollar")} {{ default "$"; }}', *self._pieces]


def _chunks(text: str) -> list[str]:
    out = [""]
    size = 0
    for char in text:
        size += 24 if char == "$" else 2 if char.isascii() else 4
        if size > LONGEST:
            out.append("")
            size = 24
        out[-1] += char
    return out
