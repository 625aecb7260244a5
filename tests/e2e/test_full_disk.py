"""The state's disk full, or read-only: the daemon says so to whoever asks, changes nothing, and goes on when it can."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx

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


class Disk:
    """A file that is a disk, with ext4 on it as Debian mounts it: after an error it turns read-only (ext4(5)).

    `mount -o remount,ro` would be refused, as it should be: the daemon has files open for writing. An error isn't asked.
    """

    def __init__(self, folder: Path) -> None:
        self.image, self.place = folder / "disk.img", folder / "disk"
        self.place.mkdir()
        with self.image.open("wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(self.image)], check=True)

    def mount(self) -> None:
        words = ["mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.place)]
        subprocess.run(words, check=True)

    def unmount(self, *how: str) -> None:
        subprocess.run(["umount", *how, str(self.place)], check=True)

    def fail(self) -> None:
        """An error, as the kernel meets it on a disk that goes bad (Documentation/ABI/testing/sysfs-fs-ext4)."""
        source = os.path.realpath(f"/sys/dev/block/{os.major(dev := self.place.stat().st_dev)}:{os.minor(dev)}")
        Path(f"/sys/fs/ext4/{Path(source).name}/trigger_fs_error").write_text("a test")
        with contextlib.suppress(OSError):
            (self.place / "probe").touch()
            raise AssertionError("the disk still takes writes")

    def repair(self) -> None:
        """As after a new start of the machine. A copy is mended: lab hosts of others may still have the old one mounted."""
        os.sync()
        copy = self.image.with_suffix(".copy")
        shutil.copyfile(self.image, copy)
        self.image = copy
        done = subprocess.run(["fsck.ext4", "-y", "-f", str(copy)], capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stdout  # e2fsck(8): 1 is "errors corrected"


def test_a_disk_that_turns_read_only_under_the_daemon(make_fleet: Callable[..., Fleet]) -> None:
    """It says so wherever one looks, changes nothing, and says what to do; done so, nothing is lost."""
    made = make_fleet(1)
    disk = Disk(made.folder)
    disk.mount()
    try:
        fleet = replace(made, settings={**made.settings, "TRUEUP_STATE_DIR": str(disk.place / "state")})
        host = fleet.hosts[0]
        fleet.write("made.yaml", MADE % "before")
        with fleet.serve() as daemon:
            page = f"http://{fleet.settings['TRUEUP_LISTEN']}"
            first = fleet.land()
            fleet.trueup("wait", first)
            assert httpx.get(f"{page}/readyz").status_code == 200
            disk.fail()
            fleet.write("made.yaml", MADE % "after")
            second = fleet.land()
            until(lambda: "Nothing is looked at or changed" in fleet.trueup("status", expect=None).stdout)
            told = fleet.trueup("status", expect=None).stdout
            assert "Read-only file system" in told and "umount, fsck, mount" in told
            log = fleet.log.read_text()
            assert log.count("code=state-read-only") == 1 and "umount, fsck, mount" in log, "once, not at every try"
            assert "error[state-read-only]" in fleet.trueup("pause", "all", "--why", "to write", expect=1).stderr
            ready = httpx.get(f"{page}/readyz")
            assert ready.status_code == 503
            wrong = {one["check"]: one["says"] for one in ready.json()["checks"] if not one["ok"]}
            assert wrong.keys() == {"state", "round"} and "Read-only file system" in wrong["state"]
            shown = httpx.get(f"{page}/").text
            assert "Nothing is looked at or changed" in shown and "[state-read-only]" in shown
            (problem,) = httpx.get(f"{page}/index.json").json()["refusal"]
            assert problem["code"] == "state-read-only"
            assert host.read("/etc/made.conf").startswith("before"), "what can't be written down first is not done"
        assert daemon.returncode == 0, "it ends when it is asked to"
        assert "Traceback" not in fleet.log.read_text()
        disk.unmount()
        disk.repair()
        disk.mount()
        assert fleet.trueup("state", "verify").returncode == 0
        with fleet.serve():
            fleet.trueup("wait", second, "--limit", "60")
            assert host.read("/etc/made.conf").startswith("after")
            assert fleet.trueup("plan", expect=0)
            assert "refusal" in fleet.trueup("status", "--format", "json").stdout
            assert "Nothing is looked at" not in fleet.trueup("status").stdout
            assert first[:7] in fleet.trueup("history").stdout
    finally:
        if disk.place.is_mount():
            disk.unmount("-l")
