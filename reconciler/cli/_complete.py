"""What the shell offers on Tab: hosts and kinds from the names that the daemon leaves beside its socket, revisions from git."""

from __future__ import annotations

import subprocess


def _names() -> tuple[list[str], list[str]]:
    from ..core.problem import Refused
    from ..door import names
    from ..settings import load

    try:
        return names.read(load().socket)
    except Refused:
        return [], []


def hosts(incomplete: str) -> list[str]:
    return [name for name in _names()[0] if name.startswith(incomplete)]


def kinds(incomplete: str) -> list[str]:
    return [name for name in _names()[1] if name.startswith(incomplete)]


def revisions(incomplete: str) -> list[str]:
    """Branches and tags of the repository here."""
    try:
        done = subprocess.run(
            ["git", "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags", "refs/remotes"],
            capture_output=True,
            text=True,
            timeout=1,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [name for name in ["HEAD", *done.stdout.split()] if name.startswith(incomplete)]
