"""A small fleet with one site in a folder, and the command that is asked about it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SITE = """\
apiVersion: trueup.dev/v1
kind: Site
metadata: {name: docs}
spec: {hosts: all, domains: [docs.example.com], from: {folder: public}}
"""


def fleet_in(folder: Path) -> Path:
    (folder / "public").mkdir(parents=True)
    (folder / "trueup.yaml").write_text(
        "apiVersion: trueup.dev/v1\nkind: Fleet\nmetadata: {name: f}\nspec: {mode: observe}\n"
    )
    (folder / "hosts.yaml").write_text(
        "apiVersion: trueup.dev/v1\nkind: Host\nmetadata: {name: h}\nspec: {address: 192.0.2.1}\n"
    )
    (folder / "docs.yaml").write_text(SITE)
    (folder / "public/index.html").write_text("<h1>one</h1>\n")
    return folder


def trueup(fleet: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from reconciler.cli import main; main()", *words],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "TRUEUP_STATE_DIR": str(fleet.parent / "state"), "TRUEUP_CONFIG": "/dev/null"},
    )  # fmt: skip
