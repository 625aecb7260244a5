"""`trueup version`."""

from __future__ import annotations


def version() -> None:
    """Say which trueup this is: its version, the commit where it runs from a checkout, and its Python.

    Example: trueup version
    """
    import platform

    from .. import __version__

    commit = _commit()
    print(f"trueup {__version__}{f' ({commit})' if commit else ''}, Python {platform.python_version()}")


def _commit() -> str:
    """The commit of the checkout that this runs from, in short; empty when it is installed."""
    import subprocess
    from pathlib import Path

    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
