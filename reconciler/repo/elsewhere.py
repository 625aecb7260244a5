"""A repository that isn't the fleet's, at a ref: one folder of it, taken into our own content."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pygit2
from pygit2.enums import FileMode

from ..core.problem import Problem, Refused
from .content import Content
from .files import _PLAIN
from .git import _open
from .remote import Credentials, Mirror, local_path, mirror_of
from .troubles import CODES, named, redacted

_DEPTH = 100
"""Folders within folders that are followed; names that deep are no path that a server could be asked for."""
_ID = re.compile(r"[0-9a-f]{40}")


class Elsewhere:
    """The repository at `place`: a URL, by a mirror of it in `cache_dir`; a path or `file://`, read where it lies. Raises
    Refused on a transport that it won't use."""

    def __init__(self, place: str, cache_dir: Path, credentials: Credentials) -> None:
        local = local_path(place)
        self._mirror = Mirror(place, cache_dir, credentials) if local is None else None
        self.path = local or mirror_of(place, cache_dir)
        self.place = redacted(place)

    def commit(self, ref: str) -> str:
        """The commit that `ref` names there now: a branch, else a tag, a whole ref (refs/…), or a commit's 40 digits,
        which may be of any branch or tag. It is here when this returns. Raises Refused (repo-rev when there is none)."""
        refs = self._refs()
        found = next((name for name in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref) if name in refs), None)
        if found is not None:
            if self._mirror is not None and not self._here(refs[found]):
                self._mirror.fetch((found,), depth=1)
            return self._peeled(refs[found], ref)
        if not _ID.fullmatch(ref):
            raise Refused(self._unknown(ref))
        if self._mirror is not None and not self._here(ref):
            self._mirror.fetch(("refs/heads/*", "refs/tags/*"))
        if not self._here(ref):
            raise Refused(self._unknown(ref))
        commit = self._peeled(ref, ref)
        if self._mirror is None and not self._led_to(commit, refs):
            raise Refused(self._unknown(ref))
        return commit

    def branches(self) -> Mapping[str, str]:
        """The branches that are there now → their commits' ids, without fetching them."""
        start = "refs/heads/"
        return {name.removeprefix(start): id for name, id in self._refs().items() if name.startswith(start)}

    def _refs(self) -> Mapping[str, str]:
        """What is there now, HEAD among it: ref → id of what it points at."""
        if self._mirror is not None:
            return self._mirror.refs()
        with named(f"refs of {self.place}", path=str(self.path)):
            refs = self._git().references
            found: dict[str, str] = {}
            for name in (*refs, "HEAD"):
                with suppress(KeyError):  # it leads to a branch that isn't born
                    found[name] = str(refs[name].resolve().target)
            return found

    def _led_to(self, commit: str, refs: Mapping[str, str]) -> bool:
        """Whether the commit is of any branch or tag: what was taken back is published no more, though it may lie there."""
        with named(f"history of {self.place}", path=str(self.path)):
            git = self._git()
            walk = git.walk(None)
            for name, id in refs.items():
                if name.startswith(("refs/heads/", "refs/tags/")):
                    with suppress(pygit2.InvalidSpecError):  # a tag may be of anything
                        walk.push(git[id].peel(pygit2.Commit).id)
            return any(str(one.id) == commit for one in walk)

    def take(
        self, commit: str, folder: str, into: Content, *, files: int, size: int
    ) -> tuple[Mapping[str, str], tuple[str, ...]]:
        """Copy the plain files of `folder` (all when empty) at `commit`: path → blob id, and the paths of links and
        submodules, which are left out. Raises Refused: repo-rev when there is no such folder, repo-too-big when there
        are more than so many `files` or bytes (`size`, unpacked)."""
        with named(f"commit {commit[:7]} of {self.place}"):
            git = self._git()
            tree = git[commit].peel(pygit2.Commit).tree
            here: pygit2.Object | None = tree
            if folder:
                here = tree[folder] if folder in tree else None  # noqa: SIM401  # a Tree has no get()
            if not isinstance(here, pygit2.Tree):
                raise Refused(self._no_folder(folder, commit))
            found: dict[str, str] = {}
            left_out: list[str] = []
            total = 0
            sizes: dict[str, int] = {}
            # Trees may name one another many times over, so what is walked is counted, not what is stored.
            for seen, (path, entry) in enumerate(_walk(here, ""), 1):
                if entry.filemode in _PLAIN:
                    blob = found[path] = str(entry.id)
                    if blob not in sizes:
                        sizes[blob] = git.odb.read_header(entry.id)[1]
                        total += sizes[blob]
                elif entry.filemode != FileMode.TREE:
                    left_out.append(path)
                if seen > files or total > size:
                    raise Refused(
                        self._too_big(files if seen > files else size, "entries" if seen > files else "bytes")
                    )
        into.copy(found, lambda blob: bytes(git[blob].peel(pygit2.Blob).data))
        return dict(sorted(found.items())), tuple(sorted(left_out))

    def _git(self) -> pygit2.Repository:
        return _open(self.path)

    def _here(self, id: str) -> bool:
        if self._mirror is not None and not self._mirror.exists:
            return False
        git = self._git()
        thing = git.get(id)
        # A fetch that was cut may have left a commit without its files: libgit2 keeps packs whole, Git may not have.
        return thing is not None and (not isinstance(thing, pygit2.Commit) or thing.tree_id in git)

    def _peeled(self, id: str, ref: str) -> str:
        with named(f"{redacted(ref)} of {self.place}"):
            try:
                return str(self._git()[id].peel(pygit2.Commit).id)
            except (pygit2.InvalidSpecError, ValueError):
                raise Refused(self._unknown(ref)) from None

    def _unknown(self, ref: str) -> Problem:
        message = f"{redacted(ref)[:80]!r} is no branch, tag or commit of {self.place}"
        return Problem(code="repo-rev", message=message, hint=f"git ls-remote {self.place} lists what there is.")

    def _too_big(self, most: int, what: str) -> Problem:
        message = f"{self.place}: the folder has more than {most:,} {what}"
        return Problem(code="repo-too-big", message=message, hint=CODES["repo-too-big"].cure)

    def _no_folder(self, folder: str, commit: str) -> Problem:
        message = f"there is no folder {redacted(folder)[:200]!r} in {self.place} at {commit[:7]}"
        return Problem(code="repo-rev", message=message, hint=CODES["repo-rev"].cure)


def _walk(tree: pygit2.Tree, prefix: str, depth: int = 0) -> Iterator[tuple[str, pygit2.Object]]:
    for entry in tree:
        path = prefix + (entry.raw_name or b"").decode("utf-8", "backslashreplace")
        yield path, entry
        if entry.filemode == FileMode.TREE and isinstance(entry, pygit2.Tree) and depth < _DEPTH:
            yield from _walk(entry, path + "/", depth + 1)


__all__ = ["Elsewhere"]
