"""Git: the files of a commit, the held commit, the remote that is followed, what is kept from elsewhere, the hooks of a bare repository.

The only home of pygit2. Nothing here knows what a manifest is. What is kept from elsewhere is loaded when it is asked for: a
plan of the fleet's own files needs none of it.
"""

from typing import TYPE_CHECKING

from .files import CommitFiles, FolderFiles, blob_id
from .git import GitRepo, at_home, best_files, open_repo
from .held import Verdicts, held
from .remote import Credentials, is_remote

if TYPE_CHECKING:
    from .content import Content, Kept
    from .elsewhere import Elsewhere


def __getattr__(name: str) -> object:
    if name in ("Content", "Kept"):
        from . import content

        return getattr(content, name)
    if name == "Elsewhere":
        from .elsewhere import Elsewhere

        return Elsewhere
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "CommitFiles",
    "Content",
    "Credentials",
    "Elsewhere",
    "FolderFiles",
    "GitRepo",
    "Kept",
    "Verdicts",
    "at_home",
    "best_files",
    "blob_id",
    "held",
    "is_remote",
    "open_repo",
]
