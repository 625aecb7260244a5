"""The keys that a host shows, asked of it over the network: nothing vouches for them until a human has compared them.

Uses ssh itself, on the way that visits take (jump hosts included, whose own keys are verified), and stops before any login.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..core.model import Host, Trouble
from ..settings import Settings
from . import private, ssh, troubles

ALGORITHMS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512")
"""Best first; one connection each, as a host shows one key a connection (RFC 4253, 7.1)."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a host showed. `keys` are the lines to commit, `ssh-ed25519 AAAA…`; empty with a trouble."""

    keys: tuple[str, ...] = ()
    trouble: Trouble | None = None
    known: tuple[str, ...] = ()
    """The keys by which it is known now: committed, else pinned."""

    @property
    def changed(self) -> bool:
        """True when it is known by keys, and by none of those that it shows."""
        return bool(self.known and self.keys) and not set(self.known) & set(self.keys)


def ask(settings: Settings, host: Host) -> Shown:
    """Connect once for each algorithm, all at a time; nothing is sent to the host but ssh's own greeting."""
    known = tuple(" ".join(key.split()[:2]) for key in host.host_keys) or pins(settings.known_hosts, host.name)
    with private.folder(settings) as at:
        try:
            config = ssh.Ways(settings, at, strict=False).config(host, known=False)
        except ssh.BadAddress as error:
            return Shown(trouble=troubles.trouble("bad-address", host, str(error)), known=known)
        with ThreadPoolExecutor(len(ALGORITHMS)) as pool:
            answers = list(pool.map(lambda algorithm: _one(settings, host, config, at, algorithm), ALGORITHMS))
    keys = tuple(key for key, _ in answers if key)
    if keys:
        return Shown(keys=keys, known=known)
    said = next((words for _, words in answers if "no matching" not in words), answers[0][1])
    return Shown(trouble=troubles.told(said, host, settings.connect_timeout), known=known)


def _one(settings: Settings, host: Host, config: Path, at: Path, algorithm: str) -> tuple[str, str]:
    """The key for one algorithm (empty when there is none), and what ssh said."""
    scratch = at / f"shown-{algorithm}"
    options = {
        "UserKnownHostsFile": str(scratch),
        "StrictHostKeyChecking": "accept-new",
        "HostKeyAlgorithms": algorithm,
        "PreferredAuthentications": "none",
        "ControlPath": "none",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    try:
        done = subprocess.run(
            ["ssh", "-F", str(config), *words, "-T", host.name, "true"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=ssh.environment(),
            timeout=settings.connect_timeout * 3,
        )
    except subprocess.TimeoutExpired:
        return "", "Connection timed out"
    found = pins(scratch, host.name)
    return (found[0] if found else ""), done.stderr.decode("utf-8", "replace")


def pins(known_hosts: Path, name: str) -> tuple[str, ...]:
    """The keys that a file of ours holds for `name`."""
    try:
        lines = known_hosts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    words = [line.split() for line in lines if not line.startswith(("#", "@"))]
    return tuple(f"{line[1]} {line[2]}" for line in words if len(line) >= 3 and name in line[0].split(","))


def fingerprint(key: str) -> str:
    """As `ssh-keygen -l` shows it: SHA256 of the key's bytes, base64 without padding."""
    try:
        data = base64.b64decode(key.split()[1], validate=True)
    except (IndexError, binascii.Error):
        return "?"
    return "SHA256:" + base64.b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
