"""The only room where plaintext of secrets exists: keyed hashes go out at look time, plaintext only into a trip."""

from .keys import FleetKey
from .sealer import Sealed, Sealer
from .sources import Source, Sources

__all__ = ["FleetKey", "Sealed", "Sealer", "Source", "Sources"]
