"""A World over the small fleet of tests/store: a real state file, no Git, no hosts."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from reconciler.core.model import Desired, Present
from reconciler.settings import Settings
from reconciler.store import DuckStore
from tests.store.worlds import COMMIT, KINDS, NOW, desired, meaning, report, spread

RED = meaning({"colour": "red"})


class NoGit:
    """A repository of one commit, whose author nobody knows."""

    def tip(self) -> str:
        return COMMIT.id


class SmallWorld:
    """What the door's questions need of a World."""

    def __init__(self, folder: Path, hosts: int = 3) -> None:
        self.settings = Settings(state_dir=folder / "state", run_dir=folder / "run")
        self.kinds = KINDS
        self.repo = NoGit()
        self.store = DuckStore(self.settings.database, KINDS)
        names = [f"web-{number}" for number in range(1, hosts + 1)]
        self.desired = desired(names, spread("Lamp", "hall", names, same=RED), spread("Lamp", "attic", names, same=RED))
        self.closed = False
        self.refusal = ()
        self.fetch_trouble = ""
        self.outside = None
        self.looks_again = True
        self.turn = threading.RLock()
        for name in names:
            seen = {("Lamp", "hall"): Present({"colour": "red"}), ("Lamp", "attic"): Present({"colour": "red"})}
            self.store.took(report(name, seen), self.desired, NOW)
        self.store.holding(COMMIT, "tree", (), NOW)

    def now(self) -> float:
        return NOW + 60

    def newest(self) -> str:
        return COMMIT.id

    def read(self, rev: str) -> tuple[Any, Any]:
        wanted: Desired = self.desired
        files = SimpleNamespace(commit=COMMIT, read=lambda path: b"a: 1\n" * 9, author=lambda path, line: COMMIT)
        return files, SimpleNamespace(desired=wanted, problems=())

    def close(self) -> None:
        self.closed = True
        self.store.close()
