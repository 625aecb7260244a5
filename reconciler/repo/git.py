"""One Git repository and the branch of it that the fleet follows. Objects come from the object store; no checkout is made."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pygit2
from pygit2.enums import FileStatus, RepositoryOpenFlag

from ..core.model import Commit
from ..core.problem import Problem, Refused
from ..ports import Files
from .blame import Blames, commit_of
from .files import CommitFiles, FolderFiles, _around, _inside
from .remote import Credentials, Mirror, is_remote
from .troubles import CODES, named, redacted


class GitRepo:
    """A repository on this machine, or a remote one through a mirror of it in `cache_dir`. Implements ports.Repo.

    `path_or_url`: a folder (bare or with a checkout), or https://, ssh://, file://, user@host:path.
    `cache_dir`: where mirrors of remotes are kept; needed for a remote only.
    `root`: the folder of the repository that is the fleet's, when it is not the whole of it.
    `environ`: where Git's own variables are looked up; in a pre-receive hook they lead to the objects in quarantine.

    May be used from several threads: each gets a libgit2 handle of its own.
    """

    def __init__(
        self,
        path_or_url: str | os.PathLike[str],
        branch: str = "main",
        cache_dir: str | os.PathLike[str] | None = None,
        credentials: Credentials | None = None,
        *,
        root: str = "",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.branch = branch
        self.root = root
        self._objects = _object_folders(os.environ if environ is None else environ)
        self._local = threading.local()
        self._blames = Blames(self._fresh)
        self._mirror: Mirror | None = None
        if is_remote(str(path_or_url)):
            if cache_dir is None:
                raise ValueError("a remote repository needs a folder for its mirror")
            self._mirror = Mirror(str(path_or_url), Path(cache_dir), credentials or Credentials())
            self.path = self._mirror.path
            self.place = redacted(str(path_or_url))
        else:
            self.path = Path(path_or_url).absolute()
            self.place = str(self.path)
            self._git()  # a wrong path is told now, not at the first push

    @property
    def remote(self) -> bool:
        """True when commits come by `fetch`, False when they are pushed here."""
        return self._mirror is not None

    @property
    def bare(self) -> bool:
        return bool(self._git().is_bare)

    @property
    def git_dir(self) -> Path:
        """Where refs/heads, packed-refs and HEAD are (also of a linked work tree): what a watcher watches."""
        git = self._git()
        common = Path(git.path) / "commondir"
        if common.is_file():
            return (Path(git.path) / common.read_text().strip()).resolve()
        return Path(git.path)

    # ---- ports.Repo

    def tip(self) -> str:
        """The id of the commit at the tip of the followed branch; empty when it has none yet. Raises Refused when
        the repository can't be read."""
        with named(f"branch {self.branch} of {self.place}", path=str(self.path)):
            git = self._git()
            ref = git.references.get(f"refs/heads/{self.branch}")
            return "" if ref is None else str(ref.peel(pygit2.Commit).id)

    def files(self, rev: str = "") -> Files:
        """The files of `rev` in any spelling that git rev-parse takes (the tip when empty). Raises Refused when the
        revision is unknown, or names no commit."""
        return CommitFiles(self._git, self.resolve(rev), root=self.root, blames=self._blames)

    def first_parents(self, rev: str, limit: int = 1000) -> Iterator[str]:
        """Commit ids from `rev` back on the first-parent line, `rev` first, at most `limit` of them. A shallow
        clone's line ends where its history does."""
        git = self._git()
        current: str | None = self.resolve(rev)
        for _ in range(limit):
            commit = git.get(current) if current else None
            if not isinstance(commit, pygit2.Commit):
                return
            yield str(commit.id)
            current = str(commit.parent_ids[0]) if commit.parent_ids else None

    def fetch(self) -> bool:
        """Follow the remote, if there is one; True when the tip moved. Raises Refused with what is wrong."""
        if self._mirror is None:
            return False
        before = self.tip() if self._mirror.exists else ""
        self._mirror.fetch()
        return self.tip() != before

    # ---- beyond the port

    def branches(self) -> Mapping[str, str]:
        """Every branch that is here → its commit's id. Raises Refused when the repository can't be read."""
        start = "refs/heads/"
        with named(f"branches of {self.place}", path=str(self.path)):
            refs = self._git().references
            return {name.removeprefix(start): str(refs[name].target) for name in refs if name.startswith(start)}

    def resolve(self, rev: str = "") -> str:
        """The id of the commit that `rev` names, the tip's when empty. Raises Refused (code repo-rev)."""
        if not rev:
            tip = self.tip()
            if not tip:
                raise Refused(
                    _unknown(
                        f"branch {self.branch} of {self.place} has no commit yet", "trueup init FOLDER, then git push."
                    )
                )
            return tip
        with named(f"repository {self.place}", path=str(self.path)):
            git = self._git()
            # `a..b` and `-x` are revision syntax, but no revision: revparse_single raises for them as for unknown names.
            for spelling in (rev, f"refs/heads/{rev}", f"refs/remotes/origin/{rev}"):
                try:
                    return str(git.revparse_single(spelling).peel(pygit2.Commit).id)
                except (KeyError, ValueError, pygit2.InvalidSpecError, pygit2.AmbiguousError) as error:
                    wrong = error
            told = (
                "is ambiguous: give more of its id" if isinstance(wrong, pygit2.AmbiguousError) else "names no commit"
            )
        raise Refused(_unknown(f"revision {redacted(rev)[:80]!r} {told} in {self.place}"))

    def log(self, rev: str = "", limit: int = 50, path: str = "") -> Iterator[Commit]:
        """Commits from `rev` back on the first-parent line, newest first; with `path`, only those that changed it."""
        git = self._git()
        given = 0
        for id in self.first_parents(rev, 1_000_000 if path else limit):
            commit = git[id].peel(pygit2.Commit)
            if path and not _changed(commit, path):
                continue
            yield commit_of(commit)
            given += 1
            if given >= limit:
                return

    def commit(self, rev: str = "") -> Commit:
        """Author, subject and time of a commit. Raises Refused when it is unknown."""
        id = self.resolve(rev)
        with named(f"commit {id[:7]} of {self.place}"):
            return commit_of(self._git()[id].peel(pygit2.Commit))

    def is_on_line(self, commit: str, limit: int = 10_000) -> bool:
        """True when `commit` is on the first-parent line of the tip: false after a force-push took it away."""
        return bool(self.tip()) and any(id == commit for id in self.first_parents("", limit))

    def is_ancestor(self, old: str, new: str) -> bool:
        """True when `old` is `new` or came before it: false for a force-push. Raises Refused when one is unknown."""
        with named(f"commits {old[:7]} and {new[:7]} of {self.place}"):
            return old == new or bool(self._git().descendant_of(new, old))

    def config(self, key: str) -> str:
        """A value of the repository's configuration, empty when it isn't set."""
        with named(f"configuration of {self.place}"):
            config = self._git().config
            return str(config[key]) if key in config else ""

    def has(self, id: str) -> bool:
        """Whether the object of this id is here."""
        with named(f"object {id[:12]} of {self.place}"):
            return id in self._git()

    def blob(self, blob_id: str) -> bytes:
        """The bytes of a blob. Raises Refused when it is not here."""
        with named(f"blob {blob_id[:12]} of {self.place}"):
            return bytes(self._git()[blob_id].peel(pygit2.Blob).data)

    def _git(self) -> pygit2.Repository:
        git: pygit2.Repository | None = getattr(self._local, "git", None)
        if git is None:
            git = self._local.git = self._fresh()
        return git

    def _fresh(self) -> pygit2.Repository:
        with named(f"repository {self.place}", path=str(self.path)):
            if self._mirror is not None:
                self._mirror.make()
            git = _open(self.path)
            for folder in self._objects:
                git.odb.add_disk_alternate(folder)
            return git


