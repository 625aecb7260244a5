"""Which machine this is, and what is told of it beside its resources: for the host's page, and for telling machines apart."""

from __future__ import annotations

import os
import platform
import sys
import time
from typing import Any, Dict

from . import ops


def machine_id() -> str:
    """From /etc/machine-id (machine-id(5)); empty when there is none, or none yet (`uninitialized`)."""
    try:
        with open("/etc/machine-id", encoding="ascii", errors="replace") as file:
            found = file.read(64).strip()
    except OSError:
        return ""
    return found if found.isalnum() and found != "uninitialized" else ""


def facts() -> Dict[str, Any]:
    """Small, for the host's page; `clock` is this host's time in seconds since 1970."""
    return {
        "os": _os_name(),
        "kernel": platform.release(),
        "arch": platform.machine(),
        "python": platform.python_version(),
        "clock": time.time(),
        "uptime": _uptime(),
        "packageManager": ops.package_manager(),
        "init": "systemd" if os.path.isdir("/run/systemd/system") else "other",
        "executable": sys.executable,
    }


def _os_name() -> str:
    try:
        with open("/etc/os-release", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("PRETTY_NAME="):
                    return line.partition("=")[2].strip().strip("\"'")[:100]
    except OSError:
        pass
    return ""


def _uptime() -> float:
    try:
        with open("/proc/uptime", encoding="ascii") as file:
            return float(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0
