"""The fleet's page and lists of hosts over 10,000 hosts × 50 resources, over a real connection on loopback."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx

from reconciler.settings import load
from reconciler.store import DuckStore
from reconciler.web import serve
from reconciler.web.page import app
from reconciler.world import World

from ..fleet import Fleet
from ..table import Row, seconds

HOSTS = 10_000
REQUESTS = 200
PAGES = (
    ("the fleet's page", "/"),
    ("a filtered list", "/hosts?where=role%3Dr3&verdict=converged"),
    ("the list of what drifted", "/hosts?verdict=drifted"),
)


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="trueup-bench-") as folder:
        fleet = Fleet(Path(folder) / "fleet", HOSTS)
        world = World.open(load({**fleet.env, "TRUEUP_REPO": str(fleet.repo)}))
        store = world.store
        assert isinstance(store, DuckStore)
        with store.db.writing() as con:
            con.execute("UPDATE observed SET status = 2, state = 0, seen_as = 0, right_then = false "
                        "WHERE host_id % 500 = 0 AND res_id = (SELECT min(res_id) FROM resource)")  # fmt: skip
        served = serve.run(app(world), "127.0.0.1:0")
        try:
            with httpx.Client(base_url=served.url, timeout=60) as client:
                for name, path in PAGES:
                    yield asked(client, store, name, path, written=False)
                    yield asked(client, store, name, path, written=True)
        finally:
            served.close()
            world.close()


def asked(client: httpx.Client, store: DuckStore, name: str, path: str, *, written: bool) -> Row:
    """p95 of 200 requests; `written`: with a write about one host to the state before each, as a look at it makes one."""

    def ask() -> None:
        answer = client.get(path, headers={"accept": "text/html"})
        assert answer.status_code == 200, answer.text

    ask()
    times = []
    for number in range(REQUESTS if not written else REQUESTS // 5):
        if written:
            with store.db.writing({number + 1}) as con:
                con.execute("UPDATE host SET seen_at = seen_at + to_seconds(1) WHERE host_id = ?", [number + 1])
        times.append(seconds(ask) * 1000)
    late = statistics.quantiles(times, n=20)[-1]
    how = f"p95 of {len(times)} requests" + (", the state written to before each" if written else "")
    return Row.at_most(name + (", after a write" if written else ""), late, 50, "ms", how)
