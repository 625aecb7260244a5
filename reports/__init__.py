"""Reports over the whole fleet, one folder each: question.sql, page.html, page.md and README.md. See README.md beside this file."""

from __future__ import annotations

from pathlib import Path

from reconciler import systems

HERE = Path(__file__).resolve().parent


def folders() -> dict[str, Path]:
    """A report's name → its folder: those here, and those that a system adds in its reports/."""
    places = [HERE, *systems.rooms("reports").values()]
    found = {file.parent.name: file.parent for place in places for file in place.glob("*/question.sql")}
    return dict(sorted(found.items()))


__all__ = ["HERE", "folders"]
