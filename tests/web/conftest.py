"""The page, served for real, over a real state file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import simulated

from reconciler.web import serve
from reconciler.web.page import app


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[simulated.Fleet]:
    made = simulated.STORIES["full"](tmp_path_factory.mktemp("fleet") / "full")
    yield made
    made.close()


@pytest.fixture(scope="module")
def page(fleet: simulated.Fleet) -> Iterator[httpx.Client]:
    served = serve.run(app(fleet.world), "127.0.0.1:0")
    with httpx.Client(base_url=served.url, timeout=20) as client:
        yield client
    served.close()
