"""Reads a case: one behaviour of a site, as a page of Markdown.

A page is `# the behaviour in a sentence`, a paragraph that says why and names the document it comes from, then fences:

    ```yaml site         fields of Rules, where they are not the default; tls: true for a site with TLS
    ```text _redirects
    ```text _headers
    ```text files        one a line: PATH, or PATH = content (a path alone holds its own name), or PATH -> a symlink's target
    ```text previous     the same, of the release before
    ```text problems     what is wrong with the rules: LINE: message, one a line; needed when anything is
    ```text requests     blocks with an empty line between them:

        GET /old?a=1                     from 127.0.0.2, or by https, where it matters
        > Accept-Encoding: gzip          headers of the request
        301 /new?a=1                     the status, then its Location; or the file whose content is sent; or "a text"
        X-Name: value                    headers of the answer; - means that it isn't there
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from reconciler.repo import blob_id
from reconciler.systems.sites.rules import headers, redirects
from reconciler.systems.sites.rules.site import BasicAuth, Cors, Entry, Hsts, RateLimit, Rules, Tree

FENCES = (
    "yaml site",
    "text _redirects",
    "text _headers",
    "text files",
    "text previous",
    "text problems",
    "text requests",
)


class BadPage(Exception):
    """The page is no case: a fence that nobody reads, one that is missing or doubled, a title or a why left out."""


@dataclass(frozen=True)
class Asked:
    """One request and what is expected of its answer."""

    method: str
    target: str
    sent: Mapping[str, str]
    scheme: str
    address: str
    status: int
    rest: str
    headers: tuple[tuple[str, str], ...]
    text: str


@dataclass(frozen=True)
class Case:
    path: Path
    title: str
    rules: Rules
    files: Mapping[str, bytes]
    links: Mapping[str, str]
    previous: Mapping[str, bytes]
    problems: str
    told: str
    """What the parsers say, in the form of the fence."""
    tls: bool
    requests: tuple[Asked, ...] = field(default_factory=tuple)

    @property
    def tree(self) -> Tree:
        return tree_of(self.files)

    @property
    def release(self) -> str:
        return self.path.stem


def tree_of(files: Mapping[str, bytes]) -> Tree:
    return Tree({path: Entry(len(content), blob_id(content)) for path, content in files.items()})


def cut(path: Path, known: tuple[str, ...] = FENCES, needed: str = "text requests") -> tuple[str, dict[str, str]]:
    """The title and the fences of a page. A known fence may end with a space: then a word follows it."""
    lines = path.read_text().split("\n")
    if not lines[0].startswith("# ") or lines[0].rstrip().endswith("."):
        raise BadPage(f"{path.name}: the first line is a title: # a behaviour, without a full stop")
    fences: dict[str, str] = {}
    prose: list[str] = []
    name: str | None = None
    for line in lines[1:]:
        if name is None and line.startswith("```"):
            name = line[3:].strip()
            if name in fences or not any(name == k or (k[-1] == " " and name.startswith(k)) for k in known):
                raise BadPage(f"{path.name}: nobody reads a fence called {name!r}, or there are two")
            fences[name] = ""
        elif line == "```":
            name = None
        elif name is not None:
            fences[name] += line + "\n"
        elif line.strip():
            prose.append(line)
    if name is not None or not prose or len(" ".join(prose)) < 40 or needed not in fences:
        raise BadPage(f"{path.name}: a page says why, closes its fences and has its {needed}")
    return lines[0][2:].strip(), fences


def read(path: Path) -> Case:
    return read_fences(path, *cut(path))


def read_fences(path: Path, title: str, fences: Mapping[str, str]) -> Case:
    given: dict[str, Any] = yaml.safe_load(fences.get("yaml site", "")) or {}
    tls = bool(given.pop("tls", False))
    fields = {name: _field(name, value) for name, value in given.items()}
    dialect = fields.get("dialect", "netlify")
    rules, one = redirects.parse(fences.get("text _redirects", ""), "_redirects", dialect)
    blocks, two = headers.parse(fences.get("text _headers", ""), "_headers", dialect)
    files, links = _files(fences.get("text files", ""))
    previous, _ = _files(fences.get("text previous", ""))
    return Case(
        path=path,
        title=title,
        rules=Rules(redirects=rules, headers=blocks, **fields),
        files=files,
        links=links,
        previous=previous,
        problems=fences.get("text problems", ""),
        told="".join(f"{p.path}:{p.line}: {p.severity}: {p.message} {p.hint}\n" for p in (*one, *two)),
        tls=tls,
        requests=tuple(
            _asked(block) for block in re.split(r"\n\s*\n", fences.get("text requests", "").strip()) if block
        ),
    )


def _field(name: str, value: Any) -> Any:
    makers = {"basic_auth": BasicAuth, "rate_limit": RateLimit, "cors": Cors, "hsts": Hsts}
    if name in makers:
        made: Any = makers[name]
        return made(**{key: tuple(v) if isinstance(v, list) else v for key, v in value.items()})
    if name == "csp":
        return {key: tuple(sources) for key, sources in value.items()}
    if name == "cache":
        return tuple((pattern, words) for pattern, words in value.items())
    return tuple(value) if isinstance(value, list) else value


def _files(text: str) -> tuple[dict[str, bytes], dict[str, str]]:
    files: dict[str, bytes] = {}
    links: dict[str, str] = {}
    for line in text.splitlines():
        if " -> " in line:
            path, _, to = line.partition(" -> ")
            links[path] = to
        elif line.strip():
            path, equals, content = line.partition(" = ")
            files[path] = (content if equals else path).encode()
    return files, links


def _asked(block: str) -> Asked:
    lines = block.splitlines()
    words = lines[0].split(" ")
    method, target, rest = words[0], words[1], words[2:]
    sent = dict(line[2:].split(": ", 1) for line in lines if line.startswith("> "))
    answer = [line for line in lines[1:] if not line.startswith("> ")]
    if not answer or not re.match(r"\d{3}( |$)", answer[0]):
        raise BadPage(f"a request is followed by a status: {block}")
    if rest and (len(rest) != 2 or rest[0] not in ("from", "by")):
        raise BadPage(f"nobody reads {' '.join(rest)!r}")
    return Asked(
        method=method,
        target=target,
        sent={name.lower(): value for name, value in sent.items()},
        scheme=rest[1] if rest[:1] == ["by"] else "http",
        address=rest[1] if rest[:1] == ["from"] else "127.0.0.1",
        status=int(answer[0][:3]),
        rest=answer[0][4:],
        headers=tuple((name, value) for name, _, value in (line.partition(": ") for line in answer[1:])),
        text=block,
    )
