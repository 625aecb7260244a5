"""What Linux offers and Python's standard library of 3.8 doesn't: syncfs(2), renameat2(2), unshare(2), mount(2)."""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:  # not imported on hosts: it would cost each of them milliseconds
    from typing import Any

CLONE_NEWNS = 0x20000
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
RENAME_EXCHANGE = 2
FORBIDDEN = 97
"""Exit code of a child that may not have mounts of its own."""


def _c() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _must(code: int) -> None:
    if code != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def syncfs(fd: int) -> None:
    """Everything written to the file system of `fd` lasts from now on, or OSError."""
    _must(_c().syncfs(fd))


def exchange(folder: int, one: str, other: str) -> None:
    """Two names of a folder trade places in one step. OSError where the file system or the C library can't."""
    try:
        call = _c().renameat2
    except AttributeError:  # glibc before 2.28
        raise OSError("the C library has no renameat2") from None
    _must(call(folder, os.fsencode(one), folder, os.fsencode(other), RENAME_EXCHANGE))


def private_mounts() -> None:
    """From now on what this process mounts is seen by it and its children alone. OSError where that isn't permitted."""
    c = _c()
    _must(c.unshare(CLONE_NEWNS))
    _must(c.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))


def mount_empty(path: str) -> None:
    """An empty folder in memory over `path`."""
    _must(_c().mount(b"tmpfs", os.fsencode(path), b"tmpfs", 0, b"size=64k,mode=755"))


def mount_over(fd: int, path: str) -> None:
    """The folder of `fd`, which may be hidden by a mount by now, over `path`."""
    _must(_c().mount(b"/proc/self/fd/%d" % fd, os.fsencode(path), None, MS_BIND, None))
