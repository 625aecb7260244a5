"""This host's store of contents, /srv/trueup/blobs, by their Git id: what is there, and what comes.

A content gets its name when it is whole, is what its id says, and is on the disk. Nothing on the way to the store may be
a link or somebody else's: folders are entered one by one, by descriptor. mtimes come from the id: nginx makes its ETag
of mtime and size, so it is the same on every host.
"""

import ctypes
import errno
import fcntl
import hashlib
import os
import re
import stat
import struct
import time
import zlib
from typing import Any, BinaryIO, Callable, Dict, List, Optional, Tuple

ITEM = struct.Struct(">20sBQQQQ")
"""id, form (0 as it is, 1 gzip, 2 brotli), offset, bytes that follow, bytes of the whole form, bytes of the content."""
BROTLI = 2
"""No Python brings what unpacks this form. The SHA-256 of its bytes comes before them, and stays in the file's name."""
BROTLI_NAME = re.compile(r"([0-9a-f]{38})\.([0-9a-f]{64})\.br")
EMPTY = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
BLOCK = 1 << 20
LAST_SECOND = 0x7FFFFFFF
"""The latest mtime of file systems without more bits (XFS without bigtime): the kernel cuts later ones to it, and two
states of a file would have one ETag."""
BEGUN_KEPT = 7 * 86400.0
NEW_KEPT = 86400.0
WAIT = 60.0
"""Seconds to wait for another visit that receives the same big content."""
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Trouble(Exception):
    def __init__(self, code: str, why: str) -> None:
        Exception.__init__(self, why)
        self.code = code


class Cut(Exception):
    """The connection ended before all had come."""


