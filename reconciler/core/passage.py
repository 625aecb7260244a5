"""Logins that are the way in to other hosts: those of jump hosts, which ssh goes through (ssh_config(5), ProxyJump)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from .model import Host

_HOP = re.compile(r"(?:ssh://)?(?:([^@/]+)@)?(\[[^\]]+\]|[^:\[\]/]+)(?::([0-9]{1,5}))?/?")


def passages(hosts: Mapping[str, Host]) -> dict[str, tuple[Host, ...]]:
    """Each host that others are reached through → itself as it is entered for that, once for each login that a `proxyJump`
    names. A hop is one of the fleet's by its name or its address; whoever isn't is not the fleet's to keep."""
    hops = {hop for host in hosts.values() if host.proxy_jump for hop in host.proxy_jump.split(",")}
    if not hops:
        return {}
    known: dict[str, set[str]] = {}
    for name, host in hosts.items():
        known.setdefault(name, set()).add(name)
        known.setdefault(host.address, set()).add(name)
    found: dict[str, list[Host]] = {}
    for hop in sorted(hops):
        match = _HOP.fullmatch(hop)
        if match is None:
            continue
        for name in sorted(known.get(match[2].strip("[]"), ())):
            host, here = hosts[name], found.setdefault(name, [])
            way = (match[1] or host.user, int(match[3] or 22))
            if way not in ((one.user, one.port) for one in (host, *here)):
                here.append(replace(host, user=way[0], port=way[1], become=False))
    return {name: tuple(entered) for name, entered in found.items() if entered}


__all__ = ["passages"]
