"""Content that is not the fleet repository's, as Git objects in one bare repository of our own.

Whatever the outside is (another repository, an archive, a bucket), here it is a tree of plain files, so that everything
else knows only trees and blobs, and the same content has the same ids wherever it came from. What is kept stands under a
name (a ref): a commit that is never changed, its tree holding `files` (the content) and `note` (bytes of whoever keeps
it). A ref is renamed into place by libgit2, so a kill leaves the old thing or the new one.
"""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pygit2
from pygit2.enums import FileMode, ObjectType

from ..core.problem import Refused
from .files import _walk
from .troubles import FOREIGN, named, problem

_PREFIX = "refs/outside/"
_LOOSE = re.compile(r"[0-9a-f]{38}")
_PART = ".part-"
_SMALL = 1024 * 1024
"""Bytes up to which a file is held in memory while it is written."""
_WHO = ("trueup", "trueup@localhost")


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A tree that is kept under a name."""

    name: str
    tree: str
    """Git's id of the content's tree; the same content has the same id."""
    note: bytes
    at: float
    """When it was kept, in seconds since the epoch, whole."""
    id: str
    """Of the commit that keeps it; never means anything else."""


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


class Content:
    """The bare repository at `path`, made (0700) when something is first written. Raises Refused with what is wrong.

    May be used from several threads. Writers must keep one another out, and `prune` is a writer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()

    # ---- reading

    def read(self, blob: str) -> bytes:
        """The bytes of a blob. Raises Refused when it isn't here."""
        with named(f"blob {blob[:12]} of {self.path}", path=str(self.path)):
            return bytes(self._git()[blob].peel(pygit2.Blob).data)

    def size(self, blob: str) -> int:
        """Its bytes, without reading them. Raises Refused when it isn't here."""
        with named(f"blob {blob[:12]} of {self.path}", path=str(self.path)):
            return int(self._git().odb.read_header(pygit2.Oid(hex=blob))[1])

    def files(self, tree: str) -> Mapping[str, str]:
        """Path → blob id of a tree's plain files, sorted by path."""
        found: dict[str, str] = {}
        with named(f"tree {tree[:12]} of {self.path}", path=str(self.path)):
            _walk(self._git()[tree].peel(pygit2.Tree), "", found)
        return dict(sorted(found.items()))

    def has(self, id: str) -> bool:
        return self._made() and id in self._git()

    def kept(self, name: str) -> Kept | None:
        """What is kept under `name`, None when nothing is."""
        if not self._made():
            return None
        with named(f"{name} of {self.path}", path=str(self.path)):
            ref = self._git().references.get(_PREFIX + name)
            return None if ref is None else self._told(name, ref.peel(pygit2.Commit))

    def names(self, under: str = "") -> Iterator[str]:
        """The names that something is kept under, sorted; `under` is how they begin."""
        if self._made():
            with named(f"names in {self.path}", path=str(self.path)):
                found = [str(name) for name in self._git().references if name.startswith(_PREFIX + under)]
            yield from (name.removeprefix(_PREFIX) for name in sorted(found))

    def ids(self) -> Mapping[str, str]:
        """Name → id of the commit that keeps it (`Kept.id`), of all that is kept."""
        if not self._made():
            return {}
        with named(f"names in {self.path}", path=str(self.path)):
            refs = self._git().references
            return {name.removeprefix(_PREFIX): str(refs[name].target) for name in refs if name.startswith(_PREFIX)}

    # ---- writing

    def write(self, data: bytes) -> str:
        """Write a blob; its id."""
        with _writing(self.path, f"write to {self.path}"):
            return str(self._git(make=True).create_blob(data))

    def write_from(self, file: Readable) -> str:
        """Write a blob from an open file, in pieces when it is large; its id."""
        first = b""
        while len(first) < _SMALL and (piece := file.read(_SMALL - len(first))):
            first += piece
        if len(first) < _SMALL:
            return self.write(first)
        with _writing(self.path, f"write to {self.path}"):
            return str(self._git(make=True).create_blob_fromiobase(_Begun(first, file)))

    def tree(self, files: Mapping[str, str]) -> str:
        """Write the tree that has these files, all of mode 0644; its id. A path whose parent is a file is a Refused."""
        root: dict[str, object] = {}
        for path, blob in files.items():
            *folders, name = path.split("/")
            here = root
            for folder in folders:
                here = here.setdefault(folder, {})  # type: ignore[assignment]
            here[name] = blob
        with _writing(self.path, f"write to {self.path}"):
            return str(_write(self._git(make=True), root))

    def copy(self, files: Mapping[str, str], read: Callable[[str], bytes]) -> None:
        """Bring the blobs of `files` that aren't here, `read` from wherever they are."""
        with _writing(self.path, f"write to {self.path}"):
            git = self._git(make=True)
            for blob in sorted(set(files.values())):
                if blob not in git:
                    git.create_blob(read(blob))

    def keep(self, name: str, tree: str, note: bytes, at: float) -> Kept:
        """Keep `tree` under `name`, in place of what was. `note` must be few bytes."""
        with _writing(self.path, f"keep {name} in {self.path}"):
            git = self._git(make=True)
            both = git.TreeBuilder()
            both.insert("files", pygit2.Oid(hex=tree), FileMode.TREE)
            both.insert("note", git.create_blob(note), FileMode.BLOB)
            who = pygit2.Signature(*_WHO, int(at), 0)
            id = git.create_commit(None, who, who, f"{name}\n", both.write(), [])
            git.references.create(_PREFIX + name, id, force=True)
            return self._told(name, git[id].peel(pygit2.Commit))

    def drop(self, name: str) -> None:
        """Keep nothing under `name` any more; the objects go with the next `prune`."""
        with named(f"drop {name} of {self.path}", path=str(self.path)):
            if self._made() and self._git().references.get(_PREFIX + name) is not None:
                self._git().references.delete(_PREFIX + name)

    def unlock(self) -> None:
        """Take away what a killed writer left: locks, a repository that was being made. Only for who keeps all other writers out."""
        with named(f"locks in {self.path}", path=str(self.path)):
            for lock in [*self.path.glob("*.lock"), *self.path.glob("refs/**/*.lock")]:
                lock.unlink(missing_ok=True)
            for part in self.path.parent.glob(self.path.name + _PART + "*"):
                shutil.rmtree(part, ignore_errors=True)

    def reach(self, id: str, besides: Set[str] = frozenset()) -> Mapping[str, int]:
        """All that `id` (of a commit, a tree or a blob) needs, itself too, but for what is in `besides`: id → bytes on
        disk. What isn't here is left out."""
        found: dict[str, int] = {}
        todo = [(id, False)] if self._made() else []
        with named(f"objects of {self.path}", path=str(self.path)):
            while todo:
                one, is_blob = todo.pop()
                if one in besides or one in found:
                    continue
                try:
                    found[one] = (self.path / "objects" / one[:2] / one[2:]).stat().st_size
                except FileNotFoundError:
                    continue
                thing = None if is_blob else self._git()[one]  # a blob may be large, and leads nowhere
                if isinstance(thing, pygit2.Commit):
                    todo.append((str(thing.tree_id), False))
                elif isinstance(thing, pygit2.Tree):
                    todo += [(str(entry.id), entry.type == ObjectType.BLOB) for entry in thing]
        return found

    def prune(self, needed: Set[str], older: float = 3600.0) -> int:
        """Delete the objects that are not `needed`, if they are `older` than so many seconds; how many there were.

        Objects are loose: this repository never fetches, so no pack has to be written anew. What a killed writer left
        half written goes too.
        """
        if not self._made():
            return 0
        with named(f"prune of {self.path}", path=str(self.path)):
            before, gone = time.time() - older, 0
            for folder in self.path.glob("objects/[0-9a-f][0-9a-f]"):
                for place in folder.iterdir():
                    if not (_LOOSE.fullmatch(place.name) and folder.name + place.name in needed):
                        gone += _unlink(place, before)
            for stray in self.path.glob("objects/tmp_*"):
                _unlink(stray, before)
            return gone

    def _told(self, name: str, commit: pygit2.Commit) -> Kept:
        note = commit.tree["note"].peel(pygit2.Blob).data
        return Kept(
            name=name,
            tree=str(commit.tree["files"].id),
            note=bytes(note),
            at=float(commit.commit_time),
            id=str(commit.id),
        )

    def _made(self) -> bool:
        return (self.path / "HEAD").is_file()

    def _make(self) -> None:
        """Made aside and renamed: several may write here for the first time at once."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = tempfile.mkdtemp(prefix=self.path.name + _PART, dir=self.path.parent)
        try:
            pygit2.init_repository(part, bare=True)
            # A ref must not outlive a power cut that its objects did not.
            pygit2.Repository(part).config["core.fsyncObjectFiles"] = True
            with suppress(FileExistsError, NotADirectoryError):
                os.rename(part, self.path)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
        if not self._made():  # half of one, as a kill of an older trueup left it
            pygit2.init_repository(str(self.path), bare=True)

    def _git(self, make: bool = False) -> pygit2.Repository:
        git: pygit2.Repository | None = getattr(self._local, "git", None)
        if git is None or (make and not self._made()):
            if make and not self._made():
                self._make()
            git = self._local.git = pygit2.Repository(str(self.path))
        return git


class _Begun(io.RawIOBase):
    """A file of which the first bytes were read already."""

    def __init__(self, first: bytes, rest: Readable) -> None:
        self._first = first
        self._rest = rest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._first:
            piece, self._first = self._first[:size], self._first[size:]
            return piece
        return self._rest.read(size)


@contextmanager
def _writing(path: Path, what: str) -> Iterator[None]:
    """As `named`; libgit2 (1.9.7) says *no error* when a disk is full, so it is looked at."""
    try:
        yield
    except FOREIGN as error:
        if isinstance(error, OSError) or not _full(path):
            raise Refused(problem(error, what, path=str(path))) from error
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise Refused(problem(full, what, path=str(path))) from error


def _full(path: Path) -> bool:
    room = os.statvfs(path if path.exists() else path.parent)
    return room.f_bavail * room.f_frsize < _SMALL or (room.f_files > 0 and room.f_favail == 0)


def _write(git: pygit2.Repository, folder: Mapping[str, object]) -> pygit2.Oid:
    builder = git.TreeBuilder()
    for name, thing in folder.items():
        if isinstance(thing, dict):
            builder.insert(name, _write(git, thing), FileMode.TREE)
        else:
            builder.insert(name, pygit2.Oid(hex=str(thing)), FileMode.BLOB)
    return builder.write()


def _unlink(place: Path, before: float) -> bool:
    try:
        if place.stat().st_mtime >= before:
            return False
        os.unlink(place)
    except FileNotFoundError:
        return False
    return True


__all__ = ["Content", "Kept"]
