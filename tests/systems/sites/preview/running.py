"""`trueup site preview` as a process, and what it said."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.fleet import TRUEUP
from tests.systems.sites.rules.server import Reply, ask


class Preview:
    def __init__(self, process: subprocess.Popen[str], said: Path) -> None:
        self.process, self._said = process, said
        self.port = int(self.wait(r"http://127\.0\.0\.1:(\d+)/")[1])

    @property
    def said(self) -> str:
        return self._said.read_text()

    def wait(self, pattern: str) -> re.Match[str]:
        until = time.monotonic() + 30
        while True:
            found = re.search(pattern, self.said)
            if found:
                return found
            assert self.process.poll() is None and time.monotonic() < until, self.said
            time.sleep(0.02)

    def comes(self, target: str, body: bytes) -> bool:
        """Whether it answers with this soon: a look costs at most a tenth of the time, so a change waits where one is slow."""
        until = time.monotonic() + 30
        while (known := self.get(target).body) != body:
            assert time.monotonic() < until, known
            time.sleep(0.02)
        return True

    def get(self, target: str, host: str = "localhost", **headers: str) -> Reply:
        return ask(self.port, "GET", target, host, {k.replace("_", "-"): v for k, v in headers.items()})


@contextmanager
def previewing(where: Path, *words: str, **variables: str) -> Iterator[Preview]:
    """`trueup site preview WORDS` run in the folder `where`; what stands in server.yaml beside that holds."""
    with tempfile.TemporaryDirectory() as kept:
        yield from _previewing(where, Path(kept) / "said.txt", words, variables)


def _previewing(where: Path, said: Path, words: tuple[str, ...], variables: dict[str, str]) -> Iterator[Preview]:
    with said.open("w") as out:
        process = subprocess.Popen(
            [str(TRUEUP), "site", "preview", *words, "--port", "0"],
            cwd=where,
            env={**outside_of_the_machine(), "TRUEUP_CONFIG": str(where.parent / "server.yaml"), **variables},
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        yield Preview(process, said)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0, said.read_text()
        assert "Traceback" not in said.read_text()


def refused(where: Path, *words: str) -> str:
    """What a preview that doesn't come to serve anything says."""
    done = subprocess.run(
        [str(TRUEUP), "site", "preview", *words],
        cwd=where,
        env={**outside_of_the_machine(), "TRUEUP_CONFIG": str(where.parent / "server.yaml")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stdout
    return done.stderr


def outside_of_the_machine() -> dict[str, str]:
    """The environment without settings of trueup's own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TRUEUP_")}
