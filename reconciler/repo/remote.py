"""A remote repository that is followed: a mirror of its branches in a folder of ours, fetched by libgit2.

The transports are those that hide and prove who is at the other end: HTTPS (the system's certificate authorities) and
SSH (host keys in known_hosts; an unknown key is refused, not learnt). Whoever could stand in for the server could
hand root commands to the whole fleet.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import pwd
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import pygit2
from pygit2.enums import CredentialType, Feature, FetchPrune

from ..core.problem import Problem, Refused
from .troubles import CODES, FOREIGN, named, problem, redacted

_T = TypeVar("_T")
_SCP = re.compile(r"^(?:(?P<user>[^@/:\s]+)@)?(?P<host>\[[^]]+\]|[^/:\s]+):(?P<path>(?!//)\S+)$")
_CONNECT_LIMIT = 15.0
_ANSWER_LIMIT = 60.0
"""Seconds that a server may take to accept a connection, and to say the next word."""
_STALE_LOCK = 600.0
"""Seconds after which a lock file in the mirror is a killed process's: no fetch takes as long as that."""


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """How trueup logs in to a remote, and how it knows the server. Nothing of it is ever printed or stored."""

    user: str = "git"
    """The name that goes with a token or key, when the URL has none."""
    token_file: Path | None = None
    """A file with the token, for HTTPS; read at each fetch, so that a rotated one is taken."""
    ssh_key: Path | None = None
    """A private key, for SSH; None: ssh's agent."""
    known_hosts: tuple[Path, ...] = ()
    """Files of host keys, in ssh's format; those of the machine and of the user are read too."""
    passphrase: str = field(default="", repr=False)
    limit: float = 120.0
    """Seconds that one fetch may take: a poll that hangs must not hold up the fleet's drift."""
    most: int = 0
    """Bytes that one fetch may receive; 0: any number."""
    redirects: bool = True
    """Whether the first answer may send the fetch to another server (a repository that moved), as Git has it."""

    @classmethod
    def of(cls, settings: Any) -> Credentials:
        """Those that settings.py names."""
        return cls(
            user=settings.git_user,
            token_file=settings.git_token_file,
            ssh_key=settings.git_ssh_key,
            known_hosts=(settings.git_known_hosts,),
        )

    @classmethod
    def at_hand(cls, settings: Any) -> Credentials:
        """The same for somebody who is not the daemon's user: a login that is the daemon's alone is not his, but his agent is."""
        named = cls.of(settings)
        return replace(
            named,
            token_file=_readable(named.token_file),
            ssh_key=_readable(named.ssh_key),
        )


def _readable(place: Path | None) -> Path | None:
    return place if place is not None and os.access(place, os.R_OK) else None


def is_remote(place: str) -> bool:
    """True for a URL, and for `user@host:path` when no such file is here."""
    return "://" in place or (bool(_SCP.match(place)) and not os.path.exists(place))


def local_path(place: str) -> Path | None:
    """The path that `place` is, or that it is as a file:// URL; None for what is on no disk of this machine."""
    if place.startswith("/"):
        return Path(place)
    parts = urlsplit(place)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def ssh_host(url: str) -> tuple[str, int] | None:
    """Host and port of an SSH URL, None for another."""
    if "://" not in url:
        match = _SCP.match(url)
        return (match["host"].strip("[]"), 22) if match else None
    parts = urlsplit(url)
    return (parts.hostname or "", parts.port or 22) if parts.scheme in ("ssh", "git+ssh", "ssh+git") else None


