"""Who last touched a line: libgit2's blame, once a file and commit, remembered."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from threading import Lock

import pygit2

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
    """Blames of whole files, the least recently asked dropped first. Safe to share between threads.

    A blame walks history from the commit back until each line has its commit: some milliseconds in a young
    repository, seconds in a very long one; so never for a file that nobody shows.
    """

    def __init__(self, size: int = 512) -> None:
        self._size = size
        self._known: OrderedDict[tuple[str, str], tuple[tuple[int, ...], tuple[str, ...]]] = OrderedDict()
        self._lock = Lock()

    def author(self, repo: pygit2.Repository, commit: str, path: str, line: int) -> Commit:
        """The commit that gave `path` its `line` (from 1) as it is at `commit`; an empty Commit when there is none."""
        starts, ids = self._of(repo, commit, path)
        at = bisect_right(starts, max(line, 1)) - 1
        if at < 0 or at >= len(ids):
            return Commit()
        found = repo.get(ids[at])
        return commit_of(found) if isinstance(found, pygit2.Commit) else Commit()

    def _of(self, repo: pygit2.Repository, commit: str, path: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
        key = (commit, path)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        try:
            hunks = sorted(
                (hunk.final_start_line_number, str(hunk.final_commit_id))
                for hunk in repo.blame(path, newest_commit=commit)
            )
        except (pygit2.GitError, KeyError, ValueError):  # no such path at that commit, a binary file
            hunks = []
        blame = (tuple(start for start, _ in hunks), tuple(id for _, id in hunks))
        with self._lock:
            self._known[key] = blame
            while len(self._known) > self._size:
                self._known.popitem(last=False)
        return blame


__all__ = ["Blames", "author_name", "commit_of"]