def _open(path: Path) -> pygit2.Repository:
    if not path.exists():
        raise FileNotFoundError(f"repository not found: {path}")
    # NO_SEARCH: a folder inside somebody's checkout is not by itself the repository that was meant.
    return pygit2.Repository(str(path), RepositoryOpenFlag.NO_SEARCH)


def _object_folders(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Where Git keeps objects besides the repository's own: set while a push is in quarantine (githooks(5), git(1))."""
    folders = [environ.get("GIT_QUARANTINE_PATH", ""), environ.get("GIT_OBJECT_DIRECTORY", "")]
    folders += environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "").split(os.pathsep)
    return tuple(dict.fromkeys(os.path.abspath(folder) for folder in folders if folder and os.path.isdir(folder)))


def _changed(commit: pygit2.Commit, path: str) -> bool:
    def entry(tree: pygit2.Tree) -> object:
        return tree[path].id if path in tree else None

    return entry(commit.tree) != (entry(commit.parents[0].tree) if commit.parent_ids else None)


def _unknown(message: str, hint: str = CODES["repo-rev"].cure) -> Problem:
    return Problem(code="repo-rev", message=message, hint=hint)


def at_home(folder: str) -> None:
    """Read the user's own configuration below `folder`, as Git does (git-config(1), FILES): libgit2 remembers whose home it
    was when it was loaded."""
    pygit2.settings.search_path[pygit2.enums.ConfigLevel.GLOBAL] = folder
    pygit2.settings.search_path[pygit2.enums.ConfigLevel.XDG] = os.path.join(folder, ".config/git")


