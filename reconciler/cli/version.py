"""`trueup version`."""

from __future__ import annotations


def version() -> None:
    """Print the version.

    Example: trueup version
    """
    from .. import __version__

    print(f"trueup {__version__}")
