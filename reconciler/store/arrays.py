"""numpy, loaded when a first column is laid out. A plan with nothing to do lays none, and loading takes a third of what
the join of all its rows does."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy
else:

    class _Numpy:
        """Stands in for the module; its names are looked up in it."""

        def __getattr__(self, name: str) -> Any:
            found = getattr(import_module("numpy"), name)
            setattr(self, name, found)
            return found

    numpy = _Numpy()

__all__ = ["numpy"]