# ---------------------------------------------------------------- what a command was pointed at


def open_repo(path: str | os.PathLike[str], branch: str = "") -> GitRepo | None:
    """The repository at or around `path`, None when it is in none. Follows `branch`, or what HEAD names."""
    folder = Path(path).absolute()
    if not folder.is_dir():
        return None
    try:
        with named(f"repository {folder}", path=str(folder)):
            git = _open(folder)
    except Refused as refused:
        if any(problem.code == "repo-owner" for problem in refused.problems):
            raise
        around = _around(folder)
        if around is None:
            return None
        git = around
    if not git.is_bare:
        return GitRepo(git.workdir, branch or _head(git), root=_inside(git, folder))
    return GitRepo(git.path, branch or _head(git))


def best_files(path: str | os.PathLike[str], rev: str = "") -> Files:
    """What a command that is pointed at `path` should read: the commit `rev`; else the checkout's HEAD when nothing
    in the folder was edited; else the folder as it lies there, with an empty commit id. Raises Refused."""
    folder = Path(path).absolute()
    if not folder.is_dir():
        raise Refused(
            Problem(code="repo-no-path", message=f"there is no folder {folder}", hint=CODES["repo-no-path"].cure)
        )
    repo = open_repo(folder)
    if repo is None:
        if rev:
            raise Refused(
                _unknown(
                    f"{folder} is no Git repository: it has no revision {rev!r}",
                    "Leave --rev out, or name a repository.",
                )
            )
        return FolderFiles(folder)
    if rev or repo.bare:
        return repo.files(rev)
    with named(f"repository {folder}", path=str(folder)):
        git = repo._git()
        if git.is_empty or git.head_is_unborn or not _clean(git, repo.root):
            return FolderFiles(folder)
        head = str(git.head.peel(pygit2.Commit).id)
    return repo.files(head)


def _clean(git: pygit2.Repository, root: str) -> bool:
    start = root + "/" if root else ""
    edited = git.status(untracked_files="all", ignored=False)
    return not any(
        path.startswith(start) and state not in (FileStatus.CURRENT, FileStatus.IGNORED)
        for path, state in edited.items()
    )


def _head(git: pygit2.Repository) -> str:
    """The branch that HEAD names, born or not; `main` when HEAD is detached."""
    target = git.references["HEAD"].raw_target
    name = target.decode("utf-8", "replace") if isinstance(target, bytes) else str(target)
    return name.removeprefix("refs/heads/") if name.startswith("refs/heads/") else "main"


__all__ = ["GitRepo", "at_home", "best_files", "open_repo"]
