"""What the fields of a File mean: one spelling for a path and a mode, one digest for a content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ...core.model import Json, State
from ...core.reference import is_secret
from . import access

TEXT_LIMIT = 64 * 1024
"""Bytes up to which text is kept and shown; above it the digest stands for it."""
READ_LIMIT = 64 * 1024 * 1024
"""Bytes up to which a file can be declared, and up to which the probe reads one."""


def path_of(name: str, spec: State) -> str:
    """The path in its one spelling; the resource's own name where the spec gives none."""
    return access.normal_path(str(spec.get("path", name)))


def normal_mode(mode: Json) -> str:
    """Four octal digits. What is none is given back as it is: a hostile reading must not break a comparison."""
    text = str(mode)
    return f"{int(text, 8):04o}" if text and len(text) <= 5 and set(text) <= set("01234567") else text


def node(spec: State) -> str:
    """What the path is when the spec holds: `file`, `link`, `directory` or `absent`."""
    if "target" in spec:
        return "link"
    return str(spec.get("state", "file"))


def is_hidden(spec: State) -> bool:
    """Whether the content is a secret, because the manifest says so or because it comes from one."""
    return bool(spec.get("sensitive")) or is_secret(spec.get("content"))


def text_of(data: bytes) -> str | None:
    """`data` as text, None when it isn't UTF-8 or holds NUL: the same rule as the probe's."""
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def fingerprint(content: Json) -> tuple[str, str]:
    """How it is compared and by what: (`sha256`, hex) of the bytes, or (`sealed`, HMAC)."""
    if isinstance(content, Mapping):
        word = "sealed" if "sealed" in content else "sha256"
        return word, str(content.get(word, ""))
    return "sha256", hashlib.sha256(str(content).encode("utf-8", "surrogatepass")).hexdigest()


def same_content(want: Json, have: Json) -> bool:
    """By digest. A sealed one whose key was not at hand compares equal: nobody can say that it differs."""
    if isinstance(want, str) and isinstance(have, str):
        return want == have  # two texts have one digest only when they are one text
    one, other = fingerprint(want), fingerprint(have)
    if one[0] == other[0] == "sealed" and not (one[1] and other[1]):
        return True
    return one == other


def seen_content(content: Json) -> Json:
    """As the probe will report what was written."""
    if isinstance(content, Mapping):
        return {word: content[word] for word in ("sealed", "sha256", "size") if word in content}
    data = content.encode("utf-8", "surrogatepass")
    if len(data) <= TEXT_LIMIT and b"\0" not in data:
        return content
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
