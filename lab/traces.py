"""What of a lab is still on the machine: the tests ask that nothing is, once it has gone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from . import keeper


def left_of(name: str, also: Sequence[str] = ()) -> list[str]:
    """Links, folder, control groups, mounts and processes of the lab called `name`, and of the folders in `also`."""
    left = [link.name for link in Path("/sys/class/net").glob(f"tul{name}*")]
    left += [str(path) for path in Path("/run/trueup-lab").glob(name)]
    left += [str(path) for root in keeper.group_roots() for path in root.glob(f"trueup-lab-{name}-*")]
    left += [line for line in Path("/proc/mounts").read_text().splitlines() if f"/trueup-lab/{name}" in line]
    left += [path for path in also if Path(path).exists()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            words = (process / "environ").read_bytes() + command
        except OSError:  # it ended between two reads, which is what the caller waits for
            continue
        if any(mark.encode() in words for mark in (f"/trueup-lab/{name}", *also)):
            left.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return left


def gone(name: str, also: Sequence[str] = (), limit: float = 15) -> list[str]:
    """What is left once nothing more goes away, for at most `limit` seconds: `[]` when all of it went."""
    end = time.monotonic() + limit
    while (left := left_of(name, also)) and time.monotonic() < end:
        time.sleep(0.05)
    return left
