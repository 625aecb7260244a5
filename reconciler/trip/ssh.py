"""The way in to a host: one small ssh configuration a host and run, and who vouches for its key.

The user's own ~/.ssh/config and known_hosts play no part. A host's committed keys are authoritative when it has
some; else its pin in `known_hosts`, made at the first visit when settings allow it (ssh_config(5)). Keys are filed under
the host's name (HostKeyAlias), not its address: addresses may be shared, and move.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..core.model import Host, digest
from ..settings import Settings

CONTROL_PERSIST = 120
"""Seconds that a connection stays open for the next visit: a round's waves, and the next push of somebody who works."""
PASSED_ON = ("HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "TZ", "LANG", "PATH")
"""Variables that what is started here inherits: any other may be a secret's source (`secrets: {NAME: {env: …}}`)."""
LONGEST_SOCKET = 104
"""Bytes of a Unix socket's path (unix(7) allows 108), less what ssh appends while it makes one."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_ADDRESS = re.compile(r"[A-Za-z0-9_:\[][A-Za-z0-9._:%\[\]-]*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@\\-]*\$?")
_JUMP = re.compile(r"[A-Za-z0-9_\[][A-Za-z0-9._:@,%\[\]-]*")
_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}( .*)?")


class BadAddress(Exception):
    """A Host that can't be put into ssh's configuration; the text says why."""


@dataclass(frozen=True)
class Ways:
    """Makes the files that ssh reads, in `folder`, which is the run's own."""

    settings: Settings
    folder: Path
    strict: bool
    """True when nobody may be pinned in this run."""

    def args(self, host: Host, known: bool) -> str:
        """ssh's arguments for `host`, as one shell-quoted string. `known`: it was visited before, so its key must
        be known too. Raises BadAddress."""
        config = self.config(host, known)
        control = control_path(self.settings, host)
        return shlex.join(
            [
                *("-F", str(config)),
                *(
                    "-o",
                    "ControlMaster=auto",
                    "-o",
                    f"ControlPersist={CONTROL_PERSIST}s",
                    "-o",
                    f"ControlPath={control}",
                ),
            ]
        )

    def config(self, host: Host, known: bool) -> Path:
        """Write the configuration for `host`; gives its path."""
        _check(host)
        settings = self.settings
        first_use = settings.pin_on_first_use and not self.strict
        pins = _quoted(settings.known_hosts)
        lines = [
            f"Host {host.name}",
            f"  HostName {host.address or host.name}",
            f"  HostKeyAlias {host.name}",
            f"  Port {host.port}",
            f"  User {host.user}",
        ]
        if host.proxy_jump:
            lines.append(f"  ProxyJump {host.proxy_jump}")
        if host.host_keys:
            committed = self.folder / f"{host.name}.keys"
            committed.write_text("".join(f"{host.name} {key}\n" for key in host.host_keys), encoding="utf-8")
            lines += [f"  UserKnownHostsFile {_quoted(committed)}", "  StrictHostKeyChecking yes"]
        elif known and not pinned(settings.known_hosts, host.name):
            lines.append("  StrictHostKeyChecking yes")
        lines += [
            # For the host, and for the jump hosts on the way: ssh hands this file on to them.
            "Host *",
            f"  UserKnownHostsFile {pins}",
            f"  StrictHostKeyChecking {'accept-new' if first_use else 'yes'}",
            "  GlobalKnownHostsFile /dev/null",
            "  HashKnownHosts no",
            "  UpdateHostKeys no",
            "  CheckHostIP no",
            "  VerifyHostKeyDNS no",
            "  BatchMode yes",
            "  PreferredAuthentications publickey",
            f"  ConnectTimeout {max(1, round(settings.connect_timeout))}",
            "  ConnectionAttempts 1",
            "  ServerAliveInterval 15",
            "  ServerAliveCountMax 4",
            "  ForwardAgent no",
            "  ForwardX11 no",
            "  PermitLocalCommand no",
            "  EscapeChar none",
        ]
        if settings.kex:
            lines.append(f"  KexAlgorithms {settings.kex}")
        if settings.ssh_key is not None:
            lines += [f"  IdentityFile {_quoted(settings.ssh_key)}", "  IdentitiesOnly yes"]
        path = self.folder / f"{host.name}.conf"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


def strict_run(settings: Settings, known: Iterable[bool]) -> bool:
    """The file of pins is gone although hosts are known: then nobody is pinned, until a human has looked.

    Where no host is known yet an empty file is made, so that its loss can be told from a first start.
    """
    if settings.known_hosts.exists():
        return False
    if any(known):
        return True
    begin_pins(settings)
    return False


def begin_pins(settings: Settings) -> None:
    """Make the file of pins, empty, where there is none: a new state begins with it, so that later its loss is seen."""
    settings.known_hosts.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # it is the state's folder
    settings.known_hosts.touch(mode=0o600)


def unpin(known_hosts: Path, name: str) -> int:
    """Take the pins of `name` out of the file, whole or not at all; how many there were."""
    try:
        lines = known_hosts.read_text(encoding="utf-8", errors="surrogateescape").splitlines(keepends=True)
    except FileNotFoundError:
        return 0
    kept = [line for line in lines if line.startswith(("#", "@")) or name not in line.split(" ", 1)[0].split(",")]
    if len(kept) < len(lines):
        part = known_hosts.with_name(f"{known_hosts.name}.part")
        part.write_text("".join(kept), encoding="utf-8", errors="surrogateescape")
        part.chmod(0o600)
        part.replace(known_hosts)
    return len(lines) - len(kept)


def pinned(known_hosts: Path, name: str) -> bool:
    """Whether `known_hosts` holds a key for `name` (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT; ours isn't hashed)."""
    try:
        text = known_hosts.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(
        name in line.split(" ", 1)[0].split(",") for line in text.splitlines() if not line.startswith(("#", "@"))
    )


def control_path(settings: Settings, host: Host) -> Path:
    """The socket of the shared connection: another one as soon as anything of the way in, or who vouches, differs."""
    way = [host.name, host.address, host.port, host.user, host.proxy_jump, list(host.host_keys), str(settings.ssh_key)]
    return control_folder(settings) / digest(way)


def control_folder(settings: Settings) -> Path:
    """Where the sockets are; made 0700. In the runtime folder, or one of our own where that can't be
    made or its path is too long."""
    folder = settings.run_dir / "ssh"
    short = Path(tempfile.gettempdir()) / f"trueup-{os.getuid()}-{digest(str(settings.run_dir))[:8]}"
    if len(os.fsencode(folder)) + 18 + 18 > LONGEST_SOCKET:
        folder = short
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except PermissionError:  # somebody who is not root tries trueup out
        folder = short
        folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise BadAddress(f"{folder} belongs to somebody else, or others may enter it")
    return folder


def environment() -> dict[str, str]:
    """PASSED_ON of this process's own: what an ssh, and what it starts in turn, may know."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def words(config: Path, host: Host, limit: float) -> str:
    """What ssh says when it connects to `host` by itself and does nothing there."""
    try:
        done = subprocess.run(
            ["ssh", "-F", str(config), "-o", "ControlPath=none", "-T", host.name, "true"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment(),
            timeout=limit * 2,
        )
    except subprocess.TimeoutExpired:
        return "Connection timed out"
    return done.stderr.decode("utf-8", "replace")


def _quoted(path: Path) -> str:
    text = str(path)
    if '"' in text or "\n" in text:
        raise BadAddress(f"ssh can't read the path {text!r}")
    return '"' + text.replace("%", "%%") + '"'


def _check(host: Host) -> None:
    """Nothing from the inventory may add a line to ssh's configuration, or an option to its arguments."""
    for what, value, allowed in (
        ("name", host.name, _NAME),
        ("address", host.address or host.name, _ADDRESS),
        ("user", host.user, _USER),
        ("proxyJump", host.proxy_jump or "none", _JUMP),
        *(("hostKeys", key, _KEY) for key in host.host_keys),
    ):
        if not allowed.fullmatch(value):
            raise BadAddress(f"{what} {value!r} holds what ssh can't take")
    if not 0 < host.port < 65536:
        raise BadAddress(f"port {host.port} is none")
