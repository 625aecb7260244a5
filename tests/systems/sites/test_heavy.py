"""`trueup check` names the biggest files of a site, in a folder and in a commit, and reads no picture for it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.systems.sites.checked import fleet_in, trueup


def test_a_picture_of_two_megabytes_is_named(tmp_path: Path) -> None:
    fleet = fleet_in(tmp_path / "fleet")
    (fleet / "public/hero.png").write_bytes(os.urandom(2_000_000))
    (fleet / "public/film.mp4").write_bytes(bytes(9_000_000))
    assert _warnings(fleet) == [("public/hero.png", "heavy-files")]
    for words in (("init", "-q"), ("add", "."), ("-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-qm", "x")):
        subprocess.run(["git", *words], cwd=fleet, check=True)
    assert _warnings(fleet, "--rev", "HEAD") == [("public/hero.png", "heavy-files")]


def _warnings(fleet: Path, *words: str) -> list[tuple[str, str]]:
    done = trueup(fleet, "check", str(fleet), "--format", "json", *words)
    assert done.returncode == 0, done.stderr
    return [(told["path"], told["code"]) for told in json.loads(done.stdout)]
