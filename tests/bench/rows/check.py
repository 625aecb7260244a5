"""`trueup check` of 1,000 manifests, a cold process: what an editor, a pull request and a push wait for."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..table import Row, seconds

HEAD = "apiVersion: trueup.dev/v1\nkind: {}\nmetadata:\n  name: {}\n"


def write(folder: Path) -> None:
    """A fleet of 200 hosts and 800 files, one document a file."""
    (folder / "trueup.yaml").write_text(HEAD.format("Fleet", "bench") + "spec: {mode: enforce}\n")
    for n in range(200):
        role = "web" if n % 2 else "db"
        text = HEAD.format("Host", f"h-{n}") + f"  labels: {{role: {role}}}\nspec: {{address: 10.0.0.{n}}}\n"
        (folder / f"h{n}.yaml").write_text(text)
    for n in range(800):
        spec = f'  hosts: role=web\n  path: /srv/f{n}\n  content: |\n    hello\n    world\n  mode: "0644"\n'
        (folder / f"f{n}.yaml").write_text(HEAD.format("File", f"f-{n}") + "spec:\n" + spec)


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="trueup-bench-") as name:
        write(Path(name))
        command = [str(Path(sys.executable).parent / "trueup"), "check", name]
        times = [seconds(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(5)]
    yield Row.at_most(
        "check of 1,001 files", statistics.median(times), 1.0, "s", "median of 5 cold processes, nothing cached"
    )
