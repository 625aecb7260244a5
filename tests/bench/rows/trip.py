"""20 hosts × 50 resources: a first apply and a round that finds nothing to do, against `ansible all -m ping` of the
same hosts in the same minute, and against a shell script of the same work over parallel ssh, the physical limit."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from ..table import Row, seconds
from ..work import KEX, bench

HOSTS, RESOURCES, RUNS = 20, 50, 3


def rows() -> Iterator[Row]:
    applied, against, scripted = [], [], []
    for _ in range(RUNS):
        with bench(HOSTS, RESOURCES) as fresh:
            fresh.ready()
            pinged = seconds(fresh.ping)
            took = seconds(fresh.apply)
            fresh.verify()
            applied.append(took / pinged)
            against.append(took)
        with bench(HOSTS, RESOURCES) as fresh:
            scripted.append(seconds(fresh.parallel_ssh))
            fresh.verify()
    yield Row.at_most(
        "first apply, 20 hosts × 50 resources", statistics.median(applied), 1.1, "× ping",
        f"median of {RUNS}, fresh hosts each: one trip with all ops, probed before and after, new connections; "
        f"ping: `ansible all -m ping`, new connections, just before; KexAlgorithms={KEX} for both; the hosts were read",
    )  # fmt: skip
    yield Row.at_most(
        "first apply, against the physical limit", statistics.median(against) / statistics.median(scripted), 2.2,
        "× script", "the same applies; a shell script of the same work, `ssh host sh` of 20 hosts at once, on fresh hosts in turn",
    )  # fmt: skip
