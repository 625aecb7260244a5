"""`trueup check` names the biggest files of a site, in a folder and in a commit, and reads no picture for it."""

from __future__ import annotations

import json
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


def test_a_picture_of_two_megabytes_is_named(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet"
    (fleet / "public").mkdir(parents=True)
    (fleet / "trueup.yaml").write_text(
        "apiVersion: trueup.dev/v1\nkind: Fleet\nmetadata: {name: f}\nspec: {mode: observe}\n"
    )
    (fleet / "hosts.yaml").write_text(
        "apiVersion: trueup.dev/v1\nkind: Host\nmetadata: {name: h}\nspec: {address: 192.0.2.1}\n"
    )
    (fleet / "docs.yaml").write_text(SITE)
    (fleet / "public/index.html").write_text("<h1>one</h1>\n")
    (fleet / "public/hero.png").write_bytes(os.urandom(2_000_000))
    (fleet / "public/film.mp4").write_bytes(bytes(9_000_000))
    assert _warnings(fleet) == [("public/hero.png", "heavy-files")]
    for words in (("init", "-q"), ("add", "."), ("-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-qm", "x")):
        subprocess.run(["git", *words], cwd=fleet, check=True)
    assert _warnings(fleet, "--rev", "HEAD") == [("public/hero.png", "heavy-files")]


def _warnings(fleet: Path, *words: str) -> list[tuple[str, str]]:
    done = subprocess.run(
        [sys.executable, "-c", "from reconciler.cli import main; main()", "check", str(fleet), "--format", "json", *words],
        capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "TRUEUP_STATE_DIR": str(fleet.parent / "state"), "TRUEUP_CONFIG": "/dev/null"},
    )  # fmt: skip
    return [(told["path"], told["code"]) for told in json.loads(done.stdout)]
