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
    Raises LabError with the last lines of what failed."""
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
        mirror = os.environ.get("TRUEUP_LAB_MIRROR", MIRROR)
        _run(["debootstrap", "--variant=minbase", suite, str(path), mirror], suite)
        # The rest by the release's own apt: debootstrap doesn't order packages by what they depend on beforehand.
        packages = INCLUDE + (",systemd,systemd-sysv,dbus" if systemd else "") + (f",{include}" if include else "")
        (path / "etc/apt/apt.conf.d/90machine").write_text(_acquire(), encoding="utf-8")
        (path / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        (path / "usr/sbin/policy-rc.d").chmod(0o755)
        script = 'mount -t proc proc "$1/proc" && exec chroot "$@"'
        inside = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh", str(path)]
        apt = [*inside, "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "apt-get", "-q"]
        for words in (["update"], ["install", "-y", "--no-install-recommends", *packages.split(",")], ["clean"]):
            _run([*apt, *words], suite)
        (path / "usr/sbin/policy-rc.d").unlink()
        (path / ".built").touch()
    return path


def _run(argv: list[str], suite: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False, timeout=900)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise LabError(
            f"the root of {suite} can't be built: `{' '.join(argv[:2])} …` ended with {done.returncode}:\n{tail}"
        )


def _acquire() -> str:
    """How the machine's own apt fetches (a proxy, for one), for the apt of a root."""
    done = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False, timeout=20)
    lines = [line for line in done.stdout.splitlines() if line.startswith("Acquire::") and '""' not in line]
    return "\n".join(lines) + "\n"
