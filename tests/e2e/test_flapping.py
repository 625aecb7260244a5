"""Hosts that come and go while commits land: each is right once it is back, and the daemon doesn't grow."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from lab import Fleet, LabHost


def resident(pid: int) -> int:
    """The daemon's resident memory in KiB (proc(5), VmRSS)."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def flap(
    fleet: Fleet, seconds: float, every: float, back_within: float, sample: Callable[[float, int], None] | None = None
) -> None:
    """For `seconds`, a tenth of the hosts have their cable pulled and put back at random moments, while a commit changes
    a file of all hosts every `every` seconds; then all cables are in, and each host must hold the last commit's file
    within `back_within` seconds. `sample` is told the seconds since the start and the daemon's memory, once a second."""
    chance = random.Random(7)
    shaky: list[LabHost] = chance.sample(list(fleet.hosts), max(1, len(fleet.hosts) // 10))
    down: dict[str, float] = {}
    number = 0
    with fleet.serve(observe_every=str(max(5.0, every / 2)), limit=120) as daemon:
        begin = time.monotonic()
        next_commit = 0.0
        while (now := time.monotonic() - begin) < seconds:
            if now >= next_commit:
                number, next_commit = number + 1, now + every
                fleet.write(
                    "n.yaml",
                    f'kind: File\nmetadata: {{name: /etc/number}}\nspec: {{hosts: all, content: "{number}\\n"}}\n',
                )
                fleet.land(f"Number {number}")
            for host in shaky:
                if host.name in down and now >= down[host.name]:
                    host.mend()
                    del down[host.name]
                elif host.name not in down and chance.random() < 1 / every:
                    host.cut()
                    down[host.name] = now + chance.uniform(every / 4, every)
            if sample:
                sample(now, resident(daemon.pid))
            time.sleep(1)
        for host in shaky:
            host.mend()
        fleet.trueup("sync")
        end = time.monotonic() + back_within
        late = set(fleet.hosts)
        while late := {
            host for host in late if not host.exists("/etc/number") or host.read("/etc/number") != f"{number}\n"
        }:
            assert time.monotonic() < end, (
                f"not right {back_within:g} s after they were back: {sorted(h.name for h in late)}"
            )
            assert daemon.poll() is None, "the daemon is gone"
            time.sleep(1)
    log = fleet.log.read_text(encoding="utf-8", errors="replace")
    assert "Traceback" not in log, log[-3000:]


def test_a_flapping_host_is_right_when_it_is_back(make_fleet: Callable[..., Fleet]) -> None:
    flap(make_fleet(6, connect_timeout="3"), seconds=15, every=5, back_within=120)
