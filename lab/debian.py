"""Roots of Debian releases, built once by debootstrap and kept in ~/.cache/trueup-lab."""

from __future__ import annotations

import fcntl
import hashlib
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


def archive(suite: str, packages: str) -> Path:
    """A flat repository for apt (`deb [trusted=yes] file:… ./`) with `packages` (commas) and all that a systemd root of
    the suite lacks for them, fetched when it isn't there yet: lab hosts have no way out. Raises LabError."""
    at = root(suite, systemd=True)
    path = CACHE / f"{suite}-debs-{packages.replace(',', '-')}"
    with (CACHE / f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (path / "Packages").exists():
            return path
        shutil.rmtree(path, ignore_errors=True)
        for folder in ("lists/partial", "cache/archives/partial"):
            (path / folder).mkdir(parents=True)
        # All that apt writes lies in the new folder: the root is the lower layer of hosts that run.
        script = 'mount --bind "$2" "$1/mnt" && shift 2 && exec "$@"'
        inside = ["unshare", "--mount", "sh", "-c", script, "sh", str(at), str(path), "chroot", str(at)]
        where = ["-o", "Dir::State::Lists=/mnt/lists", "-o", "Dir::Cache=/mnt/cache", "-o", "APT::Sandbox::User=root"]
        apt = [*inside, "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "apt-get", "-q", "-y", *where]
        for words in (["update"], ["install", "--download-only", *packages.split(",")]):
            _run([*apt, *words], suite)
        index = []
        for deb in sorted((path / "cache/archives").glob("*.deb")):
            told = subprocess.run(["dpkg-deb", "-f", str(deb)], check=True, capture_output=True, text=True, timeout=60)
            digest = hashlib.sha256(deb.read_bytes()).hexdigest()
            index.append(f"{told.stdout}Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n")
            deb.rename(path / deb.name)
        for folder in ("lists", "cache"):
            shutil.rmtree(path / folder)
        (path / "Packages.new").write_text("\n".join(index), encoding="utf-8")
        (path / "Packages.new").rename(path / "Packages")
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
