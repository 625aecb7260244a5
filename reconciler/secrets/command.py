"""A command whose output is a secret: bounded in time and size, and nothing of what it says goes anywhere else."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

SECONDS = 10.0
"""How long it may take. A password manager that asks a server answers in one or two; a round must not wait for ever."""


class Failed(Exception):
    """Why there is no value, in words that follow the command's name."""


def output(argv: Sequence[str], environ: Mapping[str, str], *, most: int, seconds: float = SECONDS) -> bytes:
    """What `argv` prints. No shell, no input; its standard error is thrown away, since it may quote the secret.

    Raises Failed when it can't be run, ends with another status than 0, prints more than `most` bytes or takes too long.
    """
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
            start_new_session=True,
        )
    except OSError as error:
        raise Failed(f"can't be run: {error.strerror}") from None
    try:
        return _read(process, time.monotonic() + seconds, most, seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it started as well
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _read(process: subprocess.Popen[bytes], end: float, most: int, seconds: float) -> bytes:
    assert process.stdout is not None
    fd, found = process.stdout.fileno(), bytearray()
    while True:
        ready, _, _ = select.select([fd], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            raise Failed(f"did not end within {seconds:g} s")
        chunk = os.read(fd, 65536)
        if not chunk:
            break
        found += chunk
        if len(found) > most:
            raise Failed(f"prints more than {most:,} bytes")
    try:
        status = process.wait(max(0.0, end - time.monotonic()) + 0.1)
    except subprocess.TimeoutExpired:
        raise Failed(f"did not end within {seconds:g} s") from None
    if status:
        raise Failed(f"ends with status {status}")
    return bytes(found)
