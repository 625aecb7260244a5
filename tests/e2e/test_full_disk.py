"""No room under the state: the daemon says so to whoever asks, changes nothing, and goes on when there is room again."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lab import Fleet

MADE = 'kind: File\nmetadata: {name: /etc/made.conf}\nspec: {hosts: all, content: "%s\\n"}\n'


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def until(what: Callable[[], bool], limit: float = 60) -> None:
    end = time.monotonic() + limit
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def test_a_full_disk_is_said_and_mended_by_itself(make_fleet: Callable[..., Fleet]) -> None:
    made = make_fleet(1)
    disk = made.folder / "disk"
    with small_disk(disk, "64m"):
        fleet = replace(made, settings={**made.settings, "TRUEUP_DATABASE": str(disk / "state.duckdb")})
        host = fleet.hosts[0]
        fleet.write("made.yaml", MADE % "before")
        with fleet.serve():
            fleet.trueup("wait", fleet.land())
            with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
                while True:
                    filler.write(b"\0" * 4096)
            fleet.write("made.yaml", MADE % ("after" + "x" * 200_000))
            fleet.land()
            until(lambda: "state-full" in fleet.log.read_text())
            told = fleet.trueup("pause", "all", "--why", "to write", expect=1, timeout=60)
            assert "error[state-full]" in told.stderr and "next: " in told.stderr
            assert host.read("/etc/made.conf").startswith("before"), "what can't be written down first is not done"
            assert "Traceback" not in fleet.log.read_text()
            (disk / "filler").unlink()
            fleet.trueup("sync")
            until(lambda: host.read("/etc/made.conf").startswith("after"))
            fleet.trueup("wait")
            assert fleet.trueup("state", "verify").returncode == 0
            assert fleet.trueup("plan", expect=0)


def test_a_read_only_disk_is_said_at_the_start(make_fleet: Callable[..., Fleet]) -> None:
    made = make_fleet(1)
    disk = made.folder / "disk"
    with small_disk(disk, "64m"):
        fleet = replace(made, settings={**made.settings, "TRUEUP_DATABASE": str(disk / "state.duckdb")})
        fleet.land()
        fleet.apply()
        before = (disk / "state.duckdb").read_bytes()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for words in (("status",), ("serve", "--repo", str(fleet.bare)), ("state", "compact")):
            told = fleet.trueup(*words, expect=1)
            assert "error[state-read-only]" in told.stderr and "next: " in told.stderr, (words, told.stderr)
        assert (disk / "state.duckdb").read_bytes() == before
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert fleet.trueup("plan", expect=0)
