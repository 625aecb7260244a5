"""What a crash can leave of the file and its write-ahead log, and how it is opened all the same.

DuckDB syncs the log at each commit and replays it up to the last whole transaction, so a log that was merely cut short
opens by itself. A power cut may leave more: a tail that was given its length and not yet its bytes (zeros, or older
bytes), on which DuckDB stops with an error. Nothing of that tail was ever reported as written: it is cut off, and kept
aside. A file that ends before its headers do was being made when the power went; nothing is in it.
"""

from __future__ import annotations

import datetime
import logging
import os
import re
import shutil
from pathlib import Path

import duckdb

LOG = logging.getLogger("trueup.store")

HEADERS = 3 * 4096
"""Bytes before the first block: a main header and two database headers (DuckDB's storage format)."""

_TORN = re.compile(r"replaying WAL file.*entry at byte position (\d+)", re.IGNORECASE | re.DOTALL)

_OF_THE_LOG = re.compile(r"\bWAL\b")
_COMMITTED = re.compile(rb"\x05\0{7}.{8}\x64\0\x64\xff\xff", re.DOTALL)
"""The entry that ends a transaction in the log: its length, its checksum, and the five bytes of it. A log without any
holds nothing that was ever reported as written, whatever else is in it."""

_SHORT = re.compile(r"not a valid duckdb|could not read enough bytes", re.IGNORECASE)


def connect(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the file, mended first where a crash left it torn. Raises duckdb.Error for whatever else is wrong with it."""
    try:
        return _open(path)
    except duckdb.Error as error:
        told = _mended(path, str(error))
        if not told:
            raise
    LOG.warning("%s", told)
    return _open(path)


_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "preserve_insertion_order": "false",
    # What a query leaves free goes back at once: kept for the next one, it adds 20 MB to the most that a plan takes.
    "allocator_flush_threshold": "2MB",
    "allocator_bulk_deallocation_flush_threshold": "2MB",
}


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(path), config=_SETTINGS)


def log_of(path: Path) -> Path:
    """The write-ahead log beside a file, in DuckDB's own naming."""
    return path.with_name(path.name + ".wal")


def aside(path: Path, why: str) -> Path:
    """A name beside `path` that nothing has yet: what is put there stays until somebody takes it away."""
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    wanted = path.with_name(f"{path.name}.{why}-{stamp}")
    number = 1
    while wanted.exists():
        number += 1
        wanted = path.with_name(f"{path.name}.{why}-{stamp}-{number}")
    return wanted


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` last."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _cut_at(log: Path, words: str) -> int | None:
    """How many bytes of the log may be kept; None when it isn't torn, or not there."""
    if not log.exists():
        return None
    if torn := _TORN.search(words):
        return int(torn[1])
    # Torn in its first entry, which says whose log it is and has no checksum: DuckDB can't tell it from damage.
    if _OF_THE_LOG.search(words) and not _COMMITTED.search(log.read_bytes()):
        return 0
    return None


def _mended(path: Path, words: str) -> str:
    """What was done, in a sentence; empty when nothing could be."""
    log = log_of(path)
    torn = _cut_at(log, words)
    if torn is not None:
        kept = aside(log, "torn")
        shutil.copyfile(log, kept)
        os.chmod(kept, 0o600)
        with log.open("r+b") as file:
            lost = os.fstat(file.fileno()).st_size - torn
            file.truncate(torn)
            os.fsync(file.fileno())
        sync_folder(path.parent)
        return (
            f"the state's log ended in {lost} bytes that were never written whole (a power cut?): opened as it was before "
            f"them. Pauses and approvals of that last moment are to be given again; hosts are read again. Kept: {kept}"
        )
    if path.exists() and path.stat().st_size < HEADERS and _SHORT.search(words):
        kept = aside(path, "torn")
        os.rename(path, kept)
        if log.exists():
            os.rename(log, log_of(kept))
        sync_folder(path.parent)
        return (
            f"{path} ended before its headers did, so nothing was in it: begun anew. What hosts keep of ownership is read "
            f"back from them. Kept: {kept}"
        )
    return ""


__all__ = ["HEADERS", "aside", "connect", "log_of", "sync_folder"]
