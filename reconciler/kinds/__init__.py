"""The kinds, each a folder: those of the line here, those of a system in systems/NAME/kinds/."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent


def folders() -> dict[str, Path]:
    """A kind's name in lower case → its folder, in one order whatever the disk says."""
    found = [*_ROOT.glob("kinds/*/kind.py"), *_ROOT.glob("systems/*/kinds/*/kind.py")]
    return {file.parent.name: file.parent for file in sorted(found) if (file.parent / "schema.yaml").exists()}


def orders() -> list[Path]:
    """Every order.txt: that of the base kinds, and those in which a system says how its own stand to them."""
    return [_ROOT / "kinds" / "order.txt", *sorted(_ROOT.glob("systems/*/kinds/order.txt"))]


def dotted(folder: Path) -> str:
    """The dotted name of a kind's folder. (No name here may be a kind's own: importing that kind would put its module there.)"""
    return ".".join(("reconciler", *folder.relative_to(_ROOT).parts))


__all__ = ["dotted", "folders", "orders"]
