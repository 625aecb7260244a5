"""One check's answer, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(str, Enum):
    OK = "ok"
    WARNING = "warning"
    """Works now, and will trouble somebody."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """Could not be looked at: an earlier check failed, or it is nobody's case here."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    check: str
    """The check's name, as the manual lists it."""
    status: Status
    says: str
    """What was found, a sentence without a full stop."""
    fix: str = ""
    """What to type or do; empty when nothing is to be done."""

    def json(self) -> dict[str, str]:
        return {"check": self.check, "status": self.status.value, "says": self.says, "fix": self.fix}


def ok(check: str, says: str) -> Finding:
    return Finding(check=check, status=Status.OK, says=says)


def warning(check: str, says: str, fix: str) -> Finding:
    return Finding(check=check, status=Status.WARNING, says=says, fix=fix)


def failed(check: str, says: str, fix: str) -> Finding:
    return Finding(check=check, status=Status.FAILED, says=says, fix=fix)


def skipped(check: str, says: str) -> Finding:
    return Finding(check=check, status=Status.SKIPPED, says=says)


__all__ = ["Finding", "Status", "failed", "ok", "skipped", "warning"]
