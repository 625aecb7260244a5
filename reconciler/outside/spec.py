"""What a manifest's `from` says of a source outside the fleet's repository, as a typed thing with a key.

{git: URL, ref: main, folder: public}          a branch, tag, whole ref or commit; `main` when left out
{archive: URL or PATH, sha256: HEX, folder: dist}
{bucket: s3://bucket/prefix, folder: …}        s3 and what else fsspec knows
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from ..core.model import Json
from ..core.problem import Problem, Refused
from ..repo.remote import is_remote
from .troubles import CODES

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_REF = re.compile(r"(?!.*(\.\.|@\{|//))[A-Za-z0-9_][A-Za-z0-9._/@+-]{0,199}")
_SCP = re.compile(r"(?:([^@/:\s]+)@)?([^/:\s]+):(\S+)")


@dataclass(frozen=True, slots=True)
class GitSource:
    git: str
    """A URL (`user@host:path` is told as ssh://), or a path on the controller."""
    ref: str = "main"
    folder: str = ""

    @property
    def place(self) -> str:
        return self.git


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    archive: str
    sha256: str
    """64 hex digits, lower case."""
    folder: str = ""

    @property
    def place(self) -> str:
        return self.archive


@dataclass(frozen=True, slots=True)
class BucketSource:
    bucket: str
    folder: str = ""

    @property
    def place(self) -> str:
        return self.bucket


Source = GitSource | ArchiveSource | BucketSource


def key_of(source: Source) -> str:
    """16 hex digits that name the source, and nothing else does."""
    told = json.dumps({"is": type(source).__name__, **asdict(source)}, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def source_of(told: Mapping[str, Json]) -> Source:
    """The source that `from` says. Raises Refused with all that is wrong (code source-spec)."""
    wrong: list[str] = []
    texts: dict[str, str] = {}
    for name, value in told.items():
        if isinstance(value, str):
            texts[name] = value.strip()
        else:
            wrong.append(f"{name} must be text")
    first = [name for name in ("git", "archive", "bucket") if name in told]
    if len(first) != 1:
        raise _refused("one of git, archive or bucket must be said")
    allowed = {
        "git": {"git", "ref", "folder"},
        "archive": {"archive", "sha256", "folder"},
        "bucket": {"bucket", "folder"},
    }
    wrong += [f"{name} has no place beside {first[0]}" for name in sorted(set(told) - allowed[first[0]])]
    place = texts.get(first[0], "")
    folder = texts.get("folder", "").strip("/")
    wrong += _wrong_place(first[0], place)
    if folder and (str(PurePosixPath(folder)) != folder or ".." in folder.split("/") or not folder.isprintable()):
        wrong.append("folder must be a plain path within the source")
    if first[0] == "git":
        ref = texts.get("ref", "main")
        if not _REF.fullmatch(ref) or ref.endswith((".lock", "/", ".")):
            wrong.append("ref must be a branch, a tag or a commit's 40 digits")
        source: Source = GitSource(_scp(place), ref, folder)
    elif first[0] == "archive":
        sha256 = texts.get("sha256", "").removeprefix("sha256:")
        if not _SHA256.fullmatch(sha256):
            wrong.append("sha256 must be the archive's digest, 64 hex digits (sha256sum FILE)")
        source = ArchiveSource(place, sha256.lower(), folder)
    else:
        source = BucketSource(place.rstrip("/"), folder)
    if wrong:
        raise _refused(*wrong)
    return source


def _wrong_place(what: str, place: str) -> list[str]:
    if not place or not place.isprintable() or any(letter.isspace() for letter in place):
        return [f"{what} must be a URL or a path, without spaces"]
    if what == "bucket" and "::" in place:
        return [f"{what}: chained URLs (`::`) are not followed"]
    if what == "bucket" and ("://" not in place or place.startswith(("http:", "https:"))):
        return ["bucket must be a URL as s3://bucket/prefix; what a web server has is an archive"]
    try:
        parts = urlsplit(place)
        _ = parts.port
    except ValueError:
        return [f"{what} is no valid URL"]
    if parts.scheme and (parts.password or (parts.username and parts.scheme not in ("ssh", "git+ssh", "ssh+git"))):
        return [f"{what}: a login has no place in a manifest; {CODES['source-not-allowed'].cure}"]
    if "://" not in place and not place.startswith("/") and not (what == "git" and is_remote(place)):
        return [f"{what} must be a URL, or an absolute path on the controller"]
    if "://" in place and not parts.hostname and parts.scheme not in ("file", "memory", "local"):
        return [f"{what}: the URL names no server"]
    return []


def _scp(place: str) -> str:
    match = _SCP.fullmatch(place) if "://" not in place and not place.startswith("/") else None
    if match is None:
        return place
    user = f"{match[1]}@" if match[1] else ""
    return f"ssh://{user}{match[2]}/{match[3].lstrip('/')}"


def _refused(*wrong: str) -> Refused:
    cure = CODES["source-spec"].cure
    return Refused(*(Problem(code="source-spec", message=f"from: {words}", hint=cure) for words in wrong))


__all__ = ["ArchiveSource", "BucketSource", "GitSource", "Source", "key_of", "source_of"]
