"""Which names may be files of a site, and how much there may be of everything. One collector for archives and buckets.

A name that means another place on some machine is refused, not mended: `..`, absolute, a drive's letter, a backslash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .troubles import refused

_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much of one source is taken."""

    size: int = 1024 * 1024 * 1024
    """Bytes, as they come and unpacked."""
    files: int = 100_000
    """Members, folders among them. A site of more would take minutes to look at on each host."""
    depth: int = 64
    """Folders within folders."""
    ratio: int = 200
    """Unpacked bytes for each packed one. Text packs 20 : 1, a page of zeros 1,000 : 1."""
    free: int = 16 * 1024 * 1024
    """Unpacked bytes from which on the ratio is looked at: small sparse things are harmless."""
    spare: int = 256 * 1024 * 1024
    """Bytes that stay free on our disk: the state of the fleet is there too."""
    seconds: float = 120.0
    """For one source. A server that hangs must not hold up the fleet."""


@dataclass(slots=True)
class Names:
    """The names that were seen in one source. Each method raises Refused and names the member."""

    where: str
    limits: Limits
    _files: set[str] = field(default_factory=set)
    _folders: set[str] = field(default_factory=set)
    _members: int = 0
    _bytes: int = 0

    def member(self, raw: str, *, folder: bool = False) -> str:
        """The path that `raw` means (empty for the root itself), counted and looked at."""
        self._members += 1
        if self._members > self.limits.files:
            raise refused("source-too-big", f"{self.where}: more than {self.limits.files:,} members")
        path = raw
        while path.startswith("./"):
            path = path[2:]
        if folder:
            path = path.rstrip("/") if path not in ("/", "//") else path
            if path in ("", "."):
                return ""
        if why := _wrong(path, self.limits.depth):
            code = "source-too-big" if why.startswith("lies") else "source-member"
            raise refused(code, f"{self.where}: {shown(raw)} {why}")
        if folder:
            if path in self._files:
                raise refused("source-member", f"{self.where}: {shown(raw)} is a file and a folder")
            self._folders.add(path)
            self._parents(path, raw)
            return path
        if path in self._files:
            raise refused("source-member", f"{self.where}: {shown(raw)} comes twice")
        if path in self._folders:
            raise refused("source-member", f"{self.where}: {shown(raw)} is a file and a folder")
        self._files.add(path)
        self._parents(path, raw)
        return path

    def refuse(self, raw: str, what: str) -> None:
        raise refused("source-member", f"{self.where}: {shown(raw)} is {what}")

    def took(self, raw: str, count: int) -> None:
        """`count` more bytes of the member were unpacked."""
        self._bytes += count
        if self._bytes > self.limits.size:
            raise refused("source-too-big", f"{self.where}: more than {self.limits.size:,} bytes, at {shown(raw)}")

    def _parents(self, path: str, raw: str) -> None:
        parent = path.rpartition("/")[0]
        while parent and parent not in self._folders:
            if parent in self._files:
                raise refused("source-member", f"{self.where}: {shown(raw)} lies in {shown(parent)}, which is a file")
            self._folders.add(parent)
            parent = parent.rpartition("/")[0]
        if parent in self._files:
            raise refused("source-member", f"{self.where}: {shown(raw)} lies in {shown(parent)}, which is a file")


def shown(name: str) -> str:
    """A member's name, safe to print and not too long."""
    safe = name.encode("utf-8", "backslashreplace").decode()
    safe = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in safe)
    return repr(safe[:200] + ("…" if len(safe) > 200 else "")).replace("\\\\", "\\")


def _wrong(path: str, depth: int) -> str:
    try:
        length = len(path.encode("utf-8"))
    except UnicodeEncodeError:
        return "has a name that isn't UTF-8"
    if any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in path):
        return "has a control character in its name"
    if path.startswith("/"):
        return "is an absolute path"
    if _DRIVE.match(path):
        return "begins with a drive's letter"
    if "\\" in path:
        return "has a backslash in its name, which is a folder's end on Windows"
    parts = path.split("/")
    if ".." in parts:
        return "leads out of the folder (..)"
    if "" in parts or "." in parts:
        return "has an empty part in its name"
    if any(part.lower().rstrip(". ").split(":")[0] in (".git", "git~1") for part in parts):
        return "is named as Git's own folder"
    if length > 1024 or any(len(part.encode()) > 255 for part in parts):
        return "has a name longer than a file system takes"
    if len(parts) > depth:
        return f"lies more than {depth} folders deep"
    return ""


__all__ = ["Limits", "Names", "shown"]