class Store:
    def __init__(self) -> None:
        self.path = ""
        self.at = os.open("/", FOLDER)
        for name in ("srv", "trueup", "blobs"):
            self.path += "/" + name
            self.at = enter(self.at, name, self.path)
        self.folders: Dict[str, int] = {}
        self.brotli: Dict[str, Dict[str, str]] = {}
        """Of folders that were looked through: rest of an id → name of its brotli form."""
        self.pending: List[Tuple[str, int, str]] = []
        """Name in `new`, and where it goes once it is on the disk."""
        self.new: Optional[int] = None
        self.count = 0

    def folder(self, name: str) -> int:
        if name not in self.folders:
            self.folders[name] = enter(self.at, name, self.path + "/" + name)
        return self.folders[name]

    def brotli_names(self, name: str) -> Dict[str, str]:
        if name not in self.brotli:
            found = map(BROTLI_NAME.fullmatch, sorted(os.listdir(self.folder(name))))
            self.brotli[name] = {match.group(1): match.group(0) for match in found if match}
        return self.brotli[name]

    def name(self, blob: str, form: int) -> str:
        """The name of a file in its folder; empty for a brotli form that isn't there."""
        if form == BROTLI:
            return self.brotli_names(blob[:2]).get(blob[2:], "")
        return blob[2:] + (".gz" if form else "")

    # ---- what is here

    def has(self, blob: str, form: int, doubted: bool = False) -> bool:
        name = self.name(blob, form)
        try:
            fd = os.open(
                name,
                os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC,
                dir_fd=self.folder(blob[:2]),
            )
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):
                return False
            raise
        try:
            known = os.fstat(fd)
            if not stat.S_ISREG(known.st_mode) or known.st_uid != 0 or (known.st_size == 0 and blob != EMPTY):
                return False
            second = mtime(blob, form)
            as_made = known.st_mtime_ns // 10**9 == second
            if not doubted and as_made and stat.S_IMODE(known.st_mode) == 0o644 and known.st_gid == 0:
                return True
            # Somebody touched it: it is ours again if it still is what its name says.
            if not (packed_right(fd, name) if form else self.right(fd, blob, known.st_size)):
                return False
            os.fchown(fd, 0, 0)
            os.fchmod(fd, 0o644)
            os.utime(fd, (second, second))
            return True
        finally:
            os.close(fd)

    def right(self, fd: int, blob: str, size: int) -> bool:
        made = git_hash(size)
        while True:
            data = os.read(fd, BLOCK)
            if not data:
                return bool(made.hexdigest() == blob)
            made.update(data)

    def begun(self, blob: str, form: int) -> int:
        """Bytes that are here of a content that comes in several visits' worth."""
        try:
            return os.stat(".begun/" + blob + ".%d" % form, dir_fd=self.at, follow_symlinks=False).st_size
        except OSError:
            return 0

    # ---- what comes

    def take(self, stdin: BinaryIO) -> None:
        """One item. Raises Trouble when it is not what its id says."""
        raw, form, offset, length, stored, size = ITEM.unpack(exact(stdin, ITEM.size))
        blob = raw.hex()
        if offset == 0 and length == stored:
            if form:
                self.keep(blob, form, size, exact(stdin, length))
            else:
                name, fd = self.temporary()
                try:
                    made = git_hash(size)
                    copy(stdin, length, fd, made.update)
                    check(made.hexdigest() == blob, blob)
                    self.made(name, fd, blob, 0)
                finally:
                    os.close(fd)
        else:
            self.piece(stdin, blob, form, offset, length, stored, size)

    def keep(self, blob: str, form: int, size: int, packed: bytes) -> None:
        """What came packed."""
        if form != BROTLI:
            self.unpack(blob, size, packed)
            return
        digest, packed = packed[:32].hex(), packed[32:]
        check(hashlib.sha256(packed).hexdigest() == digest, blob)
        names = self.brotli_names(blob[:2])
        if blob[2:] in names:  # another packer's, or an altered one
            try:
                os.unlink(names[blob[2:]], dir_fd=self.folder(blob[:2]))
            except FileNotFoundError:
                pass
        names[blob[2:]] = "%s.%s.br" % (blob[2:], digest)
        self.store(blob, BROTLI, packed)

    def unpack(self, blob: str, size: int, packed: bytes) -> None:
        """Keep both forms of what came packed."""
        name, fd = self.temporary()
        try:
            made, inflate, left = git_hash(size), zlib.decompressobj(31), size
            data = packed
            try:
                while not inflate.eof:
                    block = inflate.decompress(data, min(BLOCK, left + 1))
                    left -= len(block)
                    check(left >= 0 and (block != b"" or inflate.eof), blob)
                    made.update(block)
                    write(fd, block)
                    data = inflate.unconsumed_tail
            except zlib.error:
                check(False, blob)
            check(left == 0 and not inflate.unused_data and made.hexdigest() == blob, blob)
            self.made(name, fd, blob, 0)
        finally:
            os.close(fd)
        self.store(blob, 1, packed)

    def store(self, blob: str, form: int, packed: bytes) -> None:
        name, fd = self.temporary()
        try:
            write(fd, packed)
            self.made(name, fd, blob, form)
        finally:
            os.close(fd)

    def piece(self, stdin: BinaryIO, blob: str, form: int, offset: int, length: int, stored: int, size: int) -> None:
        """A part of a content that is too big to come at once; made of them, it is treated as if it had."""
        at = enter(self.at, ".begun", self.path + "/.begun", 0o700)
        name = blob + ".%d" % form
        fd = self.locked(at, name)
        try:
            if all(
                self.has(blob, kept) for kept in ((BROTLI,) if form == BROTLI else range(form + 1))
            ):  # another visit was faster
                copy(stdin, length, None)
                os.unlink(name, dir_fd=at)
                return
            if os.fstat(fd).st_size < offset:
                os.unlink(name, dir_fd=at)
                raise Trouble("store", "a part of %s that had come is gone again" % blob)
            # Never shorter than it is: a visit that is further on counts on what it has sent.
            os.lseek(fd, offset, os.SEEK_SET)
            copy(stdin, length, fd)
            if offset + length < stored:
                return
            os.ftruncate(fd, stored)
            os.lseek(fd, 0, os.SEEK_SET)
            try:
                if form:
                    with open(os.dup(fd), "rb") as file:
                        self.keep(blob, form, size, file.read())
                else:
                    check(self.right(fd, blob, size), blob)
                    os.fchmod(fd, 0o644)
                    os.utime(fd, (mtime(blob, 0), mtime(blob, 0)))
                    sync(fd)
                    os.rename(name, self.name(blob, 0), src_dir_fd=at, dst_dir_fd=self.folder(blob[:2]))
                    return
            except Trouble:
                os.unlink(name, dir_fd=at)
                raise
            self.finish()
            os.unlink(name, dir_fd=at)
        finally:
            os.close(fd)
            os.close(at)

    def locked(self, at: int, name: str) -> int:
        """The file `name`, ours alone until it is closed: two fleets may send the same."""
        until = time.monotonic() + WAIT
        while True:
            fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=at)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if same(os.fstat(fd), at, name):
                    return fd
            except BlockingIOError:
                if time.monotonic() > until:
                    os.close(fd)
                    raise Trouble("busy", "another visit sends the same content") from None
                time.sleep(0.1)
            os.close(fd)

    def temporary(self) -> Tuple[str, int]:
        if self.new is None:
            self.sweep()
            self.new = enter(self.at, ".new-%d" % os.getpid(), self.path + "/.new", 0o700)
        self.count += 1
        name = "%d" % self.count
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        return name, os.open(name, flags, 0o644, dir_fd=self.new)

    def made(self, name: str, fd: int, blob: str, form: int) -> None:
        os.utime(fd, (mtime(blob, form), mtime(blob, form)))
        self.pending.append((name, self.folder(blob[:2]), self.name(blob, form)))

    def finish(self) -> None:
        """Give what is whole its name, once it is on the disk."""
        if self.pending:
            sync(self.at)
        while self.pending:
            name, folder, final = self.pending.pop(0)
            os.rename(name, final, src_dir_fd=self.new, dst_dir_fd=folder)

    def close(self) -> None:
        if self.new is not None:
            self.clear(".new-%d" % os.getpid())

    # ---- what is left

    def sweep(self) -> None:
        """Remove what visits that were cut off left."""
        now = time.time()
        for name in os.listdir(self.at):
            if not name.startswith(".new-"):
                continue
            pid = name[len(".new-") :]
            alive = pid != "%d" % os.getpid() and os.path.exists("/proc/" + pid)
            if not alive or self.age(name, now) > NEW_KEPT:
                self.clear(name)
        if os.path.lexists("/proc/self/fd/%d/.begun" % self.at):
            for name in os.listdir(enter(self.at, ".begun", self.path + "/.begun", 0o700)):
                if self.age(".begun/" + name, now) > BEGUN_KEPT:
                    os.unlink(".begun/" + name, dir_fd=self.at)

    def age(self, name: str, now: float) -> float:
        return now - os.stat(name, dir_fd=self.at, follow_symlinks=False).st_mtime

    def clear(self, name: str) -> None:
        fd = os.open(name, FOLDER, dir_fd=self.at)
        try:
            for inner in os.listdir(fd):
                os.unlink(inner, dir_fd=fd)
        finally:
            os.close(fd)
        os.rmdir(name, dir_fd=self.at)


