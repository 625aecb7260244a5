"""Sites: nginx as trueup configures it against a plain one and Debian's Caddy; a deploy of 1,000 files to 10 hosts against
rsync and Ansible's copy; a redeploy against `ansible -m ping`; visitors while releases are switched."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import lab
from tests.systems.sites.host.places import Place, clear, under_load

from .. import servers, sites
from ..table import Row, seconds

PAIRS, DEPLOYS, REDEPLOYS = 15, 5, 7
HOSTS = 10
COPIED_FILES = 50
"""That Ansible's copy is given: all of them take it more than an hour; its time grows with their number."""
CHANGED = ("index.html", "page/1/1.html", "img/1.jpg")


def rows() -> Iterator[Row]:
    yield from served()
    yield from deployed()
    yield redeployed()
    yield unharmed()


def served() -> Iterator[Row]:
    named = {
        "/img/small.png": "a picture of 1 KB",
        "/img/large.png": "a picture of 100 KB",
        "/about.html": "a page of 1 KB",
    }
    how = (
        f"median of {PAIRS} ratios, each of a second of wrk (1 thread, 32 kept connections, over loopback) for one and then the other; "
        "wrk and the servers share this machine's cores, and each writes its access log as it comes, save Caddy, which has none"
    )
    with servers.up() as host:
        for at, name in named.items():
            found: dict[str, list[float]] = {server: [] for server in servers.PORTS}
            for turn in range(PAIRS):
                order = list(servers.PORTS) if turn % 2 else list(servers.PORTS)[::-1]
                for server in order:
                    found[server].append(servers.rate(host, server, at))
            for other, target in (("plain nginx", 0.95), ("Caddy", 1)):
                ratio = statistics.median(a / b for a, b in zip(found["trueup"], found[other], strict=True))
                yield Row.at_least(f"{name}, requests a second", ratio, target, f"× {other}", how)


def deployed() -> Iterator[Row]:
    files = sites.content()
    sites.synchronizing()
    took: dict[str, list[float]] = {"ours": [], "rsync": [], "synchronize": []}
    for turn in range(DEPLOYS):
        with sites.site(HOSTS) as made:
            made.write(files)
            made.fleet.land()
            made.hang_up()
            work = {"ours": made.reconcile, "rsync": made.rsync, "synchronize": made.synchronize}
            for name in list(work) if turn % 2 else list(work)[::-1]:
                took[name].append(seconds(work[name]))
            made.verify(files, sites.SERVED, CHANGED)
            made.verify(files, sites.COPIED)
            made.verify(files, sites.SYNCHRONIZED)
    size = sum(map(len, files.values())) / 1e6
    for name, told in (
        ("rsync", f"{HOSTS} `rsync -a` over ssh at once"),
        ("synchronize", "a playbook of ansible.posix.synchronize, 20 at once"),
    ):
        ratio = statistics.median(a / b for a, b in zip(took["ours"], took[name], strict=True))
        yield Row.at_most(
            f"deploy 1,000 files, {size:.0f} MB, to {HOSTS} hosts", ratio, 1.2, f"× {name}",
            f"median of {DEPLOYS}, fresh hosts each, new connections for all: one walk of the line, from the commit to pages that "
            f"were asked for; {told}; the hosts' files were read after each",
        )  # fmt: skip
    some = dict(list(files.items())[-COPIED_FILES:])
    with sites.site(HOSTS) as made:
        made.write(some)
        copied = seconds(made.copy)
        made.verify(some, sites.COPIED)
    yield Row.at_least(
        "deploy, faster than ansible.builtin.copy", copied * len(files) / COPIED_FILES / statistics.median(took["ours"]), 50, "×",
        f"one run of copy with {COPIED_FILES} of the files ({copied:.0f} s), times {len(files) // COPIED_FILES}: it visits each host "
        "once a file; pipelining, 20 at once",
    )  # fmt: skip


def redeployed() -> Row:
    files = sites.content()
    ratios = []
    with sites.site(HOSTS) as made:
        made.write(files)
        made.fleet.land()
        made.reconcile()
        made.bench.ping()
        for turn in range(REDEPLOYS):
            some = {path: files[path] + b"<!-- %d -->" % turn for path in CHANGED}
            made.write(some)
            made.fleet.land()
            work = (made.reconcile, made.bench.ping)
            took = {one: seconds(one) for one in (work if turn % 2 else work[::-1])}
            made.verify(some, sites.SERVED, CHANGED)
            ratios.append(took[made.reconcile] / took[made.bench.ping])
    return Row.at_most(
        f"redeploy with 3 changed files of 1,000, to {HOSTS} hosts", statistics.median(ratios), 1.3, "× ping",
        f"median of {REDEPLOYS} in turn with `ansible all -m ping`, both over open connections: one walk of the line, from the "
        "commit to pages that were asked for; the hosts were read after each",
    )  # fmt: skip


def unharmed() -> Row:
    with lab.up(1) as hosts:
        (host,) = hosts
        clear(host)
        seen = under_load(Place(host), switches=100, visitors=12)
    asked = seen["fresh"] + seen["kept"]
    return Row.at_most(
        "requests failed in 100 releases under load", seen["failed"], 0, "requests",
        f"of {asked:,} by 12 visitors, {seen['fresh']:,} on new connections; each got one release or the other, whole; what nginx "
        f"closed while it was idle was asked anew, {seen['reopened']:,} times",
    )  # fmt: skip
