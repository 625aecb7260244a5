"""Git: the files of a commit, the held commit, the remote that is followed, what is kept from elsewhere, the hooks of a bare repository.

The only home of pygit2. Nothing here knows what a manifest is.
"""

from .content import Content, Kept
from .elsewhere import Elsewhere
from .files import CommitFiles, FolderFiles, blob_id
from .git import GitRepo, best_files, open_repo
from .held import Verdicts, held
from .remote import Credentials

__all__ = [
    "CommitFiles",
    "Content",
    "Credentials",
    "Elsewhere",
    "FolderFiles",
    "GitRepo",
    "Kept",
    "Verdicts",
    "best_files",
    "blob_id",
    "held",
    "open_repo",
]
