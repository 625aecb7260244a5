"""Who may read the page: who knows the token, or whom a trusted proxy has asked. Without either, only this machine.

The token travels as RFC 6750's `Authorization: Bearer`, or as the password of RFC 7617's Basic, which is what a browser
can do without a form: the page answers GET and HEAD only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import logging
import os
import re
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.problem import Problem, Refused
from ..settings import Settings

LOG = logging.getLogger("trueup.page")

SHORTEST = 20
"""Characters of a token: `openssl rand -base64 24` gives 32. A shorter one could be guessed within the limit below."""
TRIES = 10
WINDOW = 60.0
"""Wrong tokens that one address may send within these seconds; then it gets 429 until they have passed."""
REMEMBERED = 4096
"""Addresses whose failures are remembered: a bound on memory, the oldest is forgotten first."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


@dataclass(frozen=True, kw_only=True)
class Denied:
    """Why a request is not answered: a status of RFC 9110, words, and headers that go with it."""

    status: int
    says: str
    headers: dict[str, str] = field(default_factory=dict)


class Token:
    """The token in a file, read anew when the file changes, so that it can be exchanged without a restart. Only its
    digest is kept in memory."""

    def __init__(self, place: Path) -> None:
        """Raises Refused (page-token) when the file can't be used."""
        self.place = place
        self._stamp: tuple[int, int, int] | None = None
        self._digest = b""
        self._read()

    def matches(self, given: str) -> bool:
        """Whether `given` is the token, in a time that doesn't depend on how much of it is right."""
        try:
            self._read()
        except Refused as refused:
            # The old one goes on to count: a file that is being written must not lock everybody out.
            LOG.warning("%s", refused)
        return hmac.compare_digest(_digest(given), self._digest)

    def _read(self) -> None:
        try:
            at = self.place.stat()
            stamp = (at.st_mtime_ns, at.st_size, at.st_ino)
            if stamp == self._stamp:
                return
            # A path that somebody makes a pipe must not hang the page.
            text = self.place.read_text(encoding="utf-8").strip() if stat.S_ISREG(at.st_mode) else ""
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise _unfit(
                self.place, f"can't be read: {why}", f"chown it to the user that runs trueup: {self.place}"
            ) from None
        if stat.S_IMODE(at.st_mode) & 0o077:
            mode = f"{stat.S_IMODE(at.st_mode):04o}"
            raise _unfit(self.place, f"can be read by others (mode {mode})", f"chmod 0600 {self.place}")
        if len(text) < SHORTEST or not text.isprintable() or " " in text:
            raise _unfit(
                self.place,
                f"must hold one word of {SHORTEST} characters or more",
                f"openssl rand -base64 24 >{self.place}",
            )
        self._digest, self._stamp = _digest(text), stamp


