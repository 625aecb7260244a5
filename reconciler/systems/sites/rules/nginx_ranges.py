"""Byte ranges, said to nginx: of the plain file alone, whichever form a client takes.

From 1.23.4 on gzip_static lets its own form be cut, too (nginx's CHANGES). What stops that, `max_ranges`, takes no variable and
holds for a whole location, in which other files have no other form. So a site has no ranges, and each location that sends files
has a twin, where requests with a Range go before files are tried. The twin looks whether what would be sent lies packed beside
itself. If it does, and the client takes gzip, it goes out whole, else with ranges. Without a Range all that costs is one `if`.

nginx allows ten turns between locations. Through twins the way is two longer: cases/range-guarded.md goes the longest.
Where there are no ranges nginx says no Accept-Ranges either, so `add_header` does.
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.systems.sites.rules.nginx_text import Names, block, word
from reconciler.systems.sites.rules.site import HIDDEN

FILE = "/.trueup/file"
"""Where a file is sent from whose path isn't the one asked for: the target of a rule, the page of an error."""
TARGET = ("$uri", "${uri}.html", "${uri}/index.html")
"""What such a path may mean, as resolve.named() has it."""
UNSERVED = f"if ($uri ~ {word(HIDDEN)}) {{ return 404; }}"
_TAKES_GZIP = (
    r"~*^(?>(?:.*?[, ])?gzip) *"  # the first word that is gzip decides
    r"(?:$|,|; *(?:$|q=(?:1(?:\.0{0,3})?|0\.(?!0*(?:$|[, ]))[0-9]{1,3})(?:$|[, ])))"
)
"""Of an Accept-Encoding, as ngx_http_gzip_accept_encoding reads it."""


class Ranges:
    """The twins of a site's locations. Paths to try are words without their quotes, below the root."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.file = names.braced("file")
        """FILE in the target of a `rewrite`, or what FILE's twin has for it."""
        self.found = names("found")
        """What a twin sends. Where it is set, nginx itself says Accept-Ranges or there is nothing to say."""
        self.none = f"set {self.found} $uri;"
        """For a location that sends no file."""
        self._places: dict[tuple[object, ...], str] = {}
        self._known: dict[tuple[str, ...], int] = {}
        self._lines: list[str] = []
        self._count = 0
        self._targets = self._place(TARGET, "=404", (), UNSERVED)

    def leave(self, tries: Sequence[str], then: str, more: Sequence[str] = ()) -> str:
        """What a location says before its `try_files`. `more`: what it says of types, which its twin must say, too."""
        key = (tuple(tries), then, tuple(more))
        if key not in self._places:
            self._places[key] = self._place(tries, then, more)
        return f'if ($http_range) {{ rewrite ^ "{self._places[key]}{self.names("path")}" last; }}'

    def named(self, name: str, tries: Sequence[str], then: str, more: Sequence[str] = ()) -> None:
        """The twin of a named location, to which only other twins lead."""
        self._lines += block(f"location {_twin_of(name)}", self._twin([], tries, then, more))

    def http(self) -> list[str]:
        """Lines at http level."""
        gz, said = self.names("gz"), f'"$status$sent_http_content_encoding{self.found}"'
        return [
            f'map $http_range {self.names("file")} {{\n  "" {FILE};\n  default {self._targets};\n}}',
            f'map $http_accept_encoding {gz} {{\n  {word(_TAKES_GZIP)} .gz;\n  default "/";\n}}',  # no file is `x/`
            f'map {said} {self.names("ranges")} {{\n  200 bytes;\n  default "";\n}}',
        ]

    def server(self) -> list[str]:
        """Lines of the server."""
        return ["max_ranges 0;", f"add_header Accept-Ranges {self.names('ranges')};"]

    def lines(self) -> list[str]:
        """The locations. All that leads to them must have been asked for before."""
        return self._lines

    def _place(self, tries: Sequence[str], then: str, more: Sequence[str], *first: str) -> str:
        self._count += 1
        at = f"/.trueup/ranges/{self._count}"
        self._lines += block(f"location ^~ {at}/", ["internal;", *self._twin([strip(at), *first], tries, then, more)])
        return at

    def _twin(self, first: Sequence[str], tries: Sequence[str], then: str, more: Sequence[str]) -> list[str]:
        """Where an `if` was true the location's own try_files counts no more: what is found is sent from elsewhere."""
        found, at = self.found, self._ends(more)
        return [
            *more,
            *first,
            f'set {found} "";',
            *(f'if (-f "$document_root{path}") {{ set {found} "{path}"; }}' for path in reversed(tries)),
            f'if (-f "$document_root{found}{self.names("gz")}") {{ rewrite ^ "/.trueup/whole/{at}$uri" last; }}',
            f'if ({found}) {{ rewrite ^ "/.trueup/part/{at}$uri" last; }}',
            "break;",
            f"try_files /.trueup/none {_twin_of(then)};",
        ]

    def _ends(self, more: Sequence[str]) -> int:
        """The number of the two locations that send what a twin found, with ranges and without."""
        key = tuple(more)
        if key not in self._known:
            self._known[key] = len(self._known)
            for place, limit in (("part", ["max_ranges 1;"]), ("whole", [])):
                at = f"/.trueup/{place}/{self._known[key]}"
                sent = [*limit, strip(at, " break"), f"try_files {self.found} =404;"]
                self._lines += block(f"location ^~ {at}/", ["internal;", *more, *sent])
        return self._known[key]


def tried(tries: Sequence[str], then: str) -> str:
    """`try_files` with these paths."""
    words = " ".join(f'"{path}"' for path in tries)
    return f"try_files {words} {then};"


def _twin_of(then: str) -> str:
    """Where a twin goes on: to the twin of a named location that sends files, too."""
    return f"{then}_ranges" if then.startswith("@") and then != "@rules" else then


def strip(at: str, flag: str = "") -> str:
    """Takes the place of a location off the path."""
    pattern = f"^{at}(/.*)$".replace(".trueup", r"\.trueup")
    return f'rewrite {word(pattern)} "$1"{flag};'
