"""The files of a commit, read from the object store, and the files of a folder as they lie there.

Both leave out symbolic links and submodules: a link could lead out of the repository, a submodule's files are
another repository's. Both name content by Git's own hash of it, so that what was read once is known again.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import pygit2
from pygit2.enums import FileMode, FileStatus

from ..core.model import Commit
from .blame import Blames, commit_of
from .troubles import named

_PLAIN = (FileMode.BLOB, FileMode.BLOB_EXECUTABLE)


def blob_id(content: bytes) -> str:
    """Git's id of a file with this content (gitformat: SHA-1 of `blob LENGTH NUL content`)."""
    return hashlib.sha1(b"blob %d\x00" % len(content) + content, usedforsecurity=False).hexdigest()


class CommitFiles:
    """The files of one commit. Nothing is checked out: a blob is read when it is asked for.

    `root` is a folder of the repository when only that part of it is the fleet's; paths are then relative to it.
    `open_git` gives the repository of the calling thread: libgit2's handles are not shared between threads.
    """

    def __init__(
        self, open_git: Callable[[], pygit2.Repository], commit_id: str, *, root: str = "", blames: Blames | None = None
    ) -> None:
        self._git = open_git
        self._root = root.strip("/")
        self._blames = blames or Blames(open_git)
        with named(f"commit {commit_id[:7]}"):
            git = open_git()
            self.commit: Commit = commit_of(git[commit_id].peel(pygit2.Commit))
        self._paths: Mapping[str, str] | None = None

    def paths(self) -> Mapping[str, str]:
        """Every file's path → blob id, sorted by path. Raises Refused when a tree is missing or damaged."""
        if self._paths is None:
            found: dict[str, str] = {}
            with named(f"commit {self.commit.short}"):
                tree: pygit2.Object = self._git()[self.commit.tree]
                if self._root:
                    tree = tree[self._root] if isinstance(tree, pygit2.Tree) else tree
                if isinstance(tree, pygit2.Tree):
                    _walk(tree, "", found)
            self._paths = MappingProxyType(dict(sorted(found.items())))
        return self._paths

    def read(self, path: str) -> bytes:
        """The file's bytes. Raises KeyError when there is no such file, Refused when its blob is damaged."""
        blob = self.paths()[path]
        with named(f"{path} at {self.commit.short}"):
            return bytes(self._git()[blob].peel(pygit2.Blob).data)

    def size(self, path: str) -> int:
        """How many bytes it has, by the object's header. Raises KeyError, Refused as `read` does."""
        blob = self.paths()[path]
        with named(f"{path} at {self.commit.short}"):
            return self._git().odb.read_header(pygit2.Oid(hex=blob))[1]

    def author(self, path: str, line: int) -> Commit:
        """The commit that last touched the line, by blame; an empty Commit when there is none."""
        whole = str(PurePosixPath(self._root) / path) if self._root else path
        return self._blames.author(self.commit.id, whole, line)


def _walk(tree: pygit2.Tree, prefix: str, found: dict[str, str]) -> None:
    for entry in tree:
        # A name that isn't UTF-8 is kept apart from every name that a manifest can say, and can be printed.
        name = (entry.raw_name or b"").decode("utf-8", "backslashreplace")
        if entry.filemode in _PLAIN:
            found[prefix + name] = str(entry.id)
        elif entry.filemode == FileMode.TREE and isinstance(entry, pygit2.Tree):
            _walk(entry, prefix + name + "/", found)


class FolderFiles:
    """The files of a folder as they lie there, committed or not.

    In a checkout: all that Git doesn't ignore, so that a plan shows what `git add -A` would commit. Elsewhere: all
    files. `commit` is empty: what nobody committed has no author, and `author` gives the committed line's where Git knows.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._folder = Path(path).absolute()
        self.commit: Commit = Commit()
        self._paths: Mapping[str, str] | None = None
        self._sizes: dict[str, int] = {}
        self._repo = _around(self._folder)
        self._blames = Blames(lambda: pygit2.Repository(pygit2.discover_repository(str(self._folder)) or ""))

    def paths(self) -> Mapping[str, str]:
        """Every file's path → blob id, sorted by path; read once, so that one look sees one state."""
        if self._paths is None:
            with named(f"folder {self._folder}", path=str(self._folder)):
                listed = sorted(_by_git(self._repo, self._folder) if self._repo is not None else _by_walk(self._folder))
                self._paths = MappingProxyType(
                    {name: content for name in listed if (content := self._blob(name)) is not None}
                )
        return self._paths

    def read(self, path: str) -> bytes:
        """The file's bytes. Raises KeyError when there is no such file (or it went away since)."""
        if path not in self.paths():
            raise KeyError(path)
        try:
            return _read(self._folder / path)
        except OSError:
            raise KeyError(path) from None

    def size(self, path: str) -> int:
        """How many bytes it had when it was listed. Raises KeyError when there is no such file."""
        self.paths()
        return self._sizes[path]

    def author(self, path: str, line: int) -> Commit:
        """The commit that last touched the line, when the file is as the checkout's HEAD has it; else an empty Commit."""
        if self._repo is None or self._repo.is_empty or self._repo.head_is_unborn:
            return Commit()
        whole = _inside(self._repo, self._folder / path)
        try:
            edited = self._repo.status_file(whole) not in (FileStatus.CURRENT, FileStatus.IGNORED)
        except (KeyError, pygit2.GitError):
            return Commit()
        if edited:
            return Commit()
        return self._blames.author(str(self._repo.head.target), whole, line)

    def _blob(self, name: str) -> str | None:
        try:
            content = _read(self._folder / name)
        except FileNotFoundError:  # went away between listing and reading, as editors' temporary files do
            return None
        self._sizes[name] = len(content)
        return blob_id(content)


def _read(path: Path) -> bytes:
    # O_NOFOLLOW: a link that took the place of a listed file must not lead out of the folder.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read()


def _around(folder: Path) -> pygit2.Repository | None:
    """The checkout that `folder` is in, None when it is in none (or in one that ignores it)."""
    if not folder.is_dir():
        return None
    with named(f"folder {folder}", path=str(folder)):
        found = pygit2.discover_repository(str(folder))
        if not found:
            return None
        git = pygit2.Repository(found)
        if git.is_bare:
            return None
        inside = _inside(git, folder)
        if inside and (git.path_is_ignored(inside + "/") or git.path_is_ignored(inside)):
            return None
        return git


def _inside(git: pygit2.Repository, path: Path) -> str:
    """`path` relative to the checkout's root; empty for the root itself."""
    inside = os.path.relpath(os.path.realpath(path.parent) + "/" + path.name, os.path.realpath(git.workdir))
    return "" if inside == "." else inside


def _by_git(git: pygit2.Repository, folder: Path) -> set[str]:
    """Paths that are in the index or that Git would add, relative to `folder`, that exist as plain files."""
    inside = _inside(git, folder)
    start = inside + "/" if inside else ""
    names = {entry.path for entry in git.index if entry.mode in _PLAIN}
    names |= set(git.status(untracked_files="all", ignored=False))
    return {
        name[len(start) :]
        for name in names
        if name.startswith(start) and not name.endswith("/") and _is_plain(folder / name[len(start) :])
    }


def _by_walk(folder: Path) -> set[str]:
    if not folder.is_dir():
        raise FileNotFoundError(f"no such folder: {folder}")
    names: set[str] = set()
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        names |= {os.path.relpath(os.path.join(place, name), folder) for name in files}
    return {name for name in names if _is_plain(folder / name)}


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


__all__ = ["CommitFiles", "FolderFiles", "blob_id"]
