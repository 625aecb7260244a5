"""Folders by descriptor, so that no planted link leads a write or a deletion elsewhere; and the store of contents.

    /srv/trueup/blobs/ab/cdef…      content by its Git blob id, 0644; `….gz` beside it: the same, packed;
                                    `….SHA-256.br`: packed so that nothing here unpacks it, with the digest of its bytes
    /srv/trueup/sites/NAME/         see op_stage.py

The mtime of a content is made of its id, so that nginx's ETag (mtime and size) is the same on every host.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import stat
import time
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:  # not imported on hosts: it would cost each of them milliseconds
    from typing import Any

HOME = "/srv/trueup"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
CHUNK = 1 << 20
YOUNG = 3600.0
"""Seconds that a content without a release stays: it may have come for one that is being made."""
LAST_SECOND = 0x7FFFFFFF
"""The latest mtime of file systems without more bits (XFS without bigtime): the kernel cuts later ones to it, and two
states of a file would have one ETag."""
SHELF = re.compile(r"[0-9a-f]{2}")
BROTLI = 2
"""Of the forms that a content has here, in which it travels too: as it is (0), gzip (1), brotli."""
ENDINGS = ("", ".gz", ".br")
"""Of a form's name in a release."""
BROTLI_NAME = re.compile(r"([0-9a-f]{38})\.([0-9a-f]{64})\.br")
LOCK_WAIT = 60.0
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
ID = re.compile(r"[0-9a-f]{40}")


class Failure(Exception):
    """Carries what the operator reads."""


def word(value: Any, what: str) -> str:
    """`value` as one name of a folder. Raises Failure for what could lead out of it."""
    if not isinstance(value, str) or not WORD.fullmatch(value):
        raise Failure("%s is no name of a %s" % (ascii(value)[:120], what))
    return value


# ---------------------------------------------------------------- folders


def folder(at: int, name: str, make: bool = False) -> int:
    """A descriptor of the folder `name` in `at`, root's and 0755. FileNotFoundError when it is missing; Failure when a
    link or a file stands there."""
    if make:
        try:
            os.mkdir(name, 0o755, dir_fd=at)
        except FileExistsError:
            pass
    try:
        fd = os.open(name, FOLDER, dir_fd=at)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise Failure(
                "%s is not a folder, and nothing is written through a link: move it away" % where(at, name)
            ) from None
        raise
    there = os.fstat(fd)
    if there.st_uid != 0 or there.st_gid != 0:
        os.fchown(fd, 0, 0)
    if stat.S_IMODE(there.st_mode) != 0o755:
        os.fchmod(fd, 0o755)
    return fd


def home(make: bool = False) -> int:
    """A descriptor of /srv/trueup; what is above it is the host's own and may be a link."""
    above, name = os.path.split(HOME)
    if make:
        os.makedirs(above, mode=0o755, exist_ok=True)
    at = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return folder(at, name, make)
    finally:
        os.close(at)


def where(at: int, name: str) -> str:
    """The path of `name` in a folder, for people."""
    try:
        return os.path.join(os.readlink("/proc/self/fd/%d" % at), name)
    except OSError:
        return name


def native(path: str) -> str:
    """A path as this Python writes it in UTF-8, whatever the host's locale."""
    return os.fsdecode(path.encode("utf-8"))


def told(name: str) -> str:
    """A name as it was given, the other way; what is no UTF-8 is none of ours."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def lock(at: int) -> None:
    """One at a time works on the sites of this host; held until `at` is closed."""
    end = time.monotonic() + LOCK_WAIT
    while True:
        try:
            return fcntl.flock(at, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > end:
                raise Failure("somebody else has worked on this host's sites for a minute") from None
            time.sleep(0.05)


def lstat(at: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=at, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None


def remove_tree(at: int, name: str) -> None:
    """Whatever has this name goes, and all below it; links are taken away, not followed."""
    there = lstat(at, name)
    if there is None:
        return
    if not stat.S_ISDIR(there.st_mode):
        os.unlink(name, dir_fd=at)
        return
    inner = os.open(name, FOLDER, dir_fd=at)
    try:
        for entry in os.listdir(inner):
            remove_tree(inner, entry)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=at)


def write(at: int, name: str, data: bytes) -> None:
    """A new file with this content, 0644, that lasts."""
    fd = os.open(name, MAKE, 0o644, dir_fd=at)
    try:
        os.fchmod(fd, 0o644)
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    finally:
        os.close(fd)


def read(at: int, name: str, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes. OSError when it is none."""
    fd = os.open(name, READ, dir_fd=at)
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_size > most:
            raise OSError(errno.EINVAL, "%s is no file of at most %d bytes" % (name, most))
        parts: list[bytes] = []
        while True:
            part = os.read(fd, CHUNK)
            if not part:
                return b"".join(parts)
            parts.append(part)
    finally:
        os.close(fd)


# ---------------------------------------------------------------- contents


def mtime_of(blob: str, form: int) -> int:
    """Seconds since 1970 that the file of a content has on every host."""
    return int(blob[8 * form : 8 * form + 8], 16) & LAST_SECOND


def dated(info: os.stat_result, mtime: int) -> bool:
    return info.st_mtime == mtime


