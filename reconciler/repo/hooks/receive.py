"""What Git tells a receiving hook (githooks(5)): `OLD SP NEW SP REF` lines on stdin, push options in variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..git import GitRepo

NO_COMMIT = "0" * 40
_HEX = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Pushed:
    """One ref that is about to move, or has moved."""

    old: str
    """Empty when it is made."""
    new: str
    """Empty when it is deleted."""
    ref: str

    @property
    def branch(self) -> str:
        """Its name when it is a branch, else empty."""
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else ""


def pushed(lines: Iterable[str]) -> tuple[Pushed, ...]:
    """The refs of a push, in the order that Git gives. A line that isn't of that form is left out."""
    found = []
    for line in lines:
        parts = line.rstrip("\n").split(" ", 2)
        if len(parts) == 3 and _HEX.fullmatch(parts[0]) and _HEX.fullmatch(parts[1]):
            found.append(Pushed(*("" if part == NO_COMMIT else part for part in parts)))
    return tuple(found)


def options(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What `git push -o` said, in order."""
    count = environ.get("GIT_PUSH_OPTION_COUNT", "0")
    return tuple(environ.get(f"GIT_PUSH_OPTION_{number}", "") for number in range(int(count) if count.isdigit() else 0))


def own_repo(environ: Mapping[str, str], folder: Path) -> GitRepo:
    """The repository that this hook runs in, with the objects in quarantine. Raises Refused.

    Git has by now agreed to work in it (safe.directory, or it would not have started the hook), and it may belong to
    another member of the group: libgit2's own question about the owner is not asked again in this process.
    """
    import pygit2

    pygit2.settings.owner_validation = False
    place = (folder / environ.get("GIT_DIR", ".")).resolve()
    git = pygit2.Repository(str(place))
    try:
        branch = str(git.config["trueup.branch"] or "main")
    except KeyError:
        branch = "main"
    return GitRepo(place, branch, environ=environ)


__all__ = ["NO_COMMIT", "Pushed", "options", "own_repo", "pushed"]
