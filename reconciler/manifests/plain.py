"""What looks like a secret that stands in the repository in plain: told as a warning, with its place and never its text.

Few false alarms matter more than finding everything: a name alone is no reason, its value has to look like a secret too;
what is a reference, a template, a variable or a placeholder is none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from ..core.model import Json
from ..core.problem import Problem
from ..core.reference import is_reference
from .codes import problem
from .marks import Mark
from .reader import Document, Field

ANNOTATION = "trueup.dev/not-secret"
# Every repetition that something has to follow is bounded: a file may be one line of a megabyte.
_TOKENS = {
    "a private key": r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY-----",
    "an age identity": r"AGE-SECRET-KEY-1[0-9A-Z]{50,}",
    "an access key of AWS": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a token of GitHub": r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{40,}",
    "a token of GitLab": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "a token of Slack": r"\bxox[abeprs]-[A-Za-z0-9-]{10,}",
    "a live key of Stripe": r"\b[rs]k_live_[0-9A-Za-z]{20,}",
    "a key of Google": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "a token of HashiCorp Vault": r"\bhv[sb]\.[A-Za-z0-9_-]{20,}",
    "a token of npm": r"\bnpm_[A-Za-z0-9]{36}\b",
    "a password in an address": r"\b[a-z][a-z0-9+.-]{0,20}://[^/\s:@{$<]{1,100}:(?![{$<%*])[^/\s@{$<*]{3,200}@",
}
_TOKEN = re.compile("|".join(f"(?P<t{number}>{pattern})" for number, pattern in enumerate(_TOKENS.values())))
_WHAT = tuple(_TOKENS)
_NAMED = r"pass(?:word|wd|phrase)|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
_SAID = re.compile(rf"(?i)(?:^|[^a-z])(?:{_NAMED})[\"']?\s*[=:]\s*[\"']?(?P<value>[^\s\"',;]+)")
_NAME = re.compile(rf"(?i)(?:^|[a-z0-9]*[_.-]|[a-z0-9]*)(?:{_NAMED})")
_PERHAPS = re.compile(rf"(?i){_NAMED}|{_TOKEN.pattern}")
"""What a file must hold to be looked through at all."""
_HINTS = (
    "pass", "secret", "token", "key", "akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox",
    "_live_", "aiza", "hvs.", "hvb.", "npm_", "://",
)  # fmt: skip
"""Whatever _PERHAPS matches holds one of these, and looking for a plain text is a hundred times as fast."""
_PLACEHOLDER = re.compile(r"(?i)[{$<%*/\[(]|example|change|placeholder|your|xxx|dummy|replace|redacted|none|null|todo")
_KEY_FILE = re.compile(r"(?:\.pem|\.key|(?:^|/)id_(?:rsa|dsa|ecdsa|ed25519))$")


def perhaps(text: str) -> bool:
    """False for a text that surely holds nothing that would be warned of: most files, at the price of one search."""
    low = text.lower()
    return any(hint in low for hint in _HINTS) and _PERHAPS.search(text) is not None


def key_file(path: str) -> bool:
    """Whether a file is called as private keys are."""
    return _KEY_FILE.search(path) is not None


def in_file(path: str, data: bytes) -> list[Problem]:
    """A warning for a private key that lies in the repository in plain."""
    if re.search(_TOKENS["a private key"].encode(), data[:65536]) is None:
        return []
    return [_warning("a private key", path, Mark(1, 1))]


def in_document(doc: Document) -> list[Problem]:
    """A warning for each value of the document that looks like a secret."""
    value = doc.value
    notes = (value.get("metadata") or {}).get("annotations") if isinstance(value, dict) else None
    if isinstance(notes, dict) and str(notes.get(ANNOTATION, "")).strip():
        return []
    return [_warning(what, doc.path, doc.at(field)) for field, what in _found(value, ())]


def _warning(what: str, path: str, mark: Mark) -> Problem:
    return problem(
        "plain-secret",
        f"this looks like {what}, for everybody who can read the repository",
        path=path,
        mark=mark,
        hint="change it, then refer to the new one: trueup secrets encrypt NAME, and {secret: NAME}",
    )


def _found(value: Json, field: Field) -> Iterator[tuple[Field, str]]:
    if isinstance(value, Mapping):
        if is_reference(value):
            return
        for name, inner in value.items():
            if isinstance(inner, str):
                if what := _judged(str(name), inner):
                    yield (*field, name), what
            else:
                yield from _found(inner, (*field, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            if isinstance(inner, str):
                if what := _judged("", inner):
                    yield (*field, index), what
            else:
                yield from _found(inner, (*field, index))


def _judged(name: str, text: str) -> str:
    """What a text looks like; empty when it looks like no secret."""
    known = _TOKEN.search(text)
    if (
        known
        and known.lastgroup
        and not ("://" in known.group() and _PLACEHOLDER.search(known.group().partition("://")[2]))
    ):
        return _WHAT[int(known.lastgroup[1:])]
    if name and _NAME.fullmatch(name) and _looks_secret(text):
        return f"a secret called {name}" if name.isidentifier() and len(name) < 40 else "a secret"
    for said in _SAID.finditer(text):
        if _looks_secret(said.group("value")):
            return "a password or token within a text"
    return ""


def _looks_secret(value: str) -> bool:
    """Not a word, a path or a placeholder: long enough, of several sorts of characters, hard to guess."""
    if not 8 <= len(value) <= 512 or _PLACEHOLDER.search(value) or any(char.isspace() for char in value):
        return False
    sorts = sum((any(map(str.islower, value)), any(map(str.isupper, value)), any(map(str.isdigit, value)),
                 any(not char.isalnum() for char in value)))  # fmt: skip
    return sorts >= 2 and any(map(str.isdigit, value)) and _bits(value) >= 2.8


def _bits(text: str) -> float:
    """Shannon's entropy of its characters, bits a character."""
    counts = [text.count(char) / len(text) for char in set(text)]
    return -sum(share * math.log2(share) for share in counts)
