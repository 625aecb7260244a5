"""The owner of a process that has Ansible imported and forks a run in milliseconds (collection/warm.py).

A cold ansible-playbook spends half a second on its imports and on the documentation of its plugins, and each of its
workers, one a host, reads some of it again. The process costs 50 MB while its owner lives. It has a private folder (0700)
with a socket, and a small program named ansible-playbook that goes first on the PATH of a run. Nothing depends
on it: where it is missing, dead or asked for other settings, that program starts the real ansible-playbook.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ..settings import Settings
from .private import folder

CLIENT = Path(__file__).with_name("client.py.txt")
PROGRAM = Path(__file__).parent / "collection" / "warm.py"
LONGEST_INTERPRETER = 200
"""Bytes of a `#!` line that every kernel takes (execve(2): 255 since Linux 5.1)."""


@dataclass
class _Alive:
    process: subprocess.Popen[bytes]
    owner: int
    """Our end of the pipe: its closing ends the process."""
    ends: ExitStack


class Warm:
    """Started at the first run, again when it died; ended with `close`, or by the end of this process however it comes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._alive: _Alive | None = None
        self._lock = threading.Lock()
        self._at: Path | None = None
        self._ends = ExitStack()

    @property
    def at(self) -> Path:
        """The private folder, for what Ansible keeps between runs, too; made at the first asking."""
        if self._at is None:
            self._at = self._ends.enter_context(folder(self.settings))
        return self._at

    @property
    def pid(self) -> int:
        """The process; 0 while there is none."""
        return self._alive.process.pid if self._alive is not None else 0

    def ready(self, env: Mapping[str, str]) -> str:
        """The folder that goes first on the PATH of a run with the variables `env` (less those of the run alone), in
        which the process waits or is about to; empty when there can be none."""
        with self._lock:
            try:
                if self._alive is None or self._alive.process.poll() is not None:
                    self._stop()
                    self._alive = self._start(env)
                return str(self.at / "bin")
            except OSError:
                return ""  # no process or no descriptor to be had: the run says so itself, if it is so

    def close(self) -> None:
        with self._lock:
            self._stop()
            self._ends.close()
            self._at = None

    def _start(self, env: Mapping[str, str]) -> _Alive:
        folder = self.at / "bin"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        real = Path(sys.executable).with_name("ansible-playbook")
        head = f"#!{sys.executable} -IS\n"
        if len(head) > LONGEST_INTERPRETER or " " in sys.executable or not real.exists():
            raise FileNotFoundError(real)
        path = folder / "s"
        program = f"{head}SOCKET = {str(path)!r}\nREAL = {str(real)!r}\n{CLIENT.read_text(encoding='utf-8')}"
        client = folder / "ansible-playbook"
        client.write_text(program, encoding="utf-8")
        client.chmod(0o700)
        with ExitStack() as ends, socket.socket(socket.AF_UNIX) as listening:
            at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                listening.bind(f"/proc/self/fd/{at}/{path.name}")  # a socket's own path is short (unix(7))
            finally:
                os.close(at)
            listening.listen(16)
            theirs, ours = os.pipe()
            ends.callback(os.close, ours)
            try:
                process = subprocess.Popen(
                    [sys.executable, "-I", str(PROGRAM), str(listening.fileno()), str(theirs)],
                    env={**env, "PATH": f"{folder}:{env.get('PATH', '')}"},
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    pass_fds=(listening.fileno(), theirs), start_new_session=True, cwd="/",
                )  # fmt: skip
            finally:
                os.close(theirs)
            return _Alive(process, ours, ends.pop_all())

    def _stop(self) -> None:
        if self._alive is None:
            return
        alive, self._alive = self._alive, None
        alive.ends.close()
        try:
            alive.process.wait(5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError):
                alive.process.kill()
            alive.process.wait()
