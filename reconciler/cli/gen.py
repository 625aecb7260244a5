"""`trueup gen`: write what is made from the kinds (schemas, READMEs, the reference). For developers; CI proves it fresh."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from . import exits

_ROOT = Path(__file__).parent.parent.parent
_OWNED = ("schemas/*.json", "docs/reference/**/*.md", "share/man/**/*.1")
"""What only this command writes: a file there that it would not make is left over from a kind that has gone."""


def gen(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail when a file is not as it would be written.")
    ] = False,
    base: Annotated[str, typer.Option(help="The address at which the schemas are published.")] = "",
    into: Annotated[str, typer.Option(help="The checkout to write into.")] = str(_ROOT),
) -> int:
    """Write schemas/, the kinds' README.md and docs/reference/ from the kinds.

    Example:

      trueup gen --check
    """
    from ..manifests import load_kinds
    from ..manifests.editor import BASE
    from ._reference import everything

    root = Path(into)
    made = everything(load_kinds(), base or BASE)
    stale = [path for path, text in made.items() if _now(root / path) != text]
    over = sorted(
        str(path.relative_to(root))
        for glob in _OWNED
        for path in root.glob(glob)
        if str(path.relative_to(root)) not in made
    )
    if check:
        for path in [*stale, *over]:
            print(f"{path}: error[not-fresh]: not as `make gen` writes it", file=sys.stderr)
        if stale or over:
            print("  next: make gen, and commit what it wrote", file=sys.stderr)
            return exits.ERROR
        return exits.OK
    for path in stale:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(made[path], "utf-8")
    for path in over:
        (root / path).unlink()
    print(f"{len(made)} files, {len(stale)} written, {len(over)} removed")
    return exits.OK


def _now(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""
