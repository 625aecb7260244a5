"""The way to a path on a host, step by step, so that no symlink leads elsewhere."""

from __future__ import annotations

import errno
import os
import stat
from typing import Optional, Tuple

from .keep import Refused


def open_folder(path: str, make: bool) -> Tuple[int, bool]:
    """A descriptor of the folder, and whether parts of it were made. FileNotFoundError when it is missing."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    at = os.open("/", flags)
    made = False
    gone = ""
    try:
        for part in [part for part in path.split("/") if part]:
            gone += "/" + part
            try:
                inner = os.open(part, flags, dir_fd=at)
            except FileNotFoundError:
                if not make:
                    raise
                os.mkdir(part, 0o755, dir_fd=at)
                inner = os.open(part, flags, dir_fd=at)
                os.fchmod(inner, 0o755)
                made = True
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                    raise
                if stat.S_ISLNK(os.stat(part, dir_fd=at, follow_symlinks=False).st_mode):
                    real = os.path.realpath(gone)
                    raise Refused("%s is a symlink (to %s), nothing is written through it" % (gone, real)) from None
                raise Refused("%s is not a directory" % gone) from None
            os.close(at)
            at = inner
        return at, made
    except BaseException:
        os.close(at)
        raise


def lstat(folder: int, name: str) -> Optional[os.stat_result]:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def open_file(folder: int, name: str, path: str) -> int:
    """A descriptor to read a regular file by; never waits, whatever has taken its place since it was looked at."""
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Refused("%s changed while it was looked at" % path)
    return fd
