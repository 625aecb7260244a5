"""Seals secret values into keyed hashes while manifests are read, and opens them again inside a trip."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from threading import Lock

from ..core.model import Json
from ..core.problem import Problem, Refused
from .keys import FleetKey


class Sealer:
    """Remembers, in memory only, the plaintext of what it sealed: an Opener for the trips of the same process."""

    def __init__(self, key: FleetKey | None, blob: Callable[[str], bytes] | None = None) -> None:
        self._key = key
        self._blob = blob
        self._plain: dict[tuple[str, str], bytes] = {}
        self._lock = Lock()

    def __repr__(self) -> str:
        return "Sealer(…)"

    def seal(self, host: str, value: str) -> str:
        """HMAC-SHA256 of the value under the host's key, hex; empty when the key is not at hand: not compared."""
        if self._key is None:
            return ""
        plain = value.encode("utf-8", "surrogatepass")
        sealed = hmac.new(bytes.fromhex(self._key.of_host(host)), plain, hashlib.sha256).hexdigest()
        with self._lock:
            self._plain[host, sealed] = plain
        return sealed

    def host_key(self, host: str) -> str:
        """What the host's probes make their own HMACs with; empty when the key is not at hand."""
        return self._key.of_host(host) if self._key is not None else ""

    def open(self, host: str, value: Mapping[str, Json]) -> bytes:
        """The bytes that `{"sealed": HMAC}` or `{"blob": id}` stand for. Raises Refused when they can't be had here."""
        if "sealed" in value:
            with self._lock:
                plain = self._plain.get((host, str(value["sealed"])))
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
