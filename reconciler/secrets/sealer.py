"""Seals secret values into keyed hashes while manifests are read, and opens them again inside a trip."""

from __future__ import annotations

import hashlib
import hmac
import weakref
from collections.abc import Callable, Mapping
from threading import Lock

from ..core.model import Json, canonical
from ..core.problem import Problem, Refused
from ..ports import Files
from .forms import formed
from .keys import FleetKey
from .sources import Sources, refused


class Sealed:
    """What one reading sealed. Its plaintext lives as long as its owner does, or this object where it has none."""

    def __init__(self, sealer: Sealer, files: Files | None, state: str) -> None:
        self._sealer = sealer
        self._files = files
        self._state = state
        self._values: dict[str, bytes | Refused] = {}
        self.plain: dict[tuple[str, str], bytes] = {}

    def __repr__(self) -> str:
        return f"Sealed({len(self.plain)})"

    def seal(self, host: str, value: Json, form: str = "text") -> str:
        """HMAC-SHA256, under the host's key, of a text or of what a reference to a secret stands for
        (core/reference.py); hex. Empty when the fleet's key is not at hand: not compared.

        `form` is what the value must be where it is put (forms.py). Raises Refused when the value can't be had or is
        something else, each time.
        """
        if self._sealer.key is None:
            return ""
        if isinstance(value, str):
            plain = value.encode("utf-8", "surrogatepass")
        else:
            plain = self._value(value)
            plain = formed(plain, form)
        return self._sealer.sealed(host, plain, self.plain)

    def _value(self, reference: Mapping[str, Json]) -> bytes:
        """Each reference is asked for once a reading, however many hosts it is for."""
        known = canonical(reference)
        if known not in self._values:
            try:
                self._values[known] = self._sealer.value(reference, self._files)
            except Refused as refused:
                self._values[known] = refused
        found = self._values[known]
        if isinstance(found, Refused):
            raise found
        return found

    def fresh(self) -> bool:
        """Whether what was sealed still is what the secrets are: False once a file, a variable, a command or a key
        outside the repository gives another value, if this reading asked for any."""
        return not self._values or self._state == self._sealer.state()

    def belongs_to(self, owner: object) -> None:
        """Stay until nobody has `owner` any more: what still refers to these secrets can still open them."""
        weakref.finalize(owner, self._end).atexit = False

    def came_to_nothing(self) -> None:
        """The commit has errors, nothing of it will run: its plaintext goes. That it asked for secrets stays known, for
        `fresh`: another value may mend it."""
        self.plain.clear()
        self._values = dict.fromkeys(self._values, b"")

    def _end(self) -> None:
        self.plain.clear()
        self._values.clear()


class Sealer:
    """Remembers, in memory only, the plaintext of what its readings sealed: an Opener for the trips of the same process."""

    def __init__(
        self, key: FleetKey | None, blob: Callable[[str], bytes] | None = None, sources: Sources | None = None
    ) -> None:
        self.key = key
        self.sources = sources
        self._blob = blob
        self._readings: weakref.WeakSet[Sealed] = weakref.WeakSet()
        self._lock = Lock()

    def __repr__(self) -> str:
        return "Sealer(…)"

    def reading(self, files: Files | None = None) -> Sealed:
        """A place of its own for the secrets of one reading of `files`, which go when nothing needs them any more."""
        made = Sealed(self, files, self.state())
        with self._lock:
            self._readings.add(made)
        return made

    def state(self) -> str:
        """What sealed values hang on beside the commit: the fleet's key, and `Sources.state`. Part of the key of
        whatever is kept that holds sealed values; of this process alone."""
        return ("key" if self.key is not None else "") + (self.sources.state() if self.sources is not None else "")

    def lasting(self) -> str:
        """As `state`, but the same in every process with this key, these settings and these files, and fit to be stored:
        for a reading that is kept beyond this process. Never the same twice while the settings name a command, whose
        output nobody knows before it is run: then nothing kept is used."""
        if self.key is None:
            return ""
        told = self.sources.told() if self.sources is not None else b""
        return self.key.fleet + hmac.new(self.key.key, b"trueup sources\0" + told, hashlib.sha256).hexdigest()[:32]

    def value(self, reference: Mapping[str, Json], files: Files | None) -> bytes:
        """The plaintext of a reference, for sealing. Raises Refused."""
        if self.sources is None:
            raise refused("this process has no sources of secrets", "see `trueup secrets check` on the controller")
        return self.sources.value(reference, files)

    def sealed(self, host: str, plain: bytes, known: dict[tuple[str, str], bytes]) -> str:
        """The HMAC of `plain` for `host`, hex; what it stands for is noted in `known`."""
        assert self.key is not None, "without a key nothing is sealed"
        made = hmac.new(bytes.fromhex(self.key.of_host(host)), plain, hashlib.sha256).hexdigest()
        with self._lock:
            known[host, made] = plain
        return made

    def host_key(self, host: str) -> str:
        """What the host's probes make their own HMACs with; empty when the key is not at hand."""
        return self.key.of_host(host) if self.key is not None else ""

    def open(self, host: str, value: Mapping[str, Json]) -> bytes:
        """The bytes that `{"sealed": HMAC}` or `{"blob": id}` stand for. Raises Refused when they can't be had here."""
        if "sealed" in value:
            key = (host, str(value["sealed"]))
            with self._lock:
                plain = next((reading.plain[key] for reading in self._readings if key in reading.plain), None)
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
