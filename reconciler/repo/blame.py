"""Who last touched a line.

libgit2's blame walks history anew for each file, which takes seconds where thousands of commits lie above the file's last
change. So one walk, shared by all files of a commit and taken only as far as it is needed, finds the commit that made
each file what it is; blame starts from there, and isn't asked at all when that commit added the file.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from threading import RLock

import pygit2
from pygit2.enums import DeltaStatus, SortMode

from ..core.model import Commit


def commit_of(commit: pygit2.Commit) -> Commit:
    """pygit2's commit as ours. Names and subjects are whatever somebody typed: bytes that aren't UTF-8 are replaced."""
    try:
        message = commit.message
    except (UnicodeDecodeError, LookupError):
        message = commit.raw_message.decode("utf-8", "replace")
    return Commit(
        id=str(commit.id),
        author=author_name(commit),
        subject=next((line.strip() for line in message.splitlines() if line.strip()), ""),
        at=float(commit.author.time),
        tree=str(commit.tree_id),
    )


def author_name(commit: pygit2.Commit) -> str:
    try:
        return commit.author.name or ""
    except (UnicodeDecodeError, LookupError):
        return (commit.author.raw_name or b"").decode("utf-8", "replace")


class Blames:
    """Authors of lines, remembered; the least recently asked file goes first. Safe to share between threads.

    `open_git` makes a libgit2 handle: the walk has one of its own.
    """

    def __init__(self, open_git: Callable[[], pygit2.Repository], size: int = 4096) -> None:
        self._open = open_git
        self._size = size
        self._git: pygit2.Repository | None = None
        self._known: OrderedDict[tuple[str, str], tuple[tuple[int, ...], tuple[str, ...]]] = OrderedDict()
        self._origins: OrderedDict[str, _Origins] = OrderedDict()
        self._lock = RLock()

    def author(self, commit: str, path: str, line: int) -> Commit:
        """The commit that gave `path` its `line` (from 1) as it is at `commit`; an empty Commit when there is none."""
        with self._lock:
            try:
                starts, ids = self._of(commit, path)
                at = bisect_right(starts, max(line, 1)) - 1
                found = self._handle().get(ids[at]) if 0 <= at < len(ids) else None
            except (pygit2.GitError, KeyError, ValueError, OSError):
                # Shown beside something that matters more: a history that is cut short (a shallow clone) or damaged
                # costs the name of an author, not the plan.
                return Commit()
        return commit_of(found) if isinstance(found, pygit2.Commit) else Commit()

    def _of(self, commit: str, path: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
        key = (commit, path)
        if key not in self._known:
            self._known[key] = self._blame(commit, path)
            while len(self._known) > self._size:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]

    def _blame(self, commit: str, path: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
        git = self._handle()
        if commit not in self._origins:
            self._origins[commit] = _Origins(git, commit)
            while len(self._origins) > 4:
                self._origins.popitem(last=False)
        origin = self._origins[commit].of(path)
        if origin is None:
            return (), ()
        made_by, added = origin
        if added:
            return (1,), (made_by,)
        hunks = sorted(
            (hunk.final_start_line_number, str(hunk.final_commit_id)) for hunk in git.blame(path, newest_commit=made_by)
        )
        return tuple(start for start, _ in hunks), tuple(id for _, id in hunks)

    def _handle(self) -> pygit2.Repository:
        if self._git is None:
            self._git = self._open()
        return self._git


class _Origins:
    """For each file of one commit, the newest commit that made it what it is there, and whether that one added it."""

    def __init__(self, git: pygit2.Repository, commit: str) -> None:
        self._tree = git[commit].peel(pygit2.Tree)
        self._found: dict[str, tuple[str, bool]] = {}
        self._wanted: dict[str, str] = {}
        self._steps = self._walk(git, commit)

    def of(self, path: str) -> tuple[str, bool] | None:
        if path not in self._tree:
            return None
        while path not in self._found and next(self._steps, None) is not None:
            pass
        return self._found.get(path)

    def _walk(self, git: pygit2.Repository, commit: str) -> Iterator[bool]:
        for step in git.walk(pygit2.Oid(hex=commit), SortMode.TOPOLOGICAL | SortMode.TIME):
            for path, made, added in _changes(step):
                # Where branches met, the newer change may have lost: only who left the file as it is counts.
                if path not in self._found and self._here(path) == made:
                    self._found[path] = (str(step.id), added)
            yield True

    def _here(self, path: str) -> str:
        if path not in self._wanted:
            self._wanted[path] = str(self._tree[path].id) if path in self._tree else ""
        return self._wanted[path]


def _changes(commit: pygit2.Commit) -> Iterator[tuple[str, str, bool]]:
    """Path, blob and whether it was added, of what differs from every parent."""
    parents = commit.parents
    if not parents:
        yield from ((path, blob, True) for path, blob in _all(commit.tree, ""))
        return
    same: dict[str, int] = {}
    for parent in parents:
        for delta in parent.tree.diff_to_tree(commit.tree, context_lines=0).deltas:
            path, blob = delta.new_file.path, str(delta.new_file.id)
            same[path] = same.get(path, 0) + 1
            if same[path] == len(parents) and delta.status != DeltaStatus.DELETED:
                yield path, blob, delta.status == DeltaStatus.ADDED and len(parents) == 1


def _all(tree: pygit2.Tree, prefix: str) -> Iterator[tuple[str, str]]:
    for entry in tree:
        if isinstance(entry, pygit2.Tree):
            yield from _all(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", str(entry.id)


__all__ = ["Blames", "author_name", "commit_of"]
