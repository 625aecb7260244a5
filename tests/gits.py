"""Real repositories, made by the git command; nothing of the machine's own Git configuration reaches them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


class Git:
    """The git command in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *args: str, env: dict[str, str] | None = None, check: bool = True) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.folder), *args],
            capture_output=True,
            text=True,
            env={**os.environ, **(env or {})},
            timeout=60,
        )
        if check and done.returncode:
            raise AssertionError(f"git {' '.join(args)}: {done.stderr}")
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def commit(self, message: str = "x", author: str = "Ada", **files: str) -> str:
        """Commit `files` (`__` stands for a slash, `_dot_` for a dot) and give the commit's id."""
        for name, text in files.items():
            self.write(name.replace("__", "/").replace("_dot_", "."), text)
        self("add", "-A")
        who = {"GIT_AUTHOR_NAME": author, "GIT_AUTHOR_EMAIL": f"{author.lower()}@example.org"}
        who |= {"GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org"}
        self("commit", "-q", "--allow-empty", "-m", message, env=who)
        return self("rev-parse", "HEAD")


@pytest.fixture(autouse=True)
def own_git_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")


@pytest.fixture
def make_git(tmp_path: Path) -> Callable[..., Git]:
    def make(name: str = "work", *args: str) -> Git:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        git = Git(folder)
        git("init", "-q", "-b", "main", *args)
        return git

    return make


@pytest.fixture
def docs(make_git: Callable[..., Git]) -> Git:
    """The repository of a site's files, empty yet."""
    return make_git("docs")
