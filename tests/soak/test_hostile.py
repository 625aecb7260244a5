"""The tests that send bad input, with thousands of examples each in place of the few hundred of `make test`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = 10_000


@pytest.mark.parametrize(
    "where",
    ["tests/trip/test_hostile_answers.py", "tests/door/test_hostile_questions.py", "tests/web/test_every_url.py"],
)
def test_thousands(where: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", where],
        cwd=ROOT, env={**os.environ, "TRUEUP_TEST_EXAMPLES": str(EXAMPLES)},
        capture_output=True, text=True, timeout=3600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
