"""Each wrong input is told once, with its own code, at its own place; and all of them together, in one go."""

from __future__ import annotations

import pytest

from reconciler.core.kind import Kinds
from reconciler.manifests import read
from reconciler.manifests.codes import CODES

from .bad_input import ROWS, Row
from .repo import fleet

ELSEWHERE = {
    "unreadable": "tests/manifests/test_reading.py",
    "kind-failed": "tests/manifests/test_reading.py",
    "bad-observed": "tests/manifests/test_observed.py",
    "impossible-state": "tests/manifests/test_observed.py",
    "same-claim": "tests/manifests/test_reading.py",
    "secret-unreadable": "tests/secrets/test_sources.py",
    "plain-secret": "tests/manifests/test_plain_secrets.py",
    "no-outside": "tests/manifests/test_outside.py",
    "gave-way": "tests/systems/sites/test_previews.py",
}
"""Codes that no file of a repository provokes, and where they are tried."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.why)
def test_told_once_at_its_place(row: Row, kinds: Kinds) -> None:
    reading = read(fleet(row.files), kinds)
    assert sorted(f"{found.place} {found.code}" for found in reading.problems) == sorted(row.told)
    errors = any(found.severity == "error" for found in reading.problems)
    assert (reading.desired is None) == errors


def test_every_code_is_tried() -> None:
    tried = {told.split()[1] for row in ROWS for told in row.told} | set(ELSEWHERE)
    assert set(CODES) - tried == set()


def test_all_are_told_together(kinds: Kinds) -> None:
    """Files that don't get in one another's way, all in one repository: one reading tells every problem."""
    apart = {
        row.why: row
        for row in ROWS
        if set(row.files) == {"a.yaml"} and not any("same-" in told or "cycle" in told for told in row.told)
    }
    names = {why: f"apart/{number}.yaml" for number, why in enumerate(apart)}
    files = {}
    expected = []
    for why, row in apart.items():
        text = row.files["a.yaml"]
        # Each gets a resource name and a path of its own, of the same length, so that places stay.
        number = list(apart).index(why)
        if isinstance(text, str):
            text = text.replace("name: motd", f"name: m{number:03}").replace("/etc/motd", f"/etc/m{number:03}")
            text = text.replace("name: s\n", f"name: s{number:03}\n").replace("sshd_config", f"sshd_{number:03}")
        files[names[why]] = text
        expected += [told.replace("a.yaml", names[why], 1) for told in row.told]
    reading = read(fleet(files), kinds)
    assert sorted(f"{found.place} {found.code}" for found in reading.problems) == sorted(expected)
