"""Runs kills.py in a process of its own: it forks, which a process with threads should not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
AT_LEAST = 50
"""Points that a round has; that there are fewer would mean that they are not heard of."""


def killed_at(folder: Path, *words: str) -> tuple[set[str], list[dict[str, Any]]]:
    """Names of all points, and what came of each that was tried."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.kills", str(folder / "kills"), *words],
        cwd=ROOT, capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    listed, *tried = [json.loads(line) for line in done.stdout.splitlines()]
    assert listed["points"] >= AT_LEAST
    return set(listed["names"]), tried
