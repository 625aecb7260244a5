"""What a run has that nobody else may read: its folder, its files in memory, its pipes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..settings import Settings


class MemoryFile:
    """Bytes that other processes of the same user can read by path, while this process lives."""

    def __init__(self, name: str) -> None:
        self._fd = os.memfd_create(name, os.MFD_CLOEXEC)
        os.fchmod(self._fd, 0o600)
        self._size = 0

    @property
    def path(self) -> str:
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def add(self, data: bytes) -> tuple[str, int, int]:
        """Append; gives path, offset and length."""
        offset, view = self._size, memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        self._size += len(data)
        return self.path, offset, len(data)

    def close(self) -> None:
        os.close(self._fd)


class Pipe:
    """A named pipe that gives bytes to the first reader, once, for readers that resolve a path before they open it.
    Nothing of them is ever in a file."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path = path
        os.mkfifo(path, 0o600)
        self._thread = threading.Thread(target=self._serve, args=(data,), name="pipe", daemon=True)
        self._thread.start()

    def _serve(self, data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError), self._path.open("wb") as file:  # waits for the reader
            self._path.unlink()
            file.write(data)

    def close(self) -> None:
        if self._thread.is_alive():  # nobody came: be the reader, so that the thread ends
            with contextlib.suppress(FileNotFoundError):
                os.close(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            self._thread.join(5)


@contextmanager
def folder(settings: Settings) -> Iterator[Path]:
    """A private folder (0700) for one run, removed after it; those that a killed run left are removed first."""
    runs = settings.state_dir / "runs"
    runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(runs)
    path = Path(tempfile.mkdtemp(prefix="run-", dir=runs))
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path
    finally:
        os.close(lock)
        shutil.rmtree(path, ignore_errors=True)


def _sweep(runs: Path) -> None:
    for left in runs.glob("run-*"):
        try:
            fd = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
        except OSError:
            pass  # somebody's run is under way there
        finally:
            os.close(fd)
