"""Which places the controller reads for whoever may push.

Who writes a manifest doesn't own the controller: it must not become his eyes on a private network, his copy of a file on
this machine, or his use of a login. So a place that `contentFrom` doesn't name is asked as any stranger would: over
https, at a public address, without a login. What it names is trusted: plain http, private addresses, folders of this
machine, and the logins that the controller has.
"""

from __future__ import annotations

import ipaddress
import posixpath
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ..repo.troubles import redacted
from .troubles import refused

_PORTS = {"https": 443, "http": 80, "ssh": 22, "git+ssh": 22, "ssh+git": 22}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Trust:
    """`prefixes`: those of `contentFrom`, URLs and absolute folders."""

    prefixes: tuple[str, ...] = ()

    def named(self, place: str) -> bool:
        """True when `contentFrom` names `place`: same scheme, server and port, and a path at or below the prefix's."""
        wanted = _parts(place)
        return wanted is not None and any(_within(wanted, _parts(prefix)) for prefix in self.prefixes)

    def judge(self, place: str, *, schemes: Iterable[str]) -> None:
        """Raises Refused (source-not-allowed) when `place` may not be asked at all; `schemes` are for strangers."""
        if self.named(place):
            return
        parts = urlsplit(place)
        shown = redacted(place)
        if "://" not in place or parts.scheme in ("file", "local"):
            raise refused(
                "source-not-allowed", f"{shown}: a place on the controller itself, and contentFrom doesn't name it"
            )
        if parts.scheme not in schemes:
            way = (
                "is not encrypted"
                if parts.scheme in ("http", "git", "ftp")
                else f"takes the controller's own login ({parts.scheme})"
            )
            raise refused("source-not-allowed", f"{shown}: it {way}, and contentFrom doesn't name it")

    def addresses(self, place: str) -> list[tuple[int, str]]:
        """The addresses of `place`'s server that may be asked: family, address. Raises Refused when it has none."""
        parts = urlsplit(place)
        host = parts.hostname or ""
        port = parts.port or _PORTS.get(parts.scheme, 443)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise refused("source-unreachable", f"{redacted(place)}: {host} has no address ({why})") from None
        known: list[tuple[int, str]] = [(int(family), str(address[0])) for family, _, _, _, address in found]
        if self.named(place):
            return known
        for _, address in known:
            # One private address among public ones is as bad: who answers for the name chooses which is taken.
            if not public(address):
                message = f"{redacted(place)}: {host} is {address}, which is not a public address"
                raise refused("source-not-allowed", f"{message}, and contentFrom doesn't name the URL")
        return known


def public(address: str) -> bool:
    """True for an address of the public internet; one that carries another within (v4 in v6) is judged by that too."""
    try:
        here: Address = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(here, ipaddress.IPv6Address):
        inner = here.ipv4_mapped or here.sixtofour or (here.teredo[1] if here.teredo else None)
        if inner is None and (here in _NAT64 or int(here) >> 32 == 0):
            inner = ipaddress.IPv4Address(int(here) & 0xFFFFFFFF)
        if inner is not None:
            return public(str(inner))
    return here.is_global and not here.is_multicast


def _parts(place: str) -> tuple[str, str, int, str] | None:
    if place.startswith("/"):
        return ("file", "", 0, posixpath.normpath(place))
    try:
        parts = urlsplit(place)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    scheme = "ssh" if parts.scheme in ("git+ssh", "ssh+git") else "file" if parts.scheme == "local" else parts.scheme
    path = parts.path or "/"
    # What a server may read as another path is no path below a prefix.
    segments = unquote(path).replace("\\", "/").split("/")
    if not scheme or ".." in segments or "." in segments or "%2f" in path.lower():
        return None
    return (scheme, parts.hostname or "", port, path)


def _within(place: tuple[str, str, int, str], prefix: tuple[str, str, int, str] | None) -> bool:
    if prefix is None or place[:3] != prefix[:3]:
        return False
    start = prefix[3].rstrip("/")
    return place[3] == start or place[3].startswith(start + "/")


__all__ = ["Trust", "public"]
