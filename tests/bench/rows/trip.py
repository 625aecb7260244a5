"""20 hosts × 50 resources: a first apply and a round that finds nothing to do, against `ansible all -m ping` of the
same hosts in the same minute, and against a shell script of the same work over parallel ssh, the physical limit."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from lab import Fleet
from reconciler import line, settings
from reconciler.core.model import State
from reconciler.world import World

from ..table import Row, interleaved, seconds
from ..work import KEX, bench, wanted

HOSTS, RESOURCES, RUNS = 20, 50, 3


def rows() -> Iterator[Row]:
    applied, against, scripted = [], [], []
    for _ in range(RUNS):
        with bench(HOSTS, wanted(RESOURCES)) as fresh:
            fresh.ready()
            pinged = seconds(fresh.ping)
            took = seconds(fresh.apply)
            fresh.verify()
            applied.append(took / pinged)
            against.append(took)
        with bench(HOSTS, wanted(RESOURCES)) as fresh:
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
    yield nothing_to_do()


def nothing_to_do() -> Row:
    """Through the whole line: Git, every host looked at, the store, the plan."""
    with TemporaryDirectory(prefix="tub-") as name, bench(HOSTS, wanted(RESOURCES)) as fresh:
        fleet = Fleet(
            hosts=fresh.hosts, folder=Path(name), key=fresh.hosts[0].key, settings={"TRUEUP_KEX": KEX, "TRUEUP_FORKS": "20"}
        )  # fmt: skip
        fleet.make()
        fleet.inventory()
        fleet.write("work.yaml", "\n---\n".join(document(*one) for one in fresh.work))
        fleet.land()
        world = World.open(settings.load(fleet.variables()))
        try:
            names = [host.name for host in fresh.hosts]
            line.reconcile(world, names)
            fresh.verify()

            def nothing() -> None:
                seen = line.reconcile(world, names)
                assert seen.plan is not None and not seen.plan.changes, seen

            nothing()
            fresh.ping()
            pinged, took = interleaved((fresh.ping, nothing), RUNS)
        finally:
            world.close()
    return Row.at_most(
        "a round that finds nothing to do, 20 hosts × 50", took / pinged, 0.6, "× ping",
        f"median of {RUNS} in turn with ping, both over open connections: one walk of the line in a process that goes on "
        "(the commit read, every host looked at, readings written down, the plan made anew and found empty)",
    )  # fmt: skip


def document(kind: str, name: str, spec: State) -> str:
    body = json.dumps({"hosts": "all", **spec})
    return f"apiVersion: trueup.dev/v1\nkind: {kind}\nmetadata: {json.dumps({'name': name})}\nspec: {body}"