class Mirror:
    """The remote's branches and tags in a bare repository of ours, `path`. Raises Refused on a transport that it won't use."""

    def __init__(self, url: str, cache_dir: Path, credentials: Credentials) -> None:
        self.url = url
        self.shown = redacted(url)
        self.path = mirror_of(url, cache_dir)
        self._home = cache_dir / "home"
        self._credentials = credentials
        _check_transport(url)

    @property
    def exists(self) -> bool:
        return (self.path / "HEAD").is_file()

    def make(self) -> None:
        """An empty bare repository, if there is none yet. The URL isn't written there: a token may be part of it."""
        if not self.exists:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            pygit2.init_repository(str(self.path), bare=True)

    def fetch(self, refs: Sequence[str] = ("refs/heads/*",), *, depth: int = 0) -> None:
        """Bring these refs up to date (all branches, and the tags on them); what is gone there goes here. `depth`: so many
        commits of each, which libgit2 can't have of file://; 0 is all of them. Raises Refused."""
        specs = [f"+{ref}:{ref}" for ref in refs]
        self._ask(
            f"fetch of {self.shown}",
            lambda remote, callbacks: remote.fetch(specs, callbacks=callbacks, prune=FetchPrune.PRUNE, depth=depth),
        )
        self._tidy()

    def refs(self) -> Mapping[str, str]:
        """What the remote has now, without fetching it: ref → id of what it points at, a tag's commit where it tells.
        Raises Refused."""
        heads = self._ask(f"refs of {self.shown}", lambda remote, callbacks: remote.list_heads(callbacks=callbacks))
        found = {str(head.name): str(head.oid) for head in heads if head.name}
        return {ref: found.get(ref + "^{}", id) for ref, id in found.items() if not ref.endswith("^{}")}

    def _ask(self, what: str, ask: Callable[[pygit2.Remote, _Callbacks], _T]) -> _T:
        with named(what, path=str(self.path)):
            self.make()
            self._drop_stale_locks()
            git = pygit2.Repository(str(self.path))
            pygit2.settings.server_connect_timeout = int(_CONNECT_LIMIT * 1000)
            pygit2.settings.server_timeout = int(_ANSWER_LIMIT * 1000)
        if ssh_host(self.url):
            self._lay_known_hosts()
        callbacks = _Callbacks(
            self._credentials, what, (urlsplit(self.url).hostname or "") if "://" in self.url else ""
        )
        try:
            return ask(git.remotes.create_anonymous(self.url), callbacks)
        except FOREIGN as error:
            raise Refused(self._told(error, callbacks, what)) from error

    def _told(self, error: BaseException, callbacks: _Callbacks, what: str) -> Problem:
        if callbacks.wrong is not None:
            return callbacks.wrong
        place = ssh_host(self.url)
        if place and callbacks.refused_key:
            return self._host_key(*place)
        if callbacks.refused_key:
            return Problem(
                code="repo-tls", message=f"{what}: the server's certificate is not valid", hint=CODES["repo-tls"].cure
            )
        return problem(error, what, path=str(self.path))

    def _host_key(self, host: str, port: int) -> Problem:
        name = host if port == 22 else f"[{host}]:{port}"
        own = next(iter(self._credentials.known_hosts), Path("~/.ssh/known_hosts"))
        if knows(self._known_hosts(), host, port):
            message = (
                f"the SSH host key of {name} is NOT the known one: another machine answers, or the key was changed"
            )
            hint = f"Ask the server's owner. Only if it was changed: ssh-keygen -R '{name}' -f {own}, then add the new line."
        else:
            message = f"the SSH host key of {name} is not known"
            hint = f"ssh-keyscan -p {port} {host} >> {own}, after comparing it with what the server's owner publishes."
        return Problem(
            code="repo-host-key", message=message, hint=hint, who="an administrator of the machine that runs trueup"
        )

    def _known_hosts(self) -> list[str]:
        places = [
            *self._credentials.known_hosts,
            Path("~/.ssh/known_hosts").expanduser(),
            Path("/etc/ssh/ssh_known_hosts"),
        ]
        lines: list[str] = []
        for place in places:
            try:
                lines += place.read_text(encoding="utf-8", errors="replace").splitlines()
            except OSError:
                continue
        return lines

    def _lay_known_hosts(self) -> None:
        # libgit2 reads HOME/.ssh/known_hosts and no other; so it gets a home with all the keys that we may trust.
        folder = self._home / ".ssh"
        with named(f"known_hosts for {self.shown}"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = folder / f"known_hosts.{os.getpid()}"
            fresh.write_text("\n".join(self._known_hosts()) + "\n", encoding="utf-8")
            fresh.replace(folder / "known_hosts")
            pygit2.settings.homedir = str(self._home)

    def _drop_stale_locks(self) -> None:
        for lock in [*self.path.glob("*.lock"), *self.path.glob("refs/**/*.lock")]:
            try:
                if time.time() - lock.stat().st_mtime > _STALE_LOCK:
                    lock.unlink()
            except FileNotFoundError:
                continue

    def _tidy(self) -> None:
        # Each fetch leaves a pack; libgit2 never joins them. Where the git command is, it does that now and then.
        if len(list(self.path.glob("objects/pack/*.pack"))) > 50 and (git := shutil.which("git")):
            try:
                subprocess.run(
                    [git, "-C", str(self.path), "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet"],
                    check=False,
                    env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
                    timeout=300,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            except (OSError, subprocess.TimeoutExpired):
                return


class _Callbacks(pygit2.RemoteCallbacks):
    """What libgit2 asks while it fetches: a login (once), whether the server is the right one, whether to go on."""

    def __init__(
        self, credentials: Credentials, what: str, host: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._host = host
        self._given = credentials
        self._what = what
        self._clock = clock
        self._end = clock() + credentials.limit
        self._asked: set[str] = set()
        self.refused_key = False
        self.wrong: Problem | None = None
        """What a callback found; libgit2 passes on no more than that one failed."""

    def certificate_check(self, certificate: None, valid: bool, host: bytes | str) -> bool:
        # Without this, pygit2 lets any SSH host key pass. libgit2 has compared it with known_hosts by now.
        self.refused_key = self.refused_key or not valid
        if not self._given.redirects and self._host and _text(host).lower() != self._host:
            # libgit2 follows the first redirect whatever it is told (1.9.7); before it asks there, it comes by here.
            self._say("repo-moved", f"{self._what}: the server leads on to {_text(host)}")
            return False
        return valid

    def credentials(self, url: str, username_from_url: str | None, allowed_types: CredentialType) -> Any:
        user = username_from_url or self._given.user
        if allowed_types & CredentialType.USERNAME and not allowed_types & CredentialType.SSH_KEY:
            return pygit2.Username(user)
        if allowed_types & CredentialType.SSH_KEY and "ssh" not in self._asked:
            self._asked.add("ssh")
            if self._given.ssh_key is None:
                return pygit2.KeypairFromAgent(user)
            return self._keypair(user, self._given.ssh_key)
        if allowed_types & CredentialType.USERPASS_PLAINTEXT and "token" not in self._asked and self._given.token_file:
            self._asked.add("token")
            return pygit2.UserPass(user, self._token(self._given.token_file))
        tried = "the key or token was refused" if self._asked else "it wants a login, and none is configured"
        if "ssh" in self._asked and self._given.ssh_key is None:
            tried = "no key of ssh's agent was taken, and gitSshKey names none"
        raise self._say("repo-login", f"{self._what}: {tried}")

    def transfer_progress(self, stats: Any) -> None:
        if 0 < self._given.most < stats.received_bytes:
            raise self._say("repo-too-big", f"{self._what}: more than {self._given.most:,} bytes")
        self._go_on()

    def sideband_progress(self, string: str) -> None:
        self._go_on()

    def _go_on(self) -> None:
        if self._clock() > self._end:
            raise self._say("repo-unreachable", f"{self._what}: not done within {self._given.limit:.0f} s")

    def _keypair(self, user: str, key: Path) -> Any:
        if not os.access(key, os.R_OK):
            raise self._say("repo-login", f"{self._what}: the private key {key} can't be read", _theirs(key))
        public = key.with_name(key.name + ".pub")
        return pygit2.Keypair(user, str(public) if public.is_file() else None, str(key), self._given.passphrase)

    def _token(self, place: Path) -> str:
        try:
            return place.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            told = f"{self._what}: the token file {place} can't be read: {why}"
            raise self._say("repo-login", told, _theirs(place)) from None

    def _say(self, code: str, message: str, hint: str = "") -> pygit2.GitError:
        self.wrong = Problem(code=code, message=message, hint=hint or CODES[code].cure)
        return pygit2.GitError(message)


def _theirs(place: Path) -> str:
    """What makes a file readable for whoever reads it here, and for nobody else. One that is another user's already stays so:
    it is that user who is to read it."""
    with suppress(OSError):
        if (uid := place.stat().st_uid) not in (0, os.geteuid()):
            return f"It is {_name_of(uid)}'s, whose daemon reads it: as that user, sudo -u {_name_of(uid)} trueup …"
    return f"As root: chown {_name_of(os.geteuid())} {place}; chmod 0600 {place}"


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _text(host: bytes | str) -> str:
    return host.decode("ascii", "replace") if isinstance(host, bytes) else host


def mirror_of(url: str, cache_dir: Path) -> Path:
    """Where a mirror of `url` lies."""
    return cache_dir / (hashlib.sha256(url.encode()).hexdigest()[:16] + ".git")


def _check_transport(url: str) -> None:
    place = ssh_host(url)
    scheme = "ssh" if place else urlsplit(url).scheme
    host = urlsplit(url).hostname or ""
    if scheme == "ssh":
        _built_in(Feature.SSH, "SSH")
    elif scheme == "https":
        _built_in(Feature.HTTPS, "HTTPS")
    elif scheme == "file" or (scheme in ("http", "git") and host in ("localhost", "127.0.0.1", "::1")):
        return
    else:
        code = "repo-insecure" if scheme in ("http", "git") else "repo-transport"
        hint = CODES["repo-insecure"].cure
        raise Refused(Problem(code=code, message=f"{redacted(url)}: trueup doesn't follow {scheme}://", hint=hint))


def _built_in(feature: Feature, name: str) -> None:
    if not pygit2.features & feature:
        message = f"the pygit2 (libgit2 {pygit2.LIBGIT2_VERSION}) that is installed was built without {name}"
        raise Refused(Problem(code="repo-transport", message=message, hint=CODES["repo-transport"].cure))


def knows(lines: Iterable[str], host: str, port: int = 22) -> bool:
    """True when known_hosts lines (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT) have any key for the host, hashed or not."""
    name = host if port == 22 else f"[{host}]:{port}"
    for line in lines:
        words = line.split()
        if len(words) < 3 or words[0].startswith(("#", "@revoked")):
            continue
        names = words[1] if words[0].startswith("@") else words[0]
        if names.startswith("|1|"):
            try:
                _, _, salt, mac = names.split("|")
                made = hmac.new(base64.b64decode(salt), name.encode(), hashlib.sha1).digest()
                if hmac.compare_digest(made, base64.b64decode(mac)):
                    return True
            except ValueError:
                continue
        elif name in names.split(","):
            return True
    return False


__all__ = ["Credentials", "Mirror", "is_remote", "knows", "local_path", "mirror_of", "ssh_host"]
