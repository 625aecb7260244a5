"""What a newcomer reads in a fresh clone, before anything is configured: each message leads on."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The example repository as one commit; nothing of it is configured anywhere."""
    made = tmp_path / "fleet"
    shutil.copytree(PROJECT / "example-repo", made)
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "--all"], [*who, "commit", "-qm", "all"]):
        subprocess.run(["git", *words], cwd=made, check=True)
    return made


def trueup(clone: Path, *words: str) -> subprocess.CompletedProcess[str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("TRUEUP_")}
    folder = clone.parent
    mine |= {"TRUEUP_STATE_DIR": f"{folder}/state", "TRUEUP_RUN_DIR": f"{folder}/run"}
    program = PROJECT / ".venv/bin/trueup"
    return subprocess.run([str(program), *words], cwd=clone, env=mine, capture_output=True, text=True, check=False)


def test_an_empty_playbook_says_why_and_what_next(clone: Path) -> None:
    done = trueup(clone, "plan", "--format", "playbook")
    assert done.returncode == 2
    assert done.stdout.endswith("# It is empty: 3 of 3 hosts were never looked at; next: trueup observe.\n---\n[]\n")


@pytest.mark.parametrize("command", ["observe", "apply", "status"])
def test_the_clone_at_hand_is_offered_where_no_repository_is_configured(clone: Path, command: str) -> None:
    done = trueup(clone, command)
    assert done.returncode == 1
    assert "no repository is configured" in done.stderr
    assert f"TRUEUP_REPO={clone} trueup" in done.stderr
