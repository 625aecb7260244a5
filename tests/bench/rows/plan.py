"""`trueup plan` over 10,000 hosts × 50 resources, each time a cold process, no daemon, 90 days of history in the state;
and how large that state is."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..fleet import DAYS, Fleet, Measured, measured
from ..table import Row

HOSTS = 10_000
RUNS = 5

BARE = """
import sys, duckdb
con = duckdb.connect(sys.argv[1])
print(con.execute('''SELECT count(*) FROM reading_want w FULL JOIN (SELECT * FROM owned WHERE confirmed) o
    ON o.host_id = w.host_id AND o.res_id = w.res_id LEFT JOIN observed s ON s.host_id = w.host_id AND s.res_id = w.res_id
    WHERE w.host_id IS NULL OR o.host_id IS NULL OR o.digest <> w.digest OR s.status IS DISTINCT FROM 1 OR s.seen_as <> w.aim
''').fetchall()[0][0])
"""
TRUEUP = "from reconciler.cli import main; main()"


def plan(fleet: Fleet, *words: str) -> Measured:
    """`trueup plan` of the repository's HEAD. 0: nothing to do, 2: changes."""
    command = [sys.executable, "-c", TRUEUP, "plan", str(fleet.repo), "--rev", "HEAD", "--no-pager", *words]
    made = measured(command, fleet.env, fleet.folder)
    assert made.code in (0, 2), made.out
    return made


def told(what: str, runs: list[Measured], seconds: float, rss: float, how: str) -> Iterator[Row]:
    """Time and memory of `runs`: the median and the most."""
    cpu = statistics.median(run.cpu for run in runs)
    took = statistics.median(run.seconds for run in runs)
    yield Row.at_most(f"{what}: time", took, seconds, "s", f"{how}; {cpu:.2f} s of it CPU")
    if rss:
        yield Row.at_most(f"{what}: memory", max(run.rss for run in runs), rss, "MB", how)


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="trueup-bench-") as folder:
        fleet = Fleet(Path(folder) / "fleet", HOSTS)
        size = fleet.database.stat().st_size / 1e9
        yield Row.at_most(
            f"the state after {DAYS} days, 10,000 hosts", size, 1, "GB", "1 % of 500,000 resources changed a day"
        )
        yield Row.at_most("first read of 10,000 hosts × 50", fleet.read_seconds, 8, "s", "nothing cached, one run")
        bare, still = [], []
        for _ in range(RUNS):
            bare.append(measured([sys.executable, "-c", BARE, str(fleet.database)], fleet.env, fleet.folder))
            still.append(plan(fleet))
        assert all(run.code == 0 for run in still), still[0].out
        how = f"median of {RUNS} cold processes, interleaved with a bare Python that counts the same join"
        yield from told("plan, nothing to do", still, 0.7, 150, how)
        ratio = statistics.median(run.seconds for run in still) / statistics.median(run.seconds for run in bare)
        yield Row.at_most("plan, nothing to do ÷ bare join", ratio, 2, "×", how)
        yield drifted(fleet)
        fleet.edit_manifest()
        edited = [plan(fleet) for _ in range(3)]
        yield from told(
            "plan, one templated manifest of all hosts edited", edited, 2, 250, "median of 3 cold processes"
        )
        fleet.back()
        fleet.edit_variable()
        edited = [plan(fleet) for _ in range(3)]
        yield from told("plan, one variable of all Hosts edited", edited, 10, 400, "median of 3 cold processes")


def drifted(fleet: Fleet) -> Row:
    """No answer comes from a stored plan: one observed row, picked at random, changes, and the plan has just that."""
    import json

    host, kind, name = fleet.drift().split(" ")
    changes = json.loads(plan(fleet, "--format", "json").out)["changes"]
    found = [(one["host"], one["kind"], one["name"]) for one in changes]
    right = found == [(host, kind, name)]
    return Row(
        name="one random observed row changed",
        value="just that" if right else f"{len(found)} changes",
        target="just that",
        met=right,
        how="picked at random, written behind the plan's back",
    )
