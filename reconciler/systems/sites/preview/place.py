"""What `trueup site preview PATH` means: a folder of files, or a Site of a repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reconciler.core.problem import Problem, Refused

from .troubles import CODES

FLEET_FILE = "trueup.yaml"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a site is written: below `root`, which is watched."""

    root: Path
    """The folder itself, or the repository that the Site is of."""
    manifest: str = ""
    """The Site's file, relative to `root`, where a file was named."""
    name: str = ""
    """The Site's name, where a name was given."""

    @property
    def of_a_site(self) -> bool:
        """Whether a manifest says how the files are served; a bare folder has the defaults of every field."""
        return bool(self.manifest or self.name)

    @property
    def checkout(self) -> Path | None:
        """`root`, where it is one of Git."""
        return self.root if (self.root / ".git").exists() else None


def find(path: str) -> Place:
    """A folder is taken for files, whatever else has that name. Raises Refused (no-such-site)."""
    given = Path(path)
    if given.is_dir():
        return Place(root=given.absolute())
    if given.is_file():
        file = given.absolute()
        root = _repository(file.parent) or file.parent
        return Place(root=root, manifest=file.relative_to(root).as_posix())
    here = _repository(Path.cwd())
    if here is None or "/" in path:
        more = (
            ""
            if "/" in path
            else ", and no folder of a fleet's repository is around here in which a Site could have it"
        )
        raise none(f"there is no folder and no file {path}{more}")
    return Place(root=here, name=path)


def none(message: str, hint: str = "") -> Refused:
    return Refused(Problem(code="no-such-site", message=message, hint=hint or CODES["no-such-site"].cure))


def _repository(folder: Path) -> Path | None:
    """The fleet's repository that a folder is in: the nearest folder above with a trueup.yaml, else with a .git."""
    above = (folder, *folder.parents)
    for mark in (FLEET_FILE, ".git"):
        for one in above:
            if (one / mark).exists():
                return one
    return None