class Attempts:
    """Counts wrong tokens by address; IPv6 by /64, which is what one subscriber has."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._failed: OrderedDict[str, list[float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """Seconds until `client` may try again; 0: now."""
        with self._lock:
            times = self._recent(_who(client))
            return max(0.0, times[0] + WINDOW - self._now()) if len(times) >= TRIES else 0.0

    def failed(self, client: str) -> int:
        """One more wrong token; how many there were within the window."""
        who = _who(client)
        with self._lock:
            times = [*self._recent(who), self._now()][-TRIES:]
            self._failed[who] = times
            self._failed.move_to_end(who)
            while len(self._failed) > REMEMBERED:
                self._failed.popitem(last=False)
            return len(times)

    def _recent(self, who: str) -> list[float]:
        since = self._now() - WINDOW
        return [at for at in self._failed.get(who, ()) if at > since]


@dataclass(kw_only=True)
class Access:
    """The rule of one page. With neither a token nor proxies, whoever reaches the page may read it."""

    token: Token | None = None
    proxies: tuple[Network, ...] = ()
    header: str = ""
    """Lower case: where the proxy says whom it has asked."""
    attempts: Attempts = field(default_factory=Attempts)

    @classmethod
    def of(cls, settings: Settings) -> Access:
        """Raises Refused with what is wrong with the settings."""
        proxies, header = settings.page_proxies, settings.page_user_header
        if bool(proxies) != bool(header):
            raise Refused(
                Problem(
                    code="page-proxy",
                    message=f"{'pageProxies' if proxies else 'pageUserHeader'} alone says nothing",
                    hint="set both: pageProxies: 10.0.0.7 and pageUserHeader: X-Forwarded-User",
                )
            )
        if header and not _HEADER.fullmatch(header):
            raise Refused(Problem(code="page-proxy", message=f"pageUserHeader: {header!r} is no name of a header"))
        return cls(
            token=Token(settings.page_token_file) if settings.page_token_file else None,
            proxies=networks(proxies),
            header=header.lower(),
        )

    @property
    def open(self) -> bool:
        return self.token is None and not self.proxies

    def denied(self, client: str, headers: Sequence[tuple[bytes, bytes]], query: str) -> Denied | None:
        """None when the request may be answered. `client` is the address at the other end of the connection."""
        if self.open:
            return None
        if self._from_proxy(client):
            said = [value.strip() for name, value in headers if name.lower() == self.header.encode()]
            # Twice is once by somebody else: a proxy that adds without taking away lets its readers choose a name.
            if len(said) == 1 and said[0]:
                return None
        if self.token is None:
            # Told a few times a minute: somebody who asks without end must not fill the log.
            if self.attempts.failed(client) < TRIES:
                LOG.warning("refused %s: no proxy of pageProxies, or without %s", client, self.header)
            return Denied(status=403, says="This page is read through its proxy, which asks who you are.")
        if "token=" in query:
            return Denied(
                status=400, says="A token has no place in an address, which is logged: use the header Authorization."
            )
        return self._by_token(client, headers)

    def _from_proxy(self, client: str) -> bool:
        try:
            address = ipaddress.ip_address(client.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self.proxies)

    def _by_token(self, client: str, headers: Sequence[tuple[bytes, bytes]]) -> Denied | None:
        assert self.token is not None
        wait = self.attempts.wait(client)
        if wait:
            told = {"retry-after": str(int(wait) + 1)}
            return Denied(status=429, says="Too many wrong tokens from this address.", headers=told)
        given = _given(headers)
        if given and self.token.matches(given):
            return None
        if given:
            times = self.attempts.failed(client)
            LOG.warning("refused %s: a wrong token, %d of %d within %d s", client, times, TRIES, WINDOW)
        ask = {"www-authenticate": 'Basic realm="trueup", charset="UTF-8"'}
        says = "This page wants its token: as the password, with any user name, or as Authorization: Bearer."
        return Denied(status=401, says=says, headers=ask)


def may_leave_loopback(settings: Settings) -> bool:
    """Whether readers are asked who they are in a way that holds on a network: a token only under TLS."""
    return bool(settings.page_proxies) or bool(settings.page_token_file and settings.tls_certificate)


def networks(text: str) -> tuple[Network, ...]:
    """`10.0.0.7, fd00::/8`. Raises Refused (page-proxy)."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(ipaddress.ip_network(part))
        except ValueError as error:
            raise Refused(
                Problem(
                    code="page-proxy",
                    message=f"pageProxies: {error}",
                    hint="write addresses, or networks as 10.0.0.0/24",
                )
            ) from None
    return tuple(found)


def _given(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The token that a request carries; empty when it carries none, or more than one."""
    values = [value for name, value in headers if name.lower() == b"authorization"]
    if len(values) != 1:
        return ""
    scheme, _, rest = values[0].decode("latin-1").strip().partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(rest.strip(), validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _who(client: str) -> str:
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address) and not address.ipv4_mapped:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _unfit(place: Path, message: str, hint: str) -> Refused:
    return Refused(
        Problem(code="page-token", path=os.fspath(place), message=f"the page's token file {message}", hint=hint)
    )


__all__ = ["Access", "Attempts", "Denied", "Token", "may_leave_loopback", "networks"]
