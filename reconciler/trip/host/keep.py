"""Before something is lost, and before it goes live: the one backup, the validation, and the words when it fails."""

from __future__ import annotations

import errno
import hashlib
import os
import shlex
import subprocess

BACKUP = "/var/lib/trueup/backup"
SCRATCH = "/var/lib/trueup/tmp"
MOST = 64 * 1024 * 1024
"""Bytes of a file that is kept, or read whole. A backup must not fill the disk that the change needs."""
LONGEST_NAME = 200
"""Bytes of a backup's name; longer ones end in their hash. File systems end at 255, and `.PID.part` is added."""


class Refused(Exception):
    """What was asked can't be done here; the text is for people."""


def backup(fd: int, path: str) -> None:
    """Copy what is there to BACKUP, once: what was there before trueup came is what people will want back. Refused when
    it is larger than MOST: nothing is lost without a copy, so a person has to move it away."""
    os.makedirs(BACKUP, mode=0o700, exist_ok=True)
    goal = os.path.join(BACKUP, backup_name(path))
    if os.path.lexists(goal):
        return
    if os.fstat(fd).st_size > MOST:
        raise Refused("%s has more than %d MiB, too much to be kept: move it away first" % (path, MOST >> 20))
    part = "%s.%d.part" % (goal, os.getpid())
    out = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            copy(fd, out, MOST)
        finally:
            os.close(out)
        os.rename(part, goal)
    except BaseException:
        os.unlink(part)
        raise


def backup_name(path: str) -> str:
    """The path as one name, its slashes as %2F."""
    name = os.fsencode(path.replace("%", "%25").replace("/", "%2F"))
    if len(name) > LONGEST_NAME:
        name = name[: LONGEST_NAME - 33] + b"~" + hashlib.sha256(name).hexdigest()[:32].encode("ascii")
    return os.fsdecode(name)


def copy(source: int, goal: int, most: int) -> None:
    """All of one descriptor into another, at most `most` bytes: a file may grow as fast as it is read."""
    os.lseek(source, 0, os.SEEK_SET)
    while most > 0:
        chunk = os.read(source, min(most, 1 << 20))
        if not chunk:
            return
        most -= len(chunk)
        write_all(goal, chunk)


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def validate(command: str, content: bytes, mode: int, secret: bool) -> None:
    """Run `command` (no shell) with %s standing for a private copy of the content; Refused unless it exits 0. What it
    said of a `secret` content is not told: checkers quote the line that they dislike. A line that begins with `public:`
    is: the checker vouches for it."""
    os.makedirs(SCRATCH, mode=0o700, exist_ok=True)
    copy = os.path.join(SCRATCH, "check-%d" % os.getpid())
    fd = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
        os.chmod(copy, mode & 0o700 | 0o400)
        argv = [part.replace("%s", copy) for part in shlex.split(command)]
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except OSError as error:
            raise Refused("validate: %s: %s" % (argv[0], error.strerror)) from None
        if done.returncode:
            said = done.stdout.decode("utf-8", "replace").replace(copy, "the new content").strip()[-600:]
            if secret:
                lines = [
                    line for line in said.splitlines() if line.startswith("public:") and line.encode() not in content
                ]
                said = (
                    "; ".join(line[7:].strip() for line in lines)
                    or "it may quote what is secret: run it on the host to see why"
                )
            raise Refused("validate: %s exited %d: %s" % (argv[0], done.returncode, said))
    finally:
        os.unlink(copy)


def words(error: OSError, path: str) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "no space left on %s" % mount_of(path)
    if error.errno == errno.EROFS:
        return "%s is on a read-only file system" % path
    return "%s: %s" % (path, error.strerror or error)


def mount_of(path: str) -> str:
    """The mount point that `path` lies on."""
    at = os.path.dirname(path) or "/"
    while at != "/" and not os.path.ismount(at):
        at = os.path.dirname(at)
    return at
