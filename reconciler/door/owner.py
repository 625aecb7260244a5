"""Root, as the user whose the state is: what root wrote there would be root's, and the daemon could not open it any more."""

from __future__ import annotations

import ctypes
import os
import pwd
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PR_SET_DUMPABLE = 4
"""prctl(2)."""


def owner(folder: Path) -> int:
    """Whose `folder` is: a uid; ours where it is not there yet, or can't be looked at."""
    try:
        return folder.stat().st_uid
    except OSError:
        return os.geteuid()


def name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@contextmanager
def acting(folder: Path) -> Iterator[None]:
    """While the block runs, root is the user whose `folder` is, its programs and its HOME too; anybody else stays who he is.

    The saved uid stays root's, as credentials(7) has it, so that there is a way back. The whole process changes: no other
    thread may be at work.
    """
    uid = owner(folder)
    if os.geteuid() != 0 or uid == 0:
        yield
        return
    groups, home = os.getgroups(), os.environ.get("HOME", "/root")
    gid = _joined(folder, uid)
    os.setresgid(gid, gid, 0)
    os.setresuid(uid, uid, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        os.setgroups(groups)
        _at_home(home)


def become(folder: Path) -> None:
    """As `acting`, for good: whatever visits hosts hands programs files by /proc/PID/fd, which the kernel shuts where a way
    back to root is left (ptrace(2), access mode checking)."""
    uid = owner(folder)
    if os.geteuid() != 0 or uid == 0:
        return
    gid = _joined(folder, uid)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    # It shuts it after any change of uid, too, until the next execve(2) or this.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


def _joined(folder: Path, uid: int) -> int:
    """Take the groups and the home of the user; gives its own group."""
    try:
        account = pwd.getpwuid(uid)
        gid, groups, home = account.pw_gid, os.getgrouplist(account.pw_name, account.pw_gid), account.pw_dir
    except KeyError:  # a uid without a name, as in a container
        gid = folder.stat().st_gid
        groups, home = [gid], "/"
    _at_home(home)
    os.setgroups(groups)
    return gid


def _at_home(folder: str) -> None:
    os.environ["HOME"] = folder
    if "pygit2" in sys.modules:
        from ..repo import at_home

        at_home(folder)


__all__ = ["acting", "become", "name_of", "owner"]
