"""trueup.host.put: make a path be a file, a directory, a link, or nothing.

Never through a symlink: each folder on the way is opened by itself (openat with O_NOFOLLOW), and all that follows
happens relative to that folder, so that nobody who may write there can lead a write elsewhere. Content appears
atomically, by rename. Not fsynced: after a power cut a lost write is drift, and heals.

Arguments: path; state: file (default) | directory | link | absent; content: text, or {"base64": …}; target (of a
link); owner, group (names or numbers); mode ("0644"); parents: make missing folders (0755, root); validate: a command
with %s, run on the new content before it goes live; keep_backup: keep once what is overwritten; only: for `absent`,
the one state of what may go (`file`, `link`, `directory`); run_as: write as that user, for files inside homes; secret:
the content is (set by ../wire.py). What is left out is not touched; new files are 0644, new folders 0755.
"""

from __future__ import annotations

import base64
import errno
import grp
import json
import os
import pwd
import stat
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import keep, way
from .keep import Refused

Result = Dict[str, Any]


def run(args: Dict[str, Any]) -> Result:
    """Gives {"changed", "failed", "msg"}; never raises for what it finds on the host."""
    try:
        if args.get("run_as") and os.geteuid() == 0:
            return _as_user(str(args["run_as"]), args)
        return _put(args)
    except Refused as error:
        return {"changed": False, "failed": True, "msg": str(error)}
    except OSError as error:
        return {"changed": False, "failed": True, "msg": keep.words(error, str(args.get("path", "")))}


def _put(args: Dict[str, Any]) -> Result:
    path = str(args["path"])
    if not path.startswith("/") or os.path.normpath(path) != path or path == "/":
        raise Refused("%s is not an absolute, normal path" % path)
    state = args.get("state") or "file"
    act: Dict[str, Callable[[int, str, Dict[str, Any]], bool]] = {
        "file": _file,
        "directory": _directory,
        "link": _link,
        "absent": _absent,
    }
    if state not in act:
        raise Refused("state %s is not known" % state)
    try:
        folder, made = way.open_folder(os.path.dirname(path), bool(args.get("parents")) and state != "absent")
    except FileNotFoundError:
        if state == "absent":
            return {"changed": False, "failed": False, "msg": ""}
        raise Refused("%s does not exist; parents: true makes it" % os.path.dirname(path)) from None
    try:
        changed = act[state](folder, os.path.basename(path), args)
        return {"changed": changed or made, "failed": False, "msg": ""}
    finally:
        os.close(folder)


# ---------------------------------------------------------------- files


def _file(folder: int, name: str, args: Dict[str, Any]) -> bool:
    path = str(args["path"])
    there = way.lstat(folder, name)
    if there is not None and stat.S_ISDIR(there.st_mode):
        raise Refused("%s is a directory" % path)
    if there is not None and not stat.S_ISREG(there.st_mode) and not stat.S_ISLNK(there.st_mode):
        raise Refused("%s is neither a file nor a link" % path)
    regular = there is not None and stat.S_ISREG(there.st_mode)
    content = _content(args)
    old = way.open_file(folder, name, path) if regular else -1
    try:
        there = os.fstat(old) if old >= 0 else None
        uid, gid, mode = _wanted(args, there, 0o644)
        same = old >= 0 and (content is None or _same(old, content))
        if same and there is not None:
            if (there.st_uid, there.st_gid, stat.S_IMODE(there.st_mode)) == (uid, gid, mode):
                return False
            if not _held_by_others(there, uid, gid, mode):
                return _settle(old, there, uid, gid, mode)
        if args.get("validate"):
            checked = content if content is not None else _read(old, keep.MOST) if old >= 0 else b""
            if len(checked) > keep.MOST:
                raise Refused("%s is too big to be validated (more than %d bytes)" % (path, keep.MOST))
            keep.validate(str(args["validate"]), checked, mode, bool(args.get("secret")))
        if args.get("keep_backup") and not same and old >= 0:
            keep.backup(old, path)
        _write(folder, name, content, uid, gid, mode, old)
        return True
    finally:
        if old >= 0:
            os.close(old)


