"""What can keep a lab from starting, each said with its cure."""

from __future__ import annotations

import os
import shutil

PACKAGES = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "pivot_root": "util-linux",
    "mount": "mount",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "cron": "cron",
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "nft": "nftables",
    "dpkg-deb": "dpkg",
}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LabError(Exception):
    """The lab can't do what was asked; the text says why and what to do."""


def need(*tools: str) -> None:
    """Raise LabError unless we are root and all `tools` are there."""
    if os.geteuid() != 0:
        raise LabError("a lab makes namespaces and network links, which only root may: run it with sudo")
    missing = [tool for tool in tools if shutil.which(tool, path=PATH) is None]
    if missing:
        packages = " ".join(sorted({PACKAGES[tool] for tool in missing}))
        raise LabError(f"missing here: {', '.join(missing)}; next: apt-get install {packages}, or make setup")
