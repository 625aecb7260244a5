"""Names for shell completion, in a small file beside the socket: completing a word must never wait for the daemon."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

MOST = 20_000
"""Hosts that are kept: a longer list helps nobody who presses Tab."""


def place(socket: Path) -> Path:
    return socket.with_suffix(".names")


def write(socket: Path, hosts: Iterable[str], kinds: Iterable[str]) -> None:
    """Replace the file whole. Where it can't be written, completion has no names: nothing else is lost."""
    text = json.dumps({"hosts": sorted(hosts)[:MOST], "kinds": sorted(kinds)})
    path = place(socket)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        part.write_text(text, encoding="utf-8")
        part.chmod(0o644)
        part.replace(path)


def read(socket: Path) -> tuple[list[str], list[str]]:
    """Hosts and kinds; empty lists when there is no file, or a broken one."""
    try:
        known = json.loads(place(socket).read_text(encoding="utf-8"))
        return [str(name) for name in known["hosts"]], [str(name) for name in known["kinds"]]
    except (OSError, ValueError, KeyError, TypeError):
        return [], []