def enter(at: int, name: str, path: str, mode: int = 0o755) -> int:
    """The folder `name` of the folder `at`, made where it is missing. Raises Trouble unless it is root's alone."""
    for again in (True, False):
        try:
            fd = os.open(name, FOLDER, dir_fd=at)
            break
        except FileNotFoundError:
            if not again:
                raise
            try:
                os.mkdir(name, mode, dir_fd=at)
            except FileExistsError:
                pass
            except OSError as error:
                raise OSError(error.errno, error.strerror, path) from None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise Trouble("store", "%s is a link, or no folder" % path) from None
            raise OSError(error.errno, error.strerror, path) from None
    known = os.fstat(fd)
    others = known.st_mode & 0o022
    if path == "/srv":  # the machine's: who may write there can't get past the next folder's owner
        others = known.st_mode & 0o002 if not known.st_mode & stat.S_ISVTX else 0
    if known.st_uid != 0 or others:
        os.close(fd)
        raise Trouble(
            "store", "%s is not root's alone (owner %d, mode %04o)" % (path, known.st_uid, known.st_mode & 0o7777)
        )
    return fd


def same(known: os.stat_result, at: int, name: str) -> bool:
    """Whether `name` still is that file: who held it may have given it its place, or removed it, since it was opened."""
    try:
        now = os.stat(name, dir_fd=at, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (now.st_dev, now.st_ino) == (known.st_dev, known.st_ino)


def mtime(blob: str, form: int) -> int:
    return int(blob[8 * form : 8 * form + 8], 16) & LAST_SECOND


def git_hash(size: int) -> Any:
    """Git's id of a blob is SHA-1 over `blob SIZE`, NUL, content (gitformat-loose; git hash-object)."""
    return hashlib.sha1(b"blob %d\0" % size)


def packed_right(fd: int, name: str) -> bool:
    """Whether a packed form is what it was when it came: what its name doesn't tell comes anew."""
    match = BROTLI_NAME.fullmatch(name)
    made = hashlib.sha256()
    while match:
        data = os.read(fd, BLOCK)
        if not data:
            return made.hexdigest() == match.group(2)
        made.update(data)
    return False


def check(right: bool, blob: str) -> None:
    if not right:
        raise Trouble("altered", blob)


def exact(stdin: BinaryIO, length: int) -> bytes:
    data = stdin.read(length)
    if len(data) < length:
        raise Cut()
    return data


def copy(stdin: BinaryIO, length: int, fd: Optional[int], also: Callable[[bytes], None] = len) -> None:  # type: ignore[assignment]
    while length:
        data = exact(stdin, min(length, BLOCK))
        also(data)
        if fd is not None:
            write(fd, data)
        length -= len(data)


def write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync(fd: int) -> None:
    """syncfs(2), which os has not: one wait for a chunk, not one a file."""
    try:
        failed = ctypes.CDLL(None, use_errno=True).syncfs(fd)
    except (OSError, AttributeError):
        os.sync()
        return
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
