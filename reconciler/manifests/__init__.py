"""Manifests: the text of a commit becomes `Desired`, or a list of all that is wrong with it.

The only home of yaml and jsonschema. The way through the room: reader (text → values with places), documents (which files,
validated by their kind's schema), inventory (Fleet, Host, Vars), resolve (what each manifest means on each host),
conflicts (what only shows when all are seen together), reading (all of it, in order).

What reads is imported when it is asked for: a plan of files that are known already reads nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .key import ground_of, key_of
from .kinds import load_kinds

if TYPE_CHECKING:
    from .memory import recalled
    from .reading import Reading, read


def __getattr__(name: str) -> object:
    if name in ("Reading", "read"):
        from . import reading

        return getattr(reading, name)
    if name == "recalled":
        from . import memory

        return memory.recalled
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Reading", "ground_of", "key_of", "load_kinds", "read", "recalled"]
