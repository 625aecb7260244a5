"""Seals secret values into keyed hashes while manifests are read, and opens them again inside a trip."""

from __future__ import annotations

import hashlib
import hmac
import weakref
from collections.abc import Callable, Mapping
from threading import Lock

from ..core.model import Json
from ..core.problem import Problem, Refused
from .keys import FleetKey


class Sealed:
    """What one reading sealed. Its plaintext lives as long as its owner does, or this object where it has none."""

    def __init__(self, seal: Callable[[str, str, dict[tuple[str, str], bytes]], str]) -> None:
        self._seal = seal
        self.plain: dict[tuple[str, str], bytes] = {}

    def __repr__(self) -> str:
        return f"Sealed({len(self.plain)})"

    def seal(self, host: str, value: str) -> str:
        """As Sealer.seal."""
        return self._seal(host, value, self.plain)

    def belongs_to(self, owner: object) -> None:
        """Stay until nobody has `owner` any more: what still refers to these secrets can still open them."""
        weakref.finalize(owner, self._end).atexit = False

    def _end(self) -> None:
        self.plain.clear()


class Sealer:
    """Remembers, in memory only, the plaintext of what it sealed: an Opener for the trips of the same process.

    What `seal` took is kept for good, as a command needs that ends soon; a daemon seals through `reading`.
    """

    def __init__(self, key: FleetKey | None, blob: Callable[[str], bytes] | None = None) -> None:
        self._key = key
        self._blob = blob
        self._plain: dict[tuple[str, str], bytes] = {}
        self._readings: weakref.WeakSet[Sealed] = weakref.WeakSet()
        self._lock = Lock()

    def __repr__(self) -> str:
        return "Sealer(…)"

    def seal(self, host: str, value: str) -> str:
        """HMAC-SHA256 of the value under the host's key, hex; empty when the key is not at hand: not compared."""
        return self._seal_into(host, value, self._plain)

    def reading(self) -> Sealed:
        """A place of its own for the secrets of one reading, which go when nothing needs them any more."""
        made = Sealed(self._seal_into)
        with self._lock:
            self._readings.add(made)
        return made

    def _seal_into(self, host: str, value: str, known: dict[tuple[str, str], bytes]) -> str:
        if self._key is None:
            return ""
        plain = value.encode("utf-8", "surrogatepass")
        sealed = hmac.new(bytes.fromhex(self._key.of_host(host)), plain, hashlib.sha256).hexdigest()
        with self._lock:
            known[host, sealed] = plain
        return sealed

    def host_key(self, host: str) -> str:
        """What the host's probes make their own HMACs with; empty when the key is not at hand."""
        return self._key.of_host(host) if self._key is not None else ""

    def open(self, host: str, value: Mapping[str, Json]) -> bytes:
        """The bytes that `{"sealed": HMAC}` or `{"blob": id}` stand for. Raises Refused when they can't be had here."""
        if "sealed" in value:
            key = (host, str(value["sealed"]))
            with self._lock:
                known = (self._plain, *(reading.plain for reading in self._readings))
                plain = next((found[key] for found in known if key in found), None)
            if plain is not None:
                return plain
            raise _lost("a secret of this change is not known to this process")
        if "blob" in value and self._blob is not None:
            try:
                return self._blob(str(value["blob"]))
            except KeyError:
                raise _lost(f"blob {value['blob']} is not in the repository any more") from None
        raise _lost(f"no way to open {sorted(value)}")


def _lost(message: str) -> Refused:
    return Refused(Problem(code="cannot-open", message=message, hint="trueup sync reads the commit again"))
