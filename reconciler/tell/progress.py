"""How a round goes, for whoever started it at a terminal or in a script: a bar there, a line a wave here, on stderr."""

from __future__ import annotations

import sys
from typing import IO, Any

from ..core.model import Json
from .clean import plural
from .remote_wait import Follow


class Lines:
    """A line a wave, as a push shows them."""

    def __init__(self, out: IO[str] | None = None) -> None:
        self._out = out or sys.stderr
        self._follow = Follow()

    def say(self, event: str, **facts: Json) -> None:
        if event == "looking":
            print(f"trueup: looking at {plural(facts['hosts'], 'host')}", file=self._out, flush=True)
        for line in self._follow.line({"event": event, **facts}):
            print(line, file=self._out, flush=True)

    def close(self) -> None:
        pass


class Bar:
    """A bar a wave. Host names are not shown in it: they come from a repository, and lines would jump."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True, markup=False, highlight=False)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._progress: Any = Progress(*columns, console=console)
        self._task: Any = None
        self._failed = 0

    def say(self, event: str, **facts: Json) -> None:
        match event:
            case "looking":
                self._begin("looking", int(facts["hosts"]))
            case "wave":
                self._begin(f"wave {facts['number']}/{facts['of']}", int(facts["hosts"]))
            case "host" if self._task is not None:
                self._progress.advance(self._task)

    def _begin(self, words: str, total: int) -> None:
        self._progress.start()
        self._task = self._progress.add_task(f"{words:<10}", total=total)

    def close(self) -> None:
        self._progress.stop()


def progress(out: IO[str] | None = None) -> Lines | Bar:
    """The form that fits stderr: a bar on a terminal, lines in a pipe or a log."""
    return Bar() if out is None and sys.stderr.isatty() else Lines(out)