def holds(fd: int, blob: str, form: int, sha256: str = "") -> bool:
    """Whether an open file holds the content with this Git id: sha1 of `blob SIZE`, NUL, and the bytes. Of gzip's form
    what it unpacks to counts; its last four bytes say how much that is (RFC 1952, ISIZE). Of brotli's form the bytes have
    the digest `sha256`."""
    size = os.fstat(fd).st_size
    unpack = zlib.decompressobj(31) if form == 1 else None
    if form == 1:
        size = int.from_bytes(os.pread(fd, 4, max(0, size - 4)), "little")
    digest = hashlib.sha256() if form == BROTLI else hashlib.sha1(b"blob %d\0" % size)
    left = size
    os.lseek(fd, 0, os.SEEK_SET)
    while True:
        part = os.read(fd, CHUNK)
        if not part:
            well = left == 0 and (unpack is None or unpack.eof)
            return well and digest.hexdigest() == (sha256 if form == BROTLI else blob)
        while part:
            plain = part
            if unpack is not None:
                try:
                    plain = unpack.decompress(part, CHUNK)
                except zlib.error:
                    return False
                part = unpack.unconsumed_tail
            left -= len(plain)
            if left < 0:
                return False
            digest.update(plain)
            if unpack is None or not (part or plain):
                break


class Blobs:
    """The store of contents, and links to them."""

    def __init__(self, at: int) -> None:
        self.at = at
        self._shelves: dict[str, int] = {}
        self._brotli: dict[str, dict[str, str]] = {}
        self._started = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)

    def close(self) -> None:
        for fd in self._shelves.values():
            os.close(fd)
        os.close(self.at)

    def _shelf(self, blob: str) -> int:
        """Raises FileNotFoundError."""
        name = blob[:2]
        if name not in self._shelves:
            self._shelves[name] = folder(self.at, name)
        return self._shelves[name]

    def name(self, blob: str, form: int) -> str:
        """Of a file on its shelf; empty for a brotli form that isn't there. Raises FileNotFoundError where the shelf isn't."""
        if form != BROTLI:
            return blob[2:] + ENDINGS[form]
        if blob[:2] not in self._brotli:
            found = map(BROTLI_NAME.fullmatch, sorted(os.listdir(self._shelf(blob))))
            self._brotli[blob[:2]] = {match.group(1): match.group(0) for match in found if match}
        return self._brotli[blob[:2]].get(blob[2:], "")

    def sha256(self, blob: str, form: int) -> str:
        """The SHA-256 of a brotli form; empty for any other. Raises FileNotFoundError where it isn't."""
        match = BROTLI_NAME.fullmatch(self.name(blob, form))
        return match.group(2) if match else ""

    def sound(self, blob: str, form: int) -> bool:
        """Whether the store has this content as it must be. What was received since the machine started was hashed as it
        came; what no release had when the power was cut is read, since file systems may leave zeros. What somebody
        altered is dropped, so that the next visit brings it anew."""
        try:
            shelf, name = self._shelf(blob), self.name(blob, form)
            fd = os.open(name, READ, dir_fd=shelf)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            os.unlink(name, dir_fd=shelf)
            return False
        try:
            info = os.fstat(fd)
            known = dated(info, mtime_of(blob, form)) and (info.st_nlink > 1 or info.st_ctime > self._started)
            if not (stat.S_ISREG(info.st_mode) and (known or holds(fd, blob, form, self.sha256(blob, form)))):
                remove_tree(shelf, name)
                return False
            settle(fd, info, mtime_of(blob, form))
            return True
        finally:
            os.close(fd)

    def link(self, blob: str, form: int, at: int, path: str) -> None:
        """Another name for the content. A file system ends the links of one file somewhere (ext4 at 65,000): a copy takes
        its place in the store then."""
        shelf, name = self._shelf(blob), self.name(blob, form)
        try:
            os.link(name, path, src_dir_fd=shelf, dst_dir_fd=at, follow_symlinks=False)
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise
            part = name + ".copy"
            remove_tree(shelf, part)
            write(shelf, part, read(shelf, name, 1 << 32))
            os.utime(part, (mtime_of(blob, form),) * 2, dir_fd=shelf, follow_symlinks=False)
            os.rename(part, name, src_dir_fd=shelf, dst_dir_fd=shelf)
            os.link(name, path, src_dir_fd=shelf, dst_dir_fd=at, follow_symlinks=False)

    def drop_if(self, blob: str, form: int, inode: int) -> None:
        """Forget a content that was altered, when it is this inode: a link in a release shares it."""
        try:
            shelf, name = self._shelf(blob), self.name(blob, form)
        except FileNotFoundError:
            return
        there = lstat(shelf, name)
        if there is not None and there.st_ino == inode:
            os.unlink(name, dir_fd=shelf)

    def prune(self) -> int:
        """Remove what no release has had for an hour, and what cut uploads left; gives how many files. By the time of the
        inode's last change: it moves when a release lets go of it."""
        gone, old = 0, time.time() - YOUNG
        for name in filter(SHELF.fullmatch, os.listdir(self.at)):
            try:
                shelf = folder(self.at, name)
            except (OSError, Failure):
                continue
            try:
                for entry in os.listdir(shelf):
                    info = lstat(shelf, entry)
                    if info is not None and stat.S_ISREG(info.st_mode) and info.st_nlink == 1 and info.st_ctime < old:
                        os.unlink(entry, dir_fd=shelf)
                        gone += 1
            finally:
                os.close(shelf)
        return gone


def settle(fd: int, info: os.stat_result, mtime: int) -> None:
    """Owner, mode and time as every host has them; nothing is written where they are."""
    if (info.st_uid, info.st_gid) != (0, 0):
        os.fchown(fd, 0, 0)
    if stat.S_IMODE(info.st_mode) != 0o644:
        os.fchmod(fd, 0o644)
    if not dated(info, mtime):
        os.utime(fd, (mtime, mtime))
