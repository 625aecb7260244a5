"""What is more than a kind: one folder holds all of a system, in rooms named as the line's own.

    kinds/     kinds, found by reconciler/kinds
    cli/       commands, a file each, found by reconciler/cli
    door/      looks.py: LOOKS, questions by name, found by reconciler/door/asks.py
    web/       pages.py: PAGES and ANSWERS, with templates/, found by reconciler/web/page
    reports/   reports, a folder each, found by reports/
    store/     queries over the state file, for the rooms above

Each may use the room that it is named after; whatever else is in the folder is the system's own (docs/decisions/0019).
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent


def rooms(name: str) -> dict[str, Path]:
    """Each system that has a room of this name → the folder, in one order whatever the disk says."""
    found = {folder.parent.name: folder for folder in _HERE.glob(f"*/{name}") if folder.is_dir()}
    return dict(sorted(found.items()))


def modules(room: str, name: str) -> dict[str, str]:
    """Each system that has a file `name`.py in a room → the dotted name of that module."""
    return {
        system: f"{__name__}.{system}.{room}.{name}"
        for system, folder in rooms(room).items()
        if (folder / f"{name}.py").is_file()
    }


__all__ = ["modules", "rooms"]
