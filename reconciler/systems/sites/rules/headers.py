"""`_headers`: blocks of a URL pattern and indented `Name: value` lines.

Both vendors: all matching blocks add up, a name that is repeated in a block is joined with ", ".
Netlify (docs.netlify.com/routing/headers and @netlify/headers): a later block's value takes the place of an earlier
one's; values are literal. Cloudflare (developers.cloudflare.com/pages/configuration/headers): values of several blocks
are joined, `! Name` removes, `:splat` and placeholders stand in values, 100 rules, 2,000 characters a line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from reconciler.core.problem import Problem
from reconciler.systems.sites.rules.pattern import NAME, BadPattern, Dialect, Pattern, compile_pattern

MOST_BLOCKS = 100
LONGEST_LINE = 2_000
LONGEST_NAME = 256
KEPT = frozenset(
    {"accept-ranges", "age", "allow", "alt-svc", "connection", "content-encoding", "content-length", "content-range"}
    | {"date", "location", "server", "set-cookie", "trailer", "transfer-encoding", "upgrade"}
)
"""Names that Netlify documents as its servers' own."""
OURS = frozenset({"etag", "last-modified"})
"""Names that trueup keeps: an ETag comes from the content, and a Last-Modified would contradict it."""
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(r"[\x20-\x7e\t]*")


@dataclass(frozen=True)
class Block:
    """What one pattern adds. Names are as written first; `sets` has each once."""

    pattern: Pattern
    sets: tuple[tuple[str, str], ...] = ()
    removes: tuple[str, ...] = ()
    path: str = ""
    line: int = 0


@dataclass
class _Open:
    pattern: Pattern
    line: int
    sets: dict[str, tuple[str, str]] = field(default_factory=dict)
    removes: list[str] = field(default_factory=list)

    def close(self, path: str) -> Block:
        return Block(self.pattern, tuple(self.sets.values()), tuple(self.removes), path, self.line)


def value_pieces(value: str, pattern: Pattern, dialect: Dialect) -> tuple[str, ...]:
    """A value cut at its placeholders; the odd pieces are their names."""
    out = [""]
    at = 0
    if dialect == "cloudflare":
        for found in NAME.finditer(value):
            if found[1] in pattern.all_names:
                out[-1] += value[at : found.start()]
                out += [found[1], ""]
                at = found.end()
    out[-1] += value[at:]
    return tuple(out)


def parse(text: str, path: str, dialect: Dialect) -> tuple[tuple[Block, ...], tuple[Problem, ...]]:
    """Read a `_headers` file. What can't be served is left out and told of with its line."""
    blocks: list[Block] = []
    problems: list[Problem] = []
    block: _Open | None = None
    skipping = False

    def tell(line: int, message: str, hint: str, code: str = "bad-header") -> None:
        problems.append(Problem(code=code, message=message, path=path, line=line, hint=hint))

    def close() -> None:
        if block is not None:
            if block.sets or block.removes:
                blocks.append(block.close(path))
            else:
                tell(block.line, "This pattern has no headers below it.", "Indent `Name: value` lines below it.")

    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if dialect == "cloudflare" and len(raw) > LONGEST_LINE:
            tell(number, f"A line has at most {LONGEST_LINE:,} characters.", "Shorten it.")
        elif line.startswith("/") or re.match(r"\S+://", line):
            close()
            block, skipping = None, False
            if dialect == "cloudflare" and len(blocks) >= MOST_BLOCKS:
                tell(number, f"Cloudflare takes at most {MOST_BLOCKS} rules; the rest is left out.", "Join some.")
                return tuple(blocks), tuple(problems)
            try:
                block = _Open(_pattern(line, dialect), number)
            except BadPattern as bad:
                tell(number, str(bad), "Write the pattern as the dialect allows; its headers are left out.")
                skipping = True
        elif block is None:
            if not skipping:
                tell(number, "A header stands below the pattern that it is for.", "Write a line like /* before it.")
        else:
            wrong = _header(line, block, dialect)
            if wrong:
                tell(number, *wrong)
    close()
    return tuple(blocks), tuple(problems)


def block(
    pattern: str, values: tuple[tuple[str, str], ...], dialect: Dialect, *, path: str = "", line: int = 0
) -> tuple[Block | None, tuple[Problem, ...]]:
    """A block from a manifest's fields, by the same checks as the file."""
    wide: Dialect = dialect
    text = "\n".join([pattern.replace("\n", " "), *(f"  {n}: {v}".replace("\n", "\x00") for n, v in values)])
    blocks, problems = parse(text, path, wide)
    moved = tuple(replace(problem, line=line) for problem in problems)
    return (replace(blocks[0], line=line) if blocks else None), moved


def _pattern(line: str, dialect: Dialect) -> Pattern:
    if dialect == "netlify" and not line.startswith("/"):
        raise BadPattern("Netlify's headers match paths: a pattern starts with a slash.")
    if re.match(r"http://", line):
        raise BadPattern("An absolute pattern starts with https://; it matches every scheme.")
    if re.search(r"\s", line):
        raise BadPattern("A pattern has no spaces.")
    return compile_pattern(line, dialect, splat_anywhere=True)


def _header(line: str, block: _Open, dialect: Dialect) -> tuple[str, str] | None:
    """Take a header into the block, or say what is wrong with it."""
    if line.startswith("!"):
        name = line[1:].strip()
        if dialect != "cloudflare":
            return "`! Name` is Cloudflare's; Netlify doesn't know it.", "Remove the line, or set dialect: cloudflare."
        if not TOKEN.fullmatch(name):
            return f"{name!r} is no header's name.", "Write `! Name`."
        block.removes.append(name)
        return None
    name, colon, value = (part.strip() for part in line.partition(":"))
    if not colon:
        return "A header is written `Name: value`.", "Add the colon."
    if not TOKEN.fullmatch(name):
        return f"{name!r} is no header's name.", "Use letters, digits and hyphens."
    if not value:
        return f"{name} has no value.", "Write one behind the colon."
    if len(name) > LONGEST_NAME or (name.lower() == "content-type" and len(value) > LONGEST_NAME):
        return f"{name[:40]} is longer than {LONGEST_NAME} characters.", "Shorten it."
    if not VALUE.fullmatch(value):
        return f"The value of {name} has characters that a header can't carry.", "Use printable ASCII."
    if name.lower() in KEPT:
        return f"{name} is the server's own.", "Use a redirect for Location; leave the others out."
    if name.lower() in OURS:
        return f"trueup sets {name} from the content.", "Leave it out."
    written, before = block.sets.get(name.lower(), (name, ""))
    block.sets[name.lower()] = (written, f"{before}, {value}" if before else value)
    return None
