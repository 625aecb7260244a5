"""What can be wrong with a Site, and what a plan says of one."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from reconciler.core.kind import Code, Finding
from reconciler.core.model import Change, Present, State
from reconciler.systems.sites.preview.troubles import CODES as PREVIEW
from reconciler.systems.sites.rules.codes import CODES as RULES

from . import meaning

if TYPE_CHECKING:
    from reconciler.systems.sites.rules.site import Rules

CODES: Mapping[str, Code] = {
    **RULES,
    **PREVIEW,
    "site-rules": Code(
        severity="error",
        meaning="Fields of the site don't go together, or say what no server can do.",
        cure="Mend the field that the message names.",
    ),
    "bad-network": Code(
        severity="error",
        meaning="An address of `allow` or `deny` is no network.",
        cure="Write it as 192.0.2.0/24 or 2001:db8::/32, without bits beyond its length.",
    ),
    "no-front-page": Code(
        severity="warning",
        meaning="The folder has no index.html, so the site's own address is a 404.",
        cure="Add index.html, redirect `/`, or point `from.folder` at the folder that has it.",
    ),
    "bad-file-name": Code(
        severity="error",
        meaning="A file's name has a control character: no URL leads to it, and it can't be listed.",
        cure="Rename the file.",
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


def fields(name: str, spec: State) -> Iterator[Finding]:
    for field in ("allow", "deny"):
        for index, text in enumerate(spec.get(field, ())):
            try:
                ipaddress.ip_network(text)
            except ValueError as error:
                yield Finding(code="bad-network", message=str(error), field=(field, index), hint="write 192.0.2.0/24")


def content(rules: Rules, folder: str, files: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with the files' names, beyond what the rules say of them."""
    for path in files:
        if any(ord(char) < 32 or ord(char) == 127 for char in path):
            yield _about("bad-file-name", f"{path!r} has a control character in its name", folder)
    if (
        "index.html" not in files
        and not rules.dir_listing
        and not any(rule.source.literal == "/" for rule in rules.redirects)
    ):
        yield Finding(code="no-front-page", message=f"{folder} has no index.html", field=("from", "folder"))


def _about(code: str, message: str, path: str) -> Finding:
    return Finding(code=code, message=message, hint=CODES[code].cure, severity=CODES[code].severity, path=path)


def counted(files: int) -> str:
    return "1 file" if files == 1 else f"{files:,} files"


def told(change: Change) -> Iterator[str]:
    """Which addresses come, differ and go, and which of those lead nowhere from then on."""
    if change.want is None:
        return
    before: State = change.owned.spec if change.owned is not None else {}
    if not before.get("tree"):
        if not isinstance(change.have, Present):
            yield counted(len(meaning.files_of(change.want.spec["tree"])))
        return
    from . import serving

    changed = serving.addresses(change.key.name, before, change.want.spec)
    if changed is None:
        return
    for word, urls in (("new", changed.appear), ("changed", changed.change), ("gone", changed.vanish)):
        if urls:
            yield f"{word}: {', '.join(meaning.listed(list(urls)))}"
    if changed.lost:
        yield f"leads nowhere from then on, give it a redirect: {', '.join(meaning.listed(list(changed.lost)))}"