def _held_by_others(there: os.stat_result, uid: int, gid: int, mode: int) -> bool:
    """Whether somebody may go on writing into this file after its owner and mode are changed: by a second name that
    stands anywhere (a hard link in a home), or by a descriptor that was opened while the old rights let them. Then a
    file of our own takes the name."""
    before = stat.S_IMODE(there.st_mode)
    lost = before & ~mode & 0o222
    regrouped = gid != there.st_gid and before & 0o020
    return there.st_nlink > 1 or there.st_uid not in (0, uid) or bool(lost or regrouped)


def _content(args: Dict[str, Any]) -> Optional[bytes]:
    content = args.get("content")
    if content is None:
        return None
    if isinstance(content, dict):
        return base64.b64decode(content["base64"])
    return str(content).encode("utf-8")


def _same(fd: int, content: bytes) -> bool:
    if os.fstat(fd).st_size != len(content):
        return False
    return _read(fd, len(content)) == content


def _read(fd: int, most: int) -> bytes:
    """From its start, at most one byte more than `most`: a file may grow as fast as it is read."""
    os.lseek(fd, 0, os.SEEK_SET)
    chunks: List[bytes] = []
    left = most + 1
    while left:
        chunk = os.read(fd, min(left, 1 << 20))
        if not chunk:
            break
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def _write(folder: int, name: str, content: Optional[bytes], uid: int, gid: int, mode: int, like: int) -> None:
    """A new file takes the name, with `content`, or when that is None with what `like` (-1: nothing) holds now."""
    part = _part(name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(part, flags, 0o600, dir_fd=folder)
    try:
        try:
            if content is not None:
                keep.write_all(fd, content)
            elif like >= 0:
                keep.copy(like, fd, os.fstat(like).st_size)
            if like >= 0:
                _copy_labels(like, fd)
            if (uid, gid) != (os.geteuid(), os.fstat(fd).st_gid):
                os.fchown(fd, uid, gid)
            os.fchmod(fd, mode)
        finally:
            os.close(fd)
        os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        _forget(folder, part)
        raise


def _copy_labels(old: int, new: int) -> None:
    """Security labels and ACLs of the file that is replaced; best effort, as not all file systems have them."""
    try:
        for label in os.listxattr(old):
            if label == "security.selinux" or label.startswith("system.posix_acl"):
                os.setxattr(new, label, os.getxattr(old, label))
    except OSError:
        pass


def _part(name: str) -> str:
    """Hidden, and with a name that cron, sudo and run-parts skip (they skip names with a dot)."""
    return ".%s.trueup-%d" % (name[:180], os.getpid())


def _forget(folder: int, part: str) -> None:
    try:
        os.unlink(part, dir_fd=folder)
    except OSError:
        pass


def _settle(fd: int, there: os.stat_result, uid: int, gid: int, mode: int) -> bool:
    """Owner, then mode: chown takes setuid bits away."""
    changed = False
    if (there.st_uid, there.st_gid) != (uid, gid):
        os.fchown(fd, uid, gid)
        changed = True
    if stat.S_IMODE(os.fstat(fd).st_mode) != mode:
        os.fchmod(fd, mode)
        changed = True
    return changed


def _wanted(args: Dict[str, Any], there: Optional[os.stat_result], default: int) -> Tuple[int, int, int]:
    uid = there.st_uid if there is not None else os.geteuid()
    gid = there.st_gid if there is not None else os.getegid()
    mode = stat.S_IMODE(there.st_mode) if there is not None else default
    if args.get("owner") is not None:
        uid = _id(str(args["owner"]), lambda name: pwd.getpwnam(name).pw_uid, "user")
    if args.get("group") is not None:
        gid = _id(str(args["group"]), lambda name: grp.getgrnam(name).gr_gid, "group")
    if args.get("mode") is not None:
        try:
            mode = int(str(args["mode"]), 8) & 0o7777
        except ValueError:
            raise Refused("mode %s is not octal" % args["mode"]) from None
    return uid, gid, mode


def _id(name: str, find: Callable[[str], int], what: str) -> int:
    try:
        return find(name)
    except KeyError:
        if name.isdigit():
            return int(name)
        raise Refused("there is no %s %s" % (what, name)) from None


# ---------------------------------------------------------------- directories, links, nothing


def _directory(folder: int, name: str, args: Dict[str, Any]) -> bool:
    there = way.lstat(folder, name)
    if there is not None and not stat.S_ISDIR(there.st_mode):
        what = "a symlink" if stat.S_ISLNK(there.st_mode) else "a file"
        raise Refused("%s is %s, not a directory" % (args["path"], what))
    uid, gid, mode = _wanted(args, there, 0o755)
    if there is None:
        os.mkdir(name, 0o700, dir_fd=folder)
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        return _settle(fd, os.fstat(fd), uid, gid, mode) or there is None
    finally:
        os.close(fd)


def _link(folder: int, name: str, args: Dict[str, Any]) -> bool:
    there = way.lstat(folder, name)
    target = str(args["target"])
    if there is not None and stat.S_ISDIR(there.st_mode):
        raise Refused("%s is a directory" % args["path"])
    right = there is not None and stat.S_ISLNK(there.st_mode) and os.readlink(name, dir_fd=folder) == target
    uid, gid, _ = _wanted(args, there if right else None, 0)
    if right and there is not None:
        if (there.st_uid, there.st_gid) == (uid, gid):
            return False
        os.chown(name, uid, gid, dir_fd=folder, follow_symlinks=False)
        return True
    if args.get("keep_backup") and there is not None and stat.S_ISREG(there.st_mode):
        old = way.open_file(folder, name, str(args["path"]))
        try:
            keep.backup(old, str(args["path"]))
        finally:
            os.close(old)
    part = _part(name)
    os.symlink(target, part, dir_fd=folder)
    try:
        made = os.stat(part, dir_fd=folder, follow_symlinks=False)  # a setgid folder gives it its own group
        if (uid, gid) != (made.st_uid, made.st_gid):
            os.chown(part, uid, gid, dir_fd=folder, follow_symlinks=False)
        os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        _forget(folder, part)
        raise
    return True


def _state(there: os.stat_result) -> str:
    if stat.S_ISREG(there.st_mode):
        return "file"
    return "link" if stat.S_ISLNK(there.st_mode) else "directory" if stat.S_ISDIR(there.st_mode) else "device or pipe"


def _absent(folder: int, name: str, args: Dict[str, Any]) -> bool:
    there = way.lstat(folder, name)
    if there is None:
        return False
    if args.get("only") and args["only"] != _state(there):
        raise Refused("%s is now a %s, not the %s that was made there" % (args["path"], _state(there), args["only"]))
    if stat.S_ISDIR(there.st_mode):
        try:
            os.rmdir(name, dir_fd=folder)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise Refused("%s is not empty, so it stays" % args["path"]) from None
            raise
        return True
    if args.get("keep_backup") and stat.S_ISREG(there.st_mode):
        old = way.open_file(folder, name, str(args["path"]))
        try:
            keep.backup(old, str(args["path"]))
        finally:
            os.close(old)
    os.unlink(name, dir_fd=folder)
    return True


# ---------------------------------------------------------------- as somebody else


def _as_user(user: str, args: Dict[str, Any]) -> Result:
    """Fork, become `user` for good, write with that user's rights only, and hand back the result."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise Refused("there is no user %s" % user) from None
    if args.get("keep_backup"):
        _backup_first(args)
    rest = {key: value for key, value in args.items() if key not in ("run_as", "keep_backup", "owner")}
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(read_end)
            os.initgroups(entry.pw_name, entry.pw_gid)
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
            os.write(write_end, json.dumps(run(rest)).encode("utf-8"))
            code = 0
        finally:
            os._exit(code)
    os.close(write_end)
    said: List[bytes] = []
    while True:
        chunk = os.read(read_end, 65536)
        if not chunk:
            break
        said.append(chunk)
    os.close(read_end)
    os.waitpid(pid, 0)
    try:
        result = json.loads(b"".join(said).decode("utf-8"))
    except ValueError:
        raise Refused("writing as %s ended without an answer" % user) from None
    return dict(result) if isinstance(result, dict) else {"changed": False, "failed": True, "msg": "no answer"}


def _backup_first(args: Dict[str, Any]) -> None:
    try:
        folder, _ = way.open_folder(os.path.dirname(str(args["path"])), False)
    except FileNotFoundError:
        return
    try:
        name = os.path.basename(str(args["path"]))
        there = way.lstat(folder, name)
        if there is None or not stat.S_ISREG(there.st_mode):
            return
        fd = way.open_file(folder, name, str(args["path"]))
        try:
            content = _content(args)
            if content is None or not _same(fd, content):
                keep.backup(fd, str(args["path"]))
        finally:
            os.close(fd)
    finally:
        os.close(folder)
