"""Of what a reading follows: with an equal key it would come out the same, whenever and by whomever it is read."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from .. import __version__
from ..ports import Files

_ROOT = Path(__file__).parent.parent
_READS = ("core", "manifests", "kinds", "systems", "outside", "secrets")
"""The rooms whose code decides what a manifest means."""


def key_of(files: Files, fleet: str, moment: str = "") -> str:
    """A digest of every file's path and content, of the code that reads them, of `fleet`: whose key seals secrets
    (FleetKey.fleet; empty where it isn't at hand), and of the `moment` of what is outside (ports.Outside). Raises Refused
    when the files can't be listed."""
    made = hashlib.blake2b(f"{code()}\0{fleet}\0{moment}\0".encode(), digest_size=16)
    for path, blob in files.paths().items():
        made.update(f"{path}\0{blob}\0".encode("utf-8", "surrogatepass"))
    return made.hexdigest()


def ground_of(fleet: str) -> str:
    """A digest of the same without the files: what is remembered of single files holds while it is equal."""
    return hashlib.blake2b(f"{code()}\0{fleet}\0".encode(), digest_size=16).hexdigest()


@cache
def code() -> str:
    """A digest of trueup's own code and schemas, as far as it reads manifests."""
    made = hashlib.blake2b(__version__.encode(), digest_size=16)
    for room in _READS:
        for path in sorted((_ROOT / room).rglob("*")):
            if path.suffix in (".py", ".yaml", ".txt", ".json"):
                made.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return made.hexdigest()


__all__ = ["code", "ground_of", "key_of"]
