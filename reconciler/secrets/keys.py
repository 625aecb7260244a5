"""The fleet's key, and each host's own derived from it, so that no host can judge another's secrets."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from ..core.problem import Problem, Refused

SIZE = 32


@dataclass(frozen=True)
class FleetKey:
    """32 random bytes. A host's key is HMAC-SHA256(fleet key, "trueup host\\0" + name) (RFC 2104, RFC 5869's idea)."""

    key: bytes

    def __repr__(self) -> str:
        return "FleetKey(…)"

    @classmethod
    def read(cls, path: Path) -> FleetKey | None:
        """The key in `path`; None when there is no such file or it may not be read here (a reviewer's machine).
        Raises Refused when the file holds something else."""
        try:
            content = path.read_bytes()
        except (FileNotFoundError, PermissionError, NotADirectoryError):
            return None
        try:
            key = bytes.fromhex(content.decode("ascii").strip())
        except (UnicodeDecodeError, ValueError):
            key = b""
        if len(key) != SIZE:
            raise Refused(
                Problem(
                    code="fleet-key-broken",
                    message=f"the fleet's key must be {SIZE * 2} hex digits",
                    path=str(path),
                    hint="give back the file from a backup; a new key makes every secret look changed once",
                    who="the administrator of this controller",
                )
            )
        return cls(key)

    @classmethod
    def ensure(cls, path: Path) -> FleetKey:
        """The key in `path`, made (0600) when there is none. Two that start at once agree on one."""
        found = cls.read(path)
        if found is not None:
            return found
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = path.with_name(f"{path.name}.{os.getpid()}")
        with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(SIZE) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(made, path)
        except FileExistsError:
            pass
        finally:
            made.unlink()
        again = cls.read(path)
        assert again is not None, "the key was just written"
        return again

    @property
    def fleet(self) -> str:
        """Tells fleets apart, and nothing of the key: 16 hex digits of HMAC-SHA256(key, "trueup fleet")."""
        return hmac.new(self.key, b"trueup fleet", hashlib.sha256).hexdigest()[:16]

    def of_host(self, host: str) -> str:
        """The host's key, hex: goes to its probes inside a trip, for values that may not travel."""
        return hmac.new(self.key, b"trueup host\0" + host.encode(), hashlib.sha256).hexdigest()
