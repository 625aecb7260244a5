"""What a manifest's `from` says of a source outside the fleet's repository, as a typed thing with a key.

{git: URL, ref: main, folder: public}          a branch, tag, whole ref or commit; `main` when left out
{archive: URL or PATH, sha256: HEX, folder: dist}
{bucket: s3://bucket/prefix, folder: …}        s3 and what else fsspec knows
{folder: public, ref: next}                    the fleet's own repository at another ref
{branches: ["feature/*"], max: 20, git: URL, ref: main, folder: public}
                                               the open branches of a repository (the fleet's own without `git`), but for
                                               `ref`, each with the content of `folder` there
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from ..core.model import Json
from ..core.outside import ELSEWHERE
from ..core.problem import Problem, Refused
from ..repo.remote import is_remote
from .troubles import CODES

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_REF = re.compile(r"(?!.*(\.\.|@\{|//|/\.|\.lock$|[/.]$))[^\s~^:?*\[\\./@-][^\s~^:?*\[\\]{0,199}")
"""git-check-ref-format(1): people name branches issue-#12, fix(menu) and größe."""
_SCP = re.compile(r"(?:([^@/:\s]+)@)?([^/:\s]+):(\S+)")


@dataclass(frozen=True, slots=True)
class GitSource:
    git: str
    """A URL (`user@host:path` is told as ssh://), or a path on the controller; empty: the fleet's own repository."""
    ref: str = "main"
    folder: str = ""

    @property
    def place(self) -> str:
        return self.git


@dataclass(frozen=True, slots=True)
class BranchesSource:
    branches: tuple[str, ...]
    """Globs of names; `*` is any characters."""
    most: int
    git: str = ""
    ref: str = ""
    """The branch that isn't among them: the one that is served as such."""
    folder: str = ""

    @property
    def place(self) -> str:
        return self.git

    def of(self, branch: str) -> GitSource:
        """The content of one of them."""
        return GitSource(self.git, f"refs/heads/{branch}", self.folder)

    def takes(self, branch: str) -> bool:
        return branch != self.ref and is_ref(branch) and any(fnmatchcase(branch, pattern) for pattern in self.branches)


def is_ref(name: str) -> bool:
    """Whether it is a name that Git takes for a branch or a tag, and that can be shown in a line of text."""
    return _REF.fullmatch(name) is not None and name.isprintable()


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


Source = GitSource | BranchesSource | ArchiveSource | BucketSource


def key_of(source: Source, own: str | None = None) -> str:
    """16 hex digits that name the source, and nothing else does; `own` is the fleet's own repository, where several fleets'
    are to be told apart."""
    of = {} if source.place or own is None else {"of": own}
    told = json.dumps({"is": type(source).__name__, **asdict(source), **of}, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def source_of(told: Mapping[str, Json]) -> Source:
    """The source that `from` says. Raises Refused with all that is wrong (code source-spec)."""
    if "branches" in told:
        return _branches(told)
    wrong: list[str] = []
    texts: dict[str, str] = {}
    for name, value in told.items():
        if isinstance(value, str):
            texts[name] = value.strip()
        else:
            wrong.append(f"{name} must be text")
    first = [name for name in ELSEWHERE if name in told]
    if not first and "ref" in told and "folder" in told:
        first, texts = ["git"], {"git": "", **texts}
    if len(first) != 1:
        raise _refused("one of git, archive or bucket must be said")
    others = set(told) - {first[0], *ELSEWHERE[first[0]]}
    wrong += [f"{name} has no place beside {first[0]}" for name in sorted(others)]
    place = texts.get(first[0], "")
    folder = texts.get("folder", "").strip("/")
    folder = "" if folder == "." else folder
    wrong += _wrong_place(first[0], place) if "git" not in first or "git" in told else []
    if folder and (str(PurePosixPath(folder)) != folder or ".." in folder.split("/") or not folder.isprintable()):
        wrong.append("folder must be a plain path within the source")
    if first[0] == "git":
        ref = texts.get("ref", "main")
        if not is_ref(ref):
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


def _branches(told: Mapping[str, Json]) -> BranchesSource:
    """Its repository and folder are judged as those of any of its branches are."""
    patterns, most, ref = told["branches"], told.get("max"), told.get("ref", "")
    one = {name: told[name] for name in ("git", "folder") if name in told}
    judged = source_of({"folder": ".", **one, "ref": ref or "main"})
    assert isinstance(judged, GitSource)
    if not isinstance(patterns, list) or not all(isinstance(one, str) for one in patterns) or not isinstance(most, int):
        raise _refused("branches must be a list of patterns, and max how many there may be")
    return BranchesSource(tuple(patterns), most, judged.git, str(ref), judged.folder)


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
    if what != "archive" and "://" in place and any(sign in place for sign in "?#\\"):
        # libgit2 goes on behind them to look for the server's name: another one than is judged by.
        return [f"{what}: the URL of a {'repository' if what == 'git' else what} has no ?, no # and no backslash"]
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


__all__ = ["ArchiveSource", "BranchesSource", "BucketSource", "GitSource", "Source", "key_of", "source_of"]
