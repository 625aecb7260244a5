"""Content from outside the fleet's repository, as data: what a place came to, and why it could not be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .model import Json
from .problem import Problem

ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    "git": ("ref", "folder"),
    "archive": ("sha256", "folder"),
    "bucket": ("folder",),
}
"""What names a place that isn't the fleet's own repository, and what may be said beside each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """What a source came to, all of it on our disk."""

    tree: str
    """Git's id of the tree: the same files have the same id, wherever they come from."""
    files: Mapping[str, str]
    """Path → blob id, sorted by path; plain files only."""
    digest: str
    """Which version of the source it is, for the plan's input and for people: `git:COMMIT`, `sha256:…`, `listing:…`."""
    at: float
    """When this version was first seen, in seconds since the epoch, whole."""
    left_out: tuple[str, ...] = ()
    """Links and submodules of a Git repository, which are no files of a site."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """A source that could not be asked."""

    since: float
    """When it was first found so, in seconds since the epoch."""
    problem: Problem

    def json(self) -> dict[str, Json]:
        told = self.problem
        return {"since": self.since, "code": told.code, "message": told.message, "hint": told.hint, "who": told.who}

    @classmethod
    def of(cls, told: Mapping[str, Json]) -> Trouble:
        words = {name: str(told.get(name, "")) for name in ("code", "message", "hint", "who")}
        since = told.get("since")
        return cls(since=since if isinstance(since, float) else 0.0, problem=Problem(**words))  # type: ignore[arg-type]


__all__ = ["ELSEWHERE", "Resolved", "Trouble"]
