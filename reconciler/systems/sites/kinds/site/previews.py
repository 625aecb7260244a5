"""Previews: a site beside the site for each open branch of the repository that its content comes from."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.core.kind import Finding, Part, Resolving, Unresolved
from reconciler.core.model import State

MOST = 20
"""Previews of one site, where the manifest doesn't say."""
KEEP = 2
_LABEL = 40
"""Letters of a branch in a name of DNS, which takes 63."""


def wanted(spec: State) -> bool:
    return "previews" in spec and not next(wrong(spec), None)


def source(spec: State) -> State:
    """The branches, as a source outside the commit (docs/content.md)."""
    from_, previews = spec["from"], spec["previews"]
    said: dict[str, Any] = {name: from_[name] for name in ("git", "ref", "folder") if name in from_}
    if "git" in said:
        said.setdefault("ref", "main")
    return {**said, "branches": previews.get("branches", ["*"]), "max": previews.get("max", MOST)}


def parts(name: str, spec: State, ask: Resolving) -> Iterator[Part]:
    """A Site for each branch: the same rules, its own content and domains."""
    from_ = spec["from"]
    own = {field: said for field, said in spec.items() if field not in ("previews", "preview")}
    for branch, label in labels(_branches(spec, ask)).items():
        there = {
            **{field: from_[field] for field in ("git", "folder") if field in from_},
            "ref": f"refs/heads/{branch}",
        }
        domains = [f"{label}.{domain}" for domain in _domains(spec)]
        yield Part(
            "Site",
            f"{name}--{label}",
            {**own, "from": there, "domains": domains, "preview": branch, "noindex": True, "keep": KEEP},
        )


def wrong(spec: State) -> Iterator[Finding]:
    """What is wrong with `previews` as such."""
    for place in ("archive", "bucket"):
        if place in spec["from"]:
            yield _finding(f"{'an archive' if place == 'archive' else 'a bucket'} has no branches")
    if not _domains(spec):
        yield _finding("a preview is <branch>.<domain>, and every domain is a wildcard")


def examined(spec: State, ask: Resolving) -> Iterator[Finding]:
    try:
        more = ask.outside(source(spec)).read("more").decode().split()
    except Unresolved as unknown:
        finding = unknown.finding
        if finding.code == "no-outside":
            return  # nobody asks here, and nobody says so of the content either
        message = f"the branches can't be asked here: {finding.message}; a plan shows their previews as removed"
        yield Finding(code="previews-unknown", message=message, field=("previews",), hint=finding.hint)
        return
    if more:
        count = f"{len(more)} more branch{'es' if len(more) > 1 else ''} would have a preview: {', '.join(more[:3])}"
        yield Finding(code="previews-left-out", message=count, field=("previews",))


def labels(branches: Iterable[str]) -> Mapping[str, str]:
    """Branch → a part of a domain's name that is its alone. One that could be taken for another's, or was cut, ends in six
    digits of its hash; a branch that is such a part already keeps it."""
    plain = {branch: _plain(branch) for branch in branches}
    count = Counter(plain.values())
    return {
        branch: label
        if label == branch or (count[label] == 1 and label)
        else f"{label[: _LABEL - 7].rstrip('-')}-{hashlib.sha256(branch.encode()).hexdigest()[:6]}".lstrip("-")
        for branch, label in plain.items()
    }


def _plain(branch: str) -> str:
    text = re.sub(r"[^a-z0-9]+", "-", branch.lower()).strip("-")
    return text[:_LABEL].rstrip("-")


def _branches(spec: State, ask: Resolving) -> list[str]:
    lines = ask.outside(source(spec)).read("branches").decode().splitlines()
    return [line.partition(" ")[2] for line in lines]


def _domains(spec: State) -> list[str]:
    return [domain for domain in spec["domains"] if not domain.startswith("*.")]


def _finding(message: str) -> Finding:
    return Finding(code="site-previews", message=message, field=("previews",), hint="leave previews out, or mend it")


__all__ = ["examined", "labels", "parts", "source", "wanted", "wrong"]
