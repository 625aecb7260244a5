"""Roots of Debian releases, built once by debootstrap and kept in ~/.cache/trueup-lab."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from .problems import LabError, need

CACHE = Path(os.environ.get("TRUEUP_LAB_CACHE") or Path.home() / ".cache/trueup-lab")
MIRROR = "http://deb.debian.org/debian"
INCLUDE = "openssh-server,cron,sudo,python3,python3-apt,iproute2,procps,ca-certificates"


def root(suite: str, *, systemd: bool = False, include: str = "") -> Path:
    """The root of a Debian `suite` (`trixie`, `bullseye`), built when it isn't there yet (a minute, 300 MB).
    Raises LabError with debootstrap's last lines."""
    name = suite + ("-systemd" if systemd else "") + (f"-{include.replace(',', '-')}" if include else "")
    path = CACHE / name
    if (path / ".built").exists():
        return path
    need("debootstrap", *(["systemd-nspawn"] if systemd else []))
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (path / ".built").exists():
            return path
        shutil.rmtree(path, ignore_errors=True)
        packages = INCLUDE + (",systemd,systemd-sysv,dbus" if systemd else "") + (f",{include}" if include else "")
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={packages}", suite, str(path), os.environ.get("TRUEUP_LAB_MIRROR", MIRROR)],
            capture_output=True, text=True, check=False, timeout=900,
        )  # fmt: skip
        if done.returncode:
            tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
            raise LabError(f"debootstrap could not build {suite}:\n{tail}\nIts log: {path}/debootstrap/debootstrap.log")
        (path / ".built").touch()
    return path
