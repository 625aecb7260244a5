"""Plain data and what things are called by: JSON, its one text and digest, keys, commits, lines of files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""What JSON can say: None, bool, int, float, str, list, dict with str keys."""

State: TypeAlias = Mapping[str, Json]
"""Fields of a resource by name, of plain JSON types only. Never changed in place."""

NOTHING: State = MappingProxyType({})


# Made once: json.dumps makes one at each call, which takes as long as the text of a small value.
_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=dict, check_circular=False
)


def _encoding() -> Callable[[Json], str]:
    """`_ENCODER.encode` without what it makes anew for each value: a plan of 100,000 changes takes 400,000 texts."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # a Python without json's part in C
        return _ENCODER.encode
    quoted = json.encoder.encode_basestring
    made = make(None, dict, quoted, None, ":", ",", True, False, True)
    return lambda value: quoted(value) if isinstance(value, str) else "".join(made(value, 0))


_encode = _encoding()


def canonical(value: Json) -> str:
    """The one text of a JSON value: sorted keys, no spaces, non-ASCII as it is."""
    return _encode(value)


def digest(value: Json) -> str:
    """16 hex digits (8 bytes of BLAKE2b, RFC 7693) of the canonical text of `value`.

    64 bits: among 5 million resources a chance meeting of two that are compared is below 1e-12.
    """
    return digest_of((canonical(value),))


def digest_of(parts: Iterable[str]) -> str:
    """The same of a canonical text that comes in parts, so that a long one need not be there as a whole."""
    made = hashlib.blake2b(digest_size=8)
    for part in parts:
        made.update(part.encode("utf-8", "surrogatepass"))
    return made.hexdigest()


@dataclass(frozen=True, order=True, slots=True)
class Ref:
    """A resource as a manifest refers to it, `Kind/name`, on the same host."""

    kind: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Ref:
        """`Kind/name` read back; a name may hold slashes of its own, and is empty where there is no slash."""
        kind, _, name = text.partition("/")
        return cls(kind, name)

    def on(self, host: str) -> Key:
        return Key(host, self.kind, self.name)

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, order=True, slots=True)
class Key:
    """One resource on one host. In JSON always three fields, never joined."""

    host: str
    kind: str
    name: str

    @property
    def ref(self) -> Ref:
        return Ref(self.kind, self.name)

    def json(self) -> dict[str, str]:
        return {"host": self.host, "kind": self.kind, "name": self.name}


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """A commit, or a folder that no commit holds yet (`id` is then empty)."""

    id: str = ""
    author: str = ""
    subject: str = ""
    at: float = 0.0
    """Author time, seconds since 1970 UTC."""
    tree: str = ""

    @property
    def short(self) -> str:
        return self.id[:7] or "not committed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where a manifest stands: its file, the line of its first field, the commit that is held."""

    path: str
    line: int = 1
    commit: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"
