"""20 hosts × 50 resources, first apply: mitogen, pyinfra and plain ansible-playbook, each from a venv of its own below
build/peers, and ours just before each, on fresh hosts; the hosts are read after every contender."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from functools import partial

from ..table import Row, seconds
from ..work import CORE, FORKS, Bench, bench, peer, wanted

HOSTS, RESOURCES = 20, 50


def mitogen(fresh: Bench) -> None:
    programs = peer("mitogen", CORE, "mitogen==0.3.54")
    strategies = next(programs.parent.glob("lib/*/site-packages/ansible_mitogen/plugins/strategy"))
    more = {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(strategies)}
    fresh.run([str(programs / "ansible-playbook"), "-i", str(fresh.inventory), str(fresh.playbook())], **more)


def pyinfra(fresh: Bench) -> None:
    inventory, deploy = fresh.deploy()
    programs = peer("pyinfra", "pyinfra==3.10")
    fresh.run([str(programs / "pyinfra"), "-y", "--parallel", str(FORKS), str(inventory), str(deploy)])


def playbook(fresh: Bench) -> None:
    programs = peer("ansible", CORE)
    fresh.run([str(programs / "ansible-playbook"), "-i", str(fresh.inventory), str(fresh.playbook())])


CONTENDERS: tuple[tuple[str, Callable[[Bench], None], float, int], ...] = (
    ("mitogen (mitogen_linear)", mitogen, 4, 3),
    ("pyinfra", pyinfra, 10, 1),
    ("ansible-playbook", playbook, 30, 1),
)
"""Name, work, how many times faster ours must be, runs (one where a run takes a minute)."""


def rows() -> Iterator[Row]:
    peer("mitogen", CORE, "mitogen==0.3.54")
    peer("pyinfra", "pyinfra==3.10")
    peer("ansible", CORE)
    for name, work, target, runs in CONTENDERS:
        ratios = []
        for _ in range(runs):
            ours = []
            for _ in range(1 if runs > 1 else 3):
                with bench(HOSTS, wanted(RESOURCES)) as fresh:
                    fresh.ready()
                    ours.append(seconds(fresh.apply))
                    fresh.verify()
            with bench(HOSTS, wanted(RESOURCES)) as fresh:
                theirs = seconds(partial(work, fresh))
                fresh.verify()
            ratios.append(theirs / statistics.median(ours))
        yield Row.at_least(
            f"faster than {name}", statistics.median(ratios), target, "×",
            f"{'median of 3' if runs > 1 else 'one run of theirs, the median of 3 of ours'}; first apply on fresh hosts, "
            f"{FORKS} at once, the same kex, pipelining; all hosts were read after each",
        )  # fmt: skip
