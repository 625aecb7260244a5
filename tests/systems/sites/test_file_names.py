"""Names that no host takes, of files and of sites, are told by `trueup check`, before a push."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.systems.sites.checked import fleet_in, trueup


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (b"a\\b.html", "backslash"),
        (b"a\x01b.html", "control character"),
        (b"\xff.html", "no text"),
        ("/".join("d" * 61).encode() + b"/a.html", "60 folders"),
        (b"/".join([b"n" * 200] * 5) + b"/" + b"n" * 30, "1024 bytes"),
    ],
    ids=["backslash", "control", "latin-1", "deep", "long"],
)
def test_a_name_that_no_host_can_serve_is_an_error(tmp_path: Path, name: bytes, why: str) -> None:
    fleet = fleet_in(tmp_path / "fleet")
    file = os.fsencode(fleet / "public") + b"/" + name
    os.makedirs(os.path.dirname(file), exist_ok=True)
    Path(os.fsdecode(file)).write_text("x")
    told = trueup(fleet, "check", str(fleet), "--format", "json")
    [problem] = json.loads(told.stdout)
    assert (problem["code"], problem["severity"]) == ("bad-file-name", "error")
    assert why in problem["message"], problem
    assert told.returncode == 1


@pytest.mark.parametrize(
    ("name", "more", "wrong"),
    [
        ("docs.v2_a-b", "", False),
        ("a" * 100, "", False),
        ("a" * 101, "", True),
        ("a" * 58, ", previews: {}", False),
        ("a" * 59, ", previews: {}", True),
        ("a/b", "", True),
        ("-a", "", True),
        ("..", "", True),
        ("ä", "", True),
    ],
)
def test_a_site_whose_name_no_host_takes_is_an_error(tmp_path: Path, name: str, more: str, wrong: bool) -> None:
    fleet = fleet_in(tmp_path / "fleet")
    site = (
        (fleet / "docs.yaml").read_text().replace("name: docs", f"name: '{name}'").replace("public}", "public}" + more)
    )
    (fleet / "docs.yaml").write_text(site)
    found = json.loads(trueup(fleet, "check", str(fleet), "--format", "json").stdout)
    assert ("site-name" in [problem["code"] for problem in found]) is wrong, found
