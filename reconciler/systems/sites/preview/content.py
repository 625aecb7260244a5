"""Where the files of a site that is looked at lie: in a folder that is being written, or in content from outside the
repository as it was fetched. What serves and what judges them reads both alike.
"""

from __future__ import annotations

import errno
import io
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from reconciler.core.outside import Resolved
from reconciler.core.problem import Refused
from reconciler.outside.known import Known
from reconciler.ports import Files

BIG = 4 * 1024 * 1024
"""Bytes from which on a fetched file is unpacked to disk once, so that a film's ranges don't unpack all of it each."""


class Lies(Protocol):
    """A site's files at one look. `open` and `size` raise OSError for one that went away, or became a link, since."""

    def open(self, path: str) -> BinaryIO: ...

    def size(self, path: str) -> int: ...


@dataclass(frozen=True)
class InFolder:
    """Below `root`; no link is followed."""

    root: Path

    def open(self, path: str) -> BinaryIO:
        fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            *folders, last = path.split("/")
            for name in folders:
                fd, above = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd), fd
                os.close(above)
            file = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
            return os.fdopen(file, "rb")
        finally:
            os.close(fd)

    def size(self, path: str) -> int:
        return (self.root / path).lstat().st_size

    def __str__(self) -> str:
        return str(self.root)


@dataclass(frozen=True)
class Fetched:
    """What a source came to, in the cache that `known` reads. `words` say which source and version it is."""

    known: Known
    resolved: Resolved
    words: str
    _unpacked: dict[str, IO[bytes]] = field(default_factory=dict, repr=False)
    """Big files by blob id: they have no name, so that nothing of them is left."""

    def open(self, path: str) -> BinaryIO:
        id = self._id(path)
        if id not in self._unpacked:
            try:
                data = self.known.blob(id)
            except Refused as refused:
                raise OSError(errno.ENOENT, str(refused), path) from None
            if len(data) < BIG:
                return io.BytesIO(data)
            file = tempfile.TemporaryFile()  # noqa: SIM115  # open for as long as the preview runs
            file.write(data)
            file.flush()
            self._unpacked.setdefault(id, file)
        # By its number, so that each who reads it has a place of his own in it.
        return open(f"/proc/self/fd/{self._unpacked[id].fileno()}", "rb")

    def size(self, path: str) -> int:
        try:
            return self.known.size(self._id(path))
        except Refused as refused:
            raise OSError(errno.ENOENT, str(refused), path) from None

    def _id(self, path: str) -> str:
        if path not in self.resolved.files:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return self.resolved.files[path]

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Content:
    """Path → blob id of a site's files, how one is read to be judged, and where they lie."""

    below: Mapping[str, str]
    read: Callable[[str], bytes]
    lies: Lies
    folder: str = ""
    """Of the repository; problems of a file name it there."""

    def path(self, file: str) -> str:
        return f"{self.folder}/{file}" if self.folder else file


def in_folder(files: Files, root: Path, folder: str) -> Content:
    """A folder of `files`, which lie below `root`; all of them when `folder` is empty."""
    start = folder + "/" if folder else ""
    below = {path[len(start) :]: blob for path, blob in files.paths().items() if path.startswith(start)}
    return Content(below, lambda path: files.read(start + path), InFolder(root / folder), folder)


def as_fetched(fetched: Fetched) -> Content:
    found = fetched.resolved.files
    return Content(found, lambda path: fetched.known.blob(found[path]), fetched)


__all__ = ["Content", "Fetched", "InFolder", "Lies", "as_fetched", "in_folder"]
