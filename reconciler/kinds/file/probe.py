"""Reads paths: what is there, its content or digest, its owner, group and mode. Writes nothing, follows no last link.

Requests: {"path": "/etc/motd"} and, for a file whose content is secret, "sensitive": true and "key": hex; for one whose
content was secret until now, also "plainIf": the SHA-256 of what may be told.
Answers: see schema.yaml, `state`. Content is text when it is UTF-8 of up to 64 KiB without NUL, else
{"sha256", "size"}; of a sensitive one {"sealed": HMAC-SHA256 by the key}.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # not imported on hosts: it would cost each of them milliseconds
    from typing import Any

TEXT_LIMIT = 64 * 1024
READ_LIMIT = 64 * 1024 * 1024
CHUNK = 1024 * 1024

NODES = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)


class Names:
    """Ids to names: the files once, the host's other sources (LDAP) only for what they don't hold."""

    def __init__(self) -> None:
        self.users = self._read("/etc/passwd")
        self.groups = self._read("/etc/group")

    @staticmethod
    def _read(path: str) -> dict[int, str]:
        names: dict[int, str] = {}
        try:
            with open(path, "rb") as lines:
                for line in lines:
                    parts = line.decode("utf-8", "replace").split(":")
                    if len(parts) > 2 and parts[2].isdigit():
                        names.setdefault(int(parts[2]), parts[0])
        except OSError:
            pass
        return names

    def user(self, uid: int) -> str:
        if uid not in self.users:
            try:
                import pwd

                self.users[uid] = pwd.getpwuid(uid).pw_name
            except (ImportError, KeyError, OSError):
                self.users[uid] = str(uid)
        return self.users[uid]

    def group(self, gid: int) -> str:
        if gid not in self.groups:
            try:
                import grp

                self.groups[gid] = grp.getgrgid(gid).gr_name
            except (ImportError, KeyError, OSError):
                self.groups[gid] = str(gid)
        return self.groups[gid]


class Unreadable(Exception):
    """Carries why a request stays Unknown."""


def folder_of(directory: str) -> int:
    """A descriptor of the directory, each part opened by itself. Raises Unreadable when one on the way is a symbolic
    link: nothing is written through one, and whoever owns it could lead the reading to any file of the host. All that
    is read is opened relative to it: a part that is swapped for a link meanwhile leads nowhere."""
    at = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    gone = ""
    try:
        for part in directory.split("/"):
            if part:
                gone += "/" + part
                if stat.S_ISLNK(os.stat(part, dir_fd=at, follow_symlinks=False).st_mode):
                    raise Unreadable(
                        "%s is a link to %s: declare what lies there by its real path" % (gone, os.path.realpath(gone))
                    )
                inner = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
                os.close(at)
                at = inner
        return at
    except BaseException:
        os.close(at)
        raise


def content_of(folder: int, name: str, request: dict[str, Any]) -> tuple[Any, os.stat_result]:
    """The content of a regular file, and its lstat-like info taken from the same open file."""
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode):
            raise Unreadable("it changed while it was read")
        if info.st_size > READ_LIMIT:
            return {"sha256": "", "size": info.st_size}, info
        plain_if = request.get("plainIf")
        plain: Any = hashlib.sha256() if plain_if else None
        if request.get("sensitive"):
            if not request.get("key") and not plain_if:
                return {"sealed": ""}, info
            digest: Any = hmac.new(bytes.fromhex(request.get("key") or ""), digestmod=hashlib.sha256)
        else:
            digest = hashlib.sha256()
        size = 0
        head: list[bytes] = []
        while size <= READ_LIMIT:
            chunk = os.read(handle, CHUNK)
            if not chunk:
                break
            digest.update(chunk)
            if plain is not None:
                plain.update(chunk)
            if size <= TEXT_LIMIT:
                head.append(chunk)
            size += len(chunk)
        if plain is not None and plain.hexdigest() == plain_if:
            digest = plain
        elif request.get("sensitive"):
            return {"sealed": digest.hexdigest() if request.get("key") else ""}, info
        if size <= TEXT_LIMIT:
            data = b"".join(head)
            try:
                if b"\0" not in data:
                    return data.decode("utf-8"), info
            except UnicodeDecodeError:
                pass
        return {"sha256": digest.hexdigest(), "size": size}, info
    finally:
        os.close(handle)


def one(request: dict[str, Any], names: Names) -> dict[str, Any]:
    path = request["path"]
    try:
        folder = folder_of(os.path.dirname(path))
    except (FileNotFoundError, NotADirectoryError):
        return {"absent": True}
    try:
        return inside(folder, path, request, names)
    finally:
        os.close(folder)


def inside(folder: int, path: str, request: dict[str, Any], names: Names) -> dict[str, Any]:
    """The answer for the last part of `path`, in its folder."""
    name = os.path.basename(path)
    try:
        info = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return {"absent": True}
    state: dict[str, Any] = {"path": path}
    if stat.S_ISREG(info.st_mode):
        state["state"] = "file"
        state["content"], info = content_of(folder, name, request)
    elif stat.S_ISDIR(info.st_mode):
        state["state"] = "directory"
    elif stat.S_ISLNK(info.st_mode):
        state["state"] = "link"
        state["target"] = os.fsencode(os.readlink(name, dir_fd=folder)).decode("utf-8", "replace")
    else:
        for is_one, what in NODES:
            if is_one(info.st_mode):
                raise Unreadable("%s is %s, which is never replaced" % (path, what))
        raise Unreadable("%s is of a type that nobody knows" % path)
    state["owner"] = names.user(info.st_uid)
    state["group"] = names.group(info.st_gid)
    if state["state"] != "link":
        state["mode"] = "%04o" % stat.S_IMODE(info.st_mode)
    return {"state": state}


def probe(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = Names()
    answers: list[dict[str, Any]] = []
    for request in requests:
        try:
            answers.append(one(request, names))
        except Unreadable as why:
            answers.append({"unknown": str(why)})
        except OSError as error:
            answers.append({"unknown": "%s: %s" % (request.get("path"), error.strerror or error)})
        except Exception as error:  # one request that can't be read must not cost the others
            answers.append({"unknown": "%s: %s" % (type(error).__name__, error)})
    return answers


if __name__ == "__main__":
    json.dump(probe(json.load(sys.stdin)), sys.stdout)
