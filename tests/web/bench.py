"""How fast the page is over 10,000 hosts: `.venv/bin/python tests/web/bench.py [HOSTS]`.

p50 and p95 of 200 requests over a real connection on loopback, of the fleet's page, of a filtered list as a page and as
JSON, and of one host; `anew` is the slowest of five that nobody had asked in the same second. The hosts are played (simulated.py); the state file, the queries and the page are the real ones.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx
import simulated

from reconciler.core.model import Key, Present
from reconciler.web import serve
from reconciler.web.page import app

REQUESTS = 200
MANIFESTS = 50


def fleet_of(folder: Path, hosts: int) -> simulated.Fleet:
    """`hosts` hosts × 50 resources, looked at once; one in a thousand fails, one in five hundred drifted."""
    fleet = simulated.Fleet(folder)
    inventory = [
        simulated.document("Host", f"host-{n:05}", f"address: host-{n:05}", f"role: r{n % 20}, site: s{n % 7}")
        for n in range(hosts)
    ]
    files = {"trueup.yaml": simulated.POLICY}
    for begin in range(0, hosts, 100):
        files[f"hosts/{begin:05}.yaml"] = "---\n".join(inventory[begin : begin + 100])
    for n in range(MANIFESTS):
        files[f"groups/g{n}.yaml"] = simulated.document("Group", f"g{n}", f"hosts: all\ngid: {3000 + n}")
    fleet.commit("A large fleet", files)
    # Hosts are right from the start: what is measured is reading, not the first roll-out.
    for host in range(hosts):
        for n in range(MANIFESTS):
            fleet.trip.seen[Key(f"host-{host:05}", "Group", f"g{n}")] = Present({"gid": 3000 + n})
    fleet.walk()
    for n in range(0, hosts, 500):
        fleet.drift(f"host-{n:05}", "Group", "g7", gid=99)
    drifted = [f"host-{n:05}" for n in range(0, hosts, 500)]
    fleet.look_at(*drifted)
    fleet.later(30)
    return fleet


def measure(client: httpx.Client, path: str, accept: str = "text/html") -> tuple[float, float]:
    times = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        answer = client.get(path, headers={"accept": accept})
        times.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer.text
    return statistics.median(times), statistics.quantiles(times, n=20)[-1]


def anew(client: httpx.Client, path: str, accept: str) -> float:
    """Milliseconds of an answer that nobody asked for in this second: the slowest of five."""
    times = []
    for _ in range(5):
        time.sleep(1.1)
        began = time.perf_counter()
        client.get(path, headers={"accept": accept})
        times.append((time.perf_counter() - began) * 1000)
    return max(times)


def main(hosts: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        fleet = fleet_of(Path(folder) / "fleet", hosts)
        print(f"{hosts:,} hosts × {MANIFESTS} resources made in {time.perf_counter() - began:.1f} s")
        served = serve.run(app(fleet.world), "127.0.0.1:0")
        with httpx.Client(base_url=served.url, timeout=60) as client:
            for path, accept in (
                ("/", "text/html"),
                ("/", "application/json"),
                ("/hosts?where=role%3Dr3&verdict=converged", "text/html"),
                ("/hosts?find=0042", "application/json"),
                ("/hosts?verdict=drifted", "text/html"),
                ("/hosts/host-00500", "text/html"),
                ("/kinds/Group", "text/html"),
            ):
                client.get(path)
                median, late = measure(client, path, accept)
                print(
                    f"{path:<44} {accept:<18} p50 {median:7.1f} ms   p95 {late:7.1f} ms   anew {anew(client, path, accept):7.1f} ms"
                )
        served.close()
        fleet.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
