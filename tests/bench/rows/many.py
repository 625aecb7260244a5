"""200 lab hosts, one changed file on each: the time it takes and the controller's CPU, against a ping of the 200."""

from __future__ import annotations

import os
import resource
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from reconciler.core.model import State

from ..table import Row, seconds
from ..work import FORKS, bench

HOSTS, RUNS = 200, 3
TICK = os.sysconf("SC_CLK_TCK")


def rows() -> Iterator[Row]:
    work: list[tuple[str, str, State]] = [
        ("File", f"/etc/many{number}", {"content": f"{number}\n", "mode": "0644"}) for number in range(RUNS)
    ]
    walls, cpus = [], []
    with bench(HOSTS, work) as fresh:
        fresh.go(fresh.looks)  # connections, theirs and ours, are open from now on
        fresh.ping()
        for one in work:
            visits = fresh.making([one])
            ping = measured(fresh.ping, 0, lambda: None)
            ours = measured(partial(fresh.go, visits), fresh.trip.warm.pid, fresh.trip.behind.settle)
            walls.append(ours[0] / ping[0])
            cpus.append(ours[1] / ping[1])
        fresh.verify()
    how = f"median of {RUNS} in turn with ping, {FORKS} at once, open connections for both; the files were read on all hosts"
    yield Row.at_most("one changed file on each of 200 hosts", statistics.median(walls), 0.8, "× ping", how)
    yield Row.at_most(
        "the controller's CPU for it", statistics.median(cpus), 0.7, "× ping",
        f"{how}; CPU of all processes that were started for it, the kept one's share included",
    )  # fmt: skip


def measured(work: Callable[[], object], kept: int, settle: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and seconds of CPU here, in what was started and ended, and in the process `kept` and what it started:
    a process counts once it is waited for, so `settle` waits for what goes on behind the last report."""
    settle()
    before = used(kept)
    took = seconds(work)
    settle()
    return took, used(kept) - before


def used(kept: int) -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    mine = sum(one.ru_utime + one.ru_stime for one in both)
    if not kept:
        return mine
    words = Path(f"/proc/{kept}/stat").read_text().rpartition(")")[2].split()
    return mine + sum(int(word) for word in words[11:15]) / TICK  # utime, stime, cutime, cstime (proc(5))
