"""The lab's network: one bridge a lab on a private subnet that nothing else uses, one veth pair a host.

The namespaces have no names, so a host's end of the cable vanishes with the host, and only the bridge is ever left to remove.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import random
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .problems import LabError

POOL = ipaddress.ip_network("10.64.0.0/10")
"""Subnets are taken from here: private (RFC 1918), and the part that home routers and clouds use least."""


@dataclass(frozen=True, kw_only=True)
class Net:
    """A lab's bridge and the subnet on it."""

    bridge: str
    subnet: ipaddress.IPv4Network

    @property
    def gateway(self) -> str:
        """The controller's address on the bridge."""
        return str(self.subnet.network_address + 1)

    def address(self, number: int) -> str:
        """The address of the host `number`, from 1 on."""
        return str(self.subnet.network_address + 1 + number)


def ip(*lines: str) -> None:
    """Run `ip` commands in one process. Raises LabError with ip's own words."""
    done = subprocess.run(
        ["ip", "-batch", "-"], input="\n".join(lines) + "\n", capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        raise LabError(f"the lab's network: {done.stderr.strip()}")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one lab at a time chooses its names and subnet."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _used() -> list[ipaddress.IPv4Network]:
    def rows(what: str) -> Iterable[dict[str, object]]:
        done = subprocess.run(["ip", "-4", "-j", what], capture_output=True, text=True, check=True, timeout=20)
        return json.loads(done.stdout or "[]") or ()

    used = []
    for row in rows("route"):
        if row.get("dst") != "default":
            used.append(ipaddress.ip_network(str(row["dst"]), strict=False))
    for row in rows("addr"):
        for info in row.get("addr_info", ()):  # type: ignore[attr-defined]
            used.append(ipaddress.ip_network(f"{info['local']}/{info['prefixlen']}", strict=False))
    return [net for net in used if isinstance(net, ipaddress.IPv4Network)]


def root_of(folder: Path) -> str:
    """Which root a lab is of: one that shares this network, in a chroot, has labs of its own in a folder of its own."""
    info = folder.stat()
    return f"lab-{info.st_dev}-{info.st_ino}"


def alias(bridge: str) -> str:
    """What `make` was told to note at a bridge; empty when it is gone."""
    try:
        return Path(f"/sys/class/net/{bridge}/ifalias").read_text("ascii", "replace").strip()
    except OSError:
        return ""


def make(bridge: str, hosts: int, note: str) -> Net:
    """Make a bridge with a free subnet that has room for `hosts`, and `note` at it; call it under `locked`."""
    prefix = 24 if hosts <= 250 else 22
    if hosts > 1000:
        raise LabError(f"a lab has at most 1,000 hosts, {hosts} were asked for")
    used = _used()
    for _ in range(500):
        start = int(POOL.network_address) + (random.randrange(POOL.num_addresses) >> (32 - prefix) << (32 - prefix))
        subnet = ipaddress.IPv4Network((start, prefix))
        if not any(subnet.overlaps(other) for other in used):
            break
    else:
        raise LabError(f"no free subnet in {POOL}: all of it is routed already")
    net = Net(bridge=bridge, subnet=subnet)
    # A bridge without an address of its own borrows one of its ports': it would change when that host is killed, and
    # the other hosts would talk to the old one until they ask anew.
    mac = "02:" + ":".join(f"{random.randrange(256):02x}" for _ in range(5))
    ip(
        f"link add {bridge} address {mac} type bridge",
        f"link set {bridge} alias {note}",
        f"addr add {net.gateway}/{prefix} dev {bridge}",
        f"link set {bridge} up",
    )
    return net
