"""A fleet with sites, whose hosts are played (tests/web/simulated.py), and the page served over it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "web"))

import simulated

from reconciler.web import serve
from reconciler.web.page import app

SITE = "hosts: {hosts}\ndomains: [{domains}]\nfrom: {{folder: {folder}}}\n"


def site(name: str, hosts: str, domains: str, folder: str, more: str = "") -> str:
    return simulated.document("Site", name, SITE.format(hosts=hosts, domains=domains, folder=folder) + more)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[simulated.Fleet]:
    """Three hosts, and the sites `blog` on all of them and `shop` on one."""
    made = simulated.Fleet(tmp_path / "fleet")
    hosts = [simulated.document("Host", f"web-{n}", f"address: 192.0.2.{n}", "role: web") for n in (1, 2, 3)]
    made.commit(
        "Two sites",
        {
            "trueup.yaml": simulated.POLICY,
            "hosts.yaml": "---\n".join(hosts),
            "sites.yaml": site("blog", "role=web", "blog.example.org, www.blog.example.org", "blog")
            + "---\n"
            + site("shop", "web-2", "shop.example.org", "shop", "port: 8080\n"),
            "blog/index.html": simulated.page("Blog", "/first"),
            "blog/first.html": simulated.page("First", "/", "/nowhere"),
            "shop/index.html": simulated.page("Shop"),
        },
    )
    made.rounds(2)
    yield made
    made.close()


@pytest.fixture
def client(fleet: simulated.Fleet) -> Iterator[httpx.Client]:
    served = serve.run(app(fleet.world), "127.0.0.1:0")
    with httpx.Client(base_url=served.url, timeout=20) as made:
        yield made
    served.close()
