"""How long reading takes: `python -m tests.manifests.bench`. Not a test: prints seconds, judges nothing.

- check: `trueup check` of 1,000 manifests, a cold process, median of five.
- read: 10,000 hosts in 100 files, 50 manifests of which 10 are templates: first reading, the same again, after one edit,
  after one variable of every host.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from reconciler.manifests import load_kinds, read

from .repo import FLEET, MemoryFiles, manifest

ROOT = Path(__file__).parent.parent.parent


def thousand(folder: Path) -> None:
    (folder / "trueup.yaml").write_text(FLEET)
    for number in range(200):
        role = "web" if number % 2 else "db"
        text = f"apiVersion: trueup.dev/v1\nkind: Host\nmetadata:\n  name: h-{number}\n  labels: {{role: {role}}}\nspec:\n  address: 10.0.0.{number}\n"
        (folder / f"h{number}.yaml").write_text(text)
    for number in range(800):
        spec = f'path: /srv/f{number}\ncontent: |\n  hello\n  world\nowner: root\nmode: "0644"\n'
        (folder / f"f{number}.yaml").write_text(manifest("File", f"f-{number}", spec, hosts="role=web"))


def large(variable: str = "one") -> dict[str, str | bytes]:
    files: dict[str, str | bytes] = {"trueup.yaml": FLEET}
    for block in range(100):
        files[f"hosts/{block}.yaml"] = "---\n".join(
            f"apiVersion: trueup.dev/v1\nkind: Host\nmetadata:\n  name: h-{block}-{n}\n  labels: {{role: web, rack: r{n % 7}}}\n"
            f"spec:\n  address: 10.{block}.0.{n}\n  vars: {{v: {variable}-{n}}}\n"
            for n in range(100)
        )
    for number in range(50):
        spec = f"path: /srv/f{number}\n" + (
            "template: true\ncontent: '{{ vars.v }} {{ host }}'\n" if number < 10 else "content: x\n"
        )
        files[f"m/{number}.yaml"] = manifest("File", f"f-{number}", spec)
    return files


def timed(what: str, files: dict[str, str | bytes], cache: dict[str, Any]) -> None:
    started = time.perf_counter()
    reading = read(MemoryFiles(files), load_kinds(), cache=cache)
    print(f"read   {what:<36} {time.perf_counter() - started:6.2f} s   {len(reading.problems)} problems")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        thousand(Path(folder))
        seconds = []
        for _ in range(5):
            started = time.perf_counter()
            subprocess.run([ROOT / ".venv" / "bin" / "trueup", "check", folder], check=True, stdout=sys.stderr)
            seconds.append(time.perf_counter() - started)
        print(f"check  1,001 files, cold process              {statistics.median(seconds):6.2f} s")
    cache: dict[str, Any] = {}
    files = large()
    timed("10,000 hosts x 50, first", files, cache)
    timed("nothing changed", files, cache)
    files["m/20.yaml"] = str(files["m/20.yaml"]).replace("content: x", "content: y")
    timed("one manifest edited", files, cache)
    timed("one variable of all hosts edited", large("two"), cache)


if __name__ == "__main__":
    main()
