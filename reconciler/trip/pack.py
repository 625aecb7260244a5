"""Contents as they travel to hosts' stores, made once for all hosts of a run: files of items (host/blobs.py reads them).

An item is a head and its bytes. What goes as it is lies in one file in the run's folder, each content read when the
first host turns out to lack it. What goes packed is a file of its own below state_dir/cache, kept for later runs: packing
takes a while. A packed form that saves less than a tenth is not worth its file on every host; an empty file remembers that.

What is packed by gzip brings the content too, which the host unpacks. Brotli's form it can't unpack, and so not judge by the
content's id: it comes by itself, after the SHA-256 of its bytes.
"""

from __future__ import annotations

import hashlib
import os
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..core.model import PACKINGS
from . import packing

ITEM = struct.Struct(">20sBQQQQ")
"""As in host/blobs.py: id, form, offset, bytes that follow, bytes of the whole form, bytes of the content."""
PIECE = 15 * 1024 * 1024
"""Bytes of a form that go in one item at most; a bigger one goes in several."""
KEPT = 30 * 86400.0
"""Seconds that a packed form stays in the cache after its last use."""
MOST_KEPT = 1024 * 1024 * 1024
"""Bytes of the cache; the longest unused go first."""
THREADS = 2
GZIP, BROTLI = 1, 2
"""Forms; 0 is the content as it is."""
ENDINGS = {GZIP: "", BROTLI: ".br"}
"""Of names in the cache, behind the id."""

Part = tuple[str, int, int]
"""Path, offset, length."""


@dataclass(frozen=True)
class Item:
    part: Part
    """Its head and its bytes."""
    form: int
    end: int
    """Bytes of the form when this item has come too."""


class Pack:
    """`read` gives the bytes of a blob id; what it raises comes out of `items`. Safe for threads."""

    def __init__(self, path: Path, cache: Path, read: Callable[[str], bytes]) -> None:
        self._path, self._cache, self._read = path, cache, read
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._size = 0
        self._lock = threading.Lock()
        self._made: dict[tuple[str, int], Future[tuple[Item, ...]]] = {}
        self._distrusted: set[str] = set()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="pack")

    def items(self, blob: str, form: int) -> Future[tuple[Item, ...]]:
        """The items of a form, being made; none where a packed form is not worth it."""
        with self._lock:
            if (blob, form) not in self._made:
                self._made[blob, form] = (
                    self._pool.submit(self._packed, blob, form) if form else self._pool.submit(self._as_it_is, blob)
                )
            return self._made[blob, form]

    def ahead(self, blob: str, form: int) -> None:
        """Begin with a packed form that no run has made yet."""
        if not (self._cache / (blob + ENDINGS[form])).exists():
            self.items(blob, form)

    def distrust(self, blob: str) -> None:
        """A host says that this content came altered: don't use its packed forms in a later run. Until this one ends, they
        are being sent to others, who say the same."""
        with self._lock:
            self._distrusted.add(blob)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        os.close(self._fd)
        for blob in self._distrusted:
            for ending in ENDINGS.values():
                (self._cache / (blob + ending)).unlink(missing_ok=True)
        if any(form for _, form in self._made):
            self._prune()

    def _as_it_is(self, blob: str) -> tuple[Item, ...]:
        data = self._read(blob)
        found = []
        for head, start, length in _heads(blob, 0, len(data), len(data)):
            whole = len(head) + length
            with self._lock:
                offset = self._size
                self._size += whole
            _write(self._fd, [head, memoryview(data)[start : start + length]], offset)
            found.append(Item((str(self._path), offset, whole), 0, start + length))
        return tuple(found)

    def _packed(self, blob: str, form: int) -> tuple[Item, ...]:
        path = self._cache / (blob + ENDINGS[form])
        known = _read_back(path, blob, form)
        if known is None:
            self._pack(path, blob, form)
            known = _read_back(path, blob, form) or ()
        with suppress(OSError):
            os.utime(path)
        return known

    def _pack(self, path: Path, blob: str, form: int) -> None:
        data = self._read(blob)
        packed = packing.packed(data, PACKINGS[form - 1])
        if packed and form == BROTLI:
            packed = hashlib.sha256(packed).digest() + packed
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            if packed:
                for head, start, length in _heads(blob, form, len(packed), len(data)):
                    file.write(head)
                    file.write(memoryview(packed)[start : start + length])
        part.rename(path)

    def _prune(self) -> None:
        found = []
        for path in self._cache.iterdir():
            with suppress(FileNotFoundError):
                state = path.stat()
                found.append((state.st_mtime, state.st_size, path))
        left, oldest = MOST_KEPT, time.time() - KEPT
        for used, size, path in sorted(found, reverse=True):
            left -= size
            if left < 0 or used < oldest:
                path.unlink(missing_ok=True)


def _heads(blob: str, form: int, stored: int, size: int) -> list[tuple[bytes, int, int]]:
    """Head, start and length of each item of a form of `stored` bytes."""
    raw = bytes.fromhex(blob)
    spans = [(start, min(PIECE, stored - start)) for start in range(0, stored, PIECE)] or [(0, 0)]
    return [(ITEM.pack(raw, form, start, length, stored, size), start, length) for start, length in spans]


def _read_back(path: Path, blob: str, form: int) -> tuple[Item, ...] | None:
    """The items in a file of the cache; None when there is none, or it isn't whole."""
    try:
        with path.open("rb") as file:
            whole = os.fstat(file.fileno()).st_size
            found, offset, end = [], 0, 0
            while offset < whole:
                raw, of, start, length, stored, _ = ITEM.unpack(os.pread(file.fileno(), ITEM.size, offset))
                if (raw.hex(), of, start) != (blob, form, end):
                    return None
                end = start + length
                found.append(Item((str(path), offset, ITEM.size + length), form, end))
                offset += ITEM.size + length
            return tuple(found) if not found or (offset == whole and end == stored) else None
    except (OSError, struct.error):
        return None


def _write(fd: int, parts: list[bytes | memoryview], offset: int) -> None:
    for part in parts:
        view = memoryview(part)
        while view:
            done = os.pwrite(fd, view, offset)
            view, offset = view[done:], offset + done
