"""What can be wrong with a Site."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from reconciler.core.kind import Code, Finding
from reconciler.core.model import State
from reconciler.systems.sites.preview.troubles import CODES as PREVIEW
from reconciler.systems.sites.rules.codes import CODES as RULES
from reconciler.systems.sites.rules.site import hidden

from . import meaning, tls

if TYPE_CHECKING:
    from reconciler.systems.sites.rules.site import Rules

CODES: Mapping[str, Code] = {
    **RULES,
    **PREVIEW,
    "site-from": Code.error(
        "`from` doesn't say one place, or says something that has no meaning there.",
        "{folder}, {folder, ref}, {git, ref, folder}, {archive, sha256, folder} or {bucket, folder}.",
    ),
    "site-previews": Code.error(
        "`previews` asks for what can't be: the content has no branches, or there is no domain to put a branch before.",
        "Leave previews out, take the content from a repository, or name a domain without `*`.",
    ),
    "previews-unknown": Code.warning(
        "The branches that have previews can't be asked by whoever reads this, so that there are none here.",
        "What the message names; or ask the daemon, whose plan it is: trueup plan where no clone is.",
    ),
    "previews-left-out": Code.warning(
        "More branches match `previews.branches` than `previews.max` allows; the last by name have no preview.",
        "Delete branches that are done, narrow the patterns, or raise max.",
    ),
    **tls.CODES,
    "site-rules": Code.error(
        "Fields of the site don't go together, or say what no server can do.",
        "Mend the field that the message names.",
    ),
    "site-name": Code.error(
        "The site's name can't be a folder's name on hosts, or leaves no room for those of its previews.",
        "Use letters, digits and . _ -, a letter or a digit first: at most 100 of them, 58 with previews.",
    ),
    "bad-network": Code.error(
        "An address of `allow` or `deny` is no network.",
        "Write it as 192.0.2.0/24 or 2001:db8::/32, without bits beyond its length.",
    ),
    "no-front-page": Code.warning(
        "The folder has no index.html, so the site's own address is a 404.",
        "Add index.html, redirect `/`, or point `from.folder` at the folder that has it.",
    ),
    "bad-file-name": Code.error(
        "No host can serve a file of that name: it has a control character or a backslash, is no UTF-8, or is too long or too deep.",
        "Rename the file, or leave it out of the folder.",
    ),
}

PACKED = frozenset(
    [
        "html",
        "htm",
        "css",
        "js",
        "mjs",
        "json",
        "map",
        "xml",
        "svg",
        "txt",
        "md",
        "csv",
        "wasm",
        "ico",
        "webmanifest",
        "rss",
        "atom",
        "ttf",
        "otf",
        "eot",
        "yaml",
        "yml",
    ]
)
"""Endings of what is worth packing: text, and binary forms that are not packed already."""


def packs(path: str) -> bool:
    """Whether a file of this name is kept compressed beside itself."""
    return path.rpartition(".")[2].lower() in PACKED


def packed_types(files: Iterable[str]) -> frozenset[str]:
    """The extensions of what may have a packed form beside it: of `files`, which say .HTML perhaps, and of the release
    before, some of which is served too."""
    return PACKED | {path.rpartition(".")[2] for path in files if packs(path)}


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LONGEST, LONGEST_WITH_PREVIEWS = 100, 58
"""Of a site's name: a host's op takes no longer one (op_disk.WORD), and a preview's is `NAME--` and 40 letters of a branch."""


def fields(name: str, spec: State) -> Iterator[Finding]:
    most = LONGEST_WITH_PREVIEWS if "previews" in spec else LONGEST
    if not _NAME.fullmatch(name) or len(name) > most:
        message = (
            f"{name[:60]} can't be a folder's name on hosts" if len(name) <= most else f"it has {len(name)} letters"
        )
        yield Finding(code="site-name", message=message, hint=CODES["site-name"].cure)
    if meaning.packings(spec) == ("brotli",):
        message = "brotli goes beside gzip: who takes that alone would get all texts as they are"
        yield Finding(code="site-rules", message=message, field=("precompress",), hint="write [gzip, brotli]")
    for field in ("allow", "deny"):
        for index, text in enumerate(spec.get(field, ())):
            try:
                ipaddress.ip_network(text)
            except ValueError as error:
                yield Finding(code="bad-network", message=str(error), field=(field, index), hint="write 192.0.2.0/24")


MOST = 10
"""Findings of one code that are told of content from outside: who reads them can't mend them there."""


def few(found: Iterable[Finding]) -> Iterator[Finding]:
    """All findings at a file of the repository; of those about content from outside, the first of each code."""
    counts: dict[str, int] = {}
    for one in found:
        if one.field == ("from",):
            counts[one.code] = counts.get(one.code, 0) + 1
            if counts[one.code] > MOST:
                continue
        yield one
    for code, count in counts.items():
        if count > MOST:
            yield Finding(code=code, message=f"{count - MOST:,} more of these", field=("from",), severity="warning")


def names(where: str, files: Iterable[str]) -> Iterator[Finding]:
    """The files whose names no host can serve."""
    from . import op_stage  # it reads what a kernel can do as it comes

    for path in files:
        why = "it holds a backslash" if "\\" in path else op_stage.wrong(path)
        if why and not hidden("/" + path):
            yield _about("bad-file-name", f"{ascii(path)[:200]} can't be a file of a site: {why}", where)


def content(rules: Rules, where: str, files: Mapping[str, str], *, outside: bool = False) -> Iterator[Finding]:
    """What is wrong with the files as a whole, beyond what the rules say of them. `where`: their folder, or the version
    of what came from `outside`."""
    yield from names(where, files)
    if (
        "index.html" not in files
        and not rules.dir_listing
        and not any(rule.source.match("/") is not None for rule in rules.redirects)
    ):
        field = ("from",) if outside else ("from", "folder")
        yield Finding(code="no-front-page", message=f"{where} has no index.html", field=field)


def _about(code: str, message: str, path: str) -> Finding:
    return Finding(code=code, message=message, hint=CODES[code].cure, severity=CODES[code].severity, path=path)
