"""Races that somebody on the host runs against what root does in his folder."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def swapped(folder: Path) -> Iterator[None]:
    """While the block runs, `way` and `spare` in `folder` change places as fast as can be; both are there before."""
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            for one, other in (("way", "kept"), ("spare", "way"), ("way", "spare"), ("kept", "way")):
                os.rename(folder / one, folder / other)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
