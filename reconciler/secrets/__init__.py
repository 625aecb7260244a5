"""The only room where plaintext of secrets exists: keyed hashes go out at look time, plaintext only into a trip."""

from .keys import FleetKey
from .sealer import Sealer

__all__ = ["FleetKey", "Sealer"]
