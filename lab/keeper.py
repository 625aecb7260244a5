"""Clears a lab away when its owner is gone, however it went: `python -I keeper.py LAB-FOLDER`, started by the owner.

Its standard input is a pipe that only the owner holds: the end of the file is the owner's end, kill -9 included.
Stands alone (no import of the project), so that nothing can keep it from its work.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path


def started(pid: int) -> str:
    """The start time of a process in clock ticks since boot (proc(5), stat field 22); empty when it is gone or dead
    and not waited for yet. With the pid it names a process for good: pids are used again."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        return "" if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        return ""


def alive(process: list[str]) -> bool:
    """Whether `[pid, start time]` still runs."""
    return started(int(process[0])) == process[1] != ""


def group_roots() -> list[Path]:
    """Where systemd keeps its control groups: cgroup v2, and v1's own tree where the machine is hybrid (cgroups(7))."""
    roots = []
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, where, kind, options = line.split()[:4]
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            roots.append(Path(where))
    return roots


def remove_groups(lab: str) -> int:
    """Remove the control groups of a lab's systemd hosts, which outlive their processes; gives how many hosts had one."""
    count = 0
    for top in (group for root in group_roots() for group in root.glob(f"trueup-lab-{lab}-*")):
        count += 1
        for here, _, _ in os.walk(top, topdown=False):
            for _ in range(100):  # a group is busy for a moment after its last process
                with contextlib.suppress(OSError):
                    os.rmdir(here)
                if not os.path.exists(here):
                    break
                time.sleep(0.01)
    return count


def daemons(folder: Path) -> list[int]:
    """The `trueup serve` processes whose repository lies in `folder`. A person's editor on a file of it is none."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes()
            if str(folder).encode() in words and b"\0serve\0" in words:
                found.append(int(process.name))
    return [pid for pid in found if started(pid)]


def remove_with_daemons(folder: Path, grace: float = 5) -> None:
    """Remove a folder that a killed owner's daemon may still write to: it gets `grace` seconds to end by itself."""
    begin = time.monotonic()
    while time.monotonic() < begin + grace + 10:
        shutil.rmtree(folder, ignore_errors=True)
        left = daemons(folder)
        if not left and not folder.exists():
            return
        if time.monotonic() > begin + grace:
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def clear(folder: Path) -> list[str]:
    """Kill the hosts of the lab, remove its bridge and its folder. Gives what was removed, in words. Never raises for
    what is gone already."""
    gone = []
    try:
        book = json.loads((folder / "lab.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        book = {}
    hosts = [process for process in book.get("processes", []) if alive(process)]
    for process in hosts:
        with contextlib.suppress(OSError):
            os.kill(int(process[0]), signal.SIGKILL)
    limit = time.monotonic() + 10
    while any(alive(process) for process in hosts) and time.monotonic() < limit:
        time.sleep(0.005)
    if hosts:
        gone.append(f"{len(hosts)} hosts")
    remove_groups(folder.name)
    bridge = book.get("bridge") or f"tul{folder.name}"
    if Path(f"/sys/class/net/{bridge}").exists():
        subprocess.run(["ip", "link", "delete", bridge], check=False, capture_output=True, timeout=20)
        gone.append(f"bridge {bridge}")
    for also in book.get("also", []):
        remove_with_daemons(Path(also))
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
        gone.append(str(folder))
    return gone


def main() -> None:
    folder = Path(sys.argv[1])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 4096):
        pass
    clear(folder)


if __name__ == "__main__":
    main()
