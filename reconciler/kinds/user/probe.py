"""Reads accounts on a host. Standard library, Python 3.8 on; runs as root, writes nothing.

A request is {"name": NAME, "sudoers": FILE, "keys": whether the keys must be read, "secretsKey": hex, or left out}.
An answer is {"state": {...}}, {"absent": true} or {"unknown": WHY}. What stands in /etc/shadow never leaves the host:
of the password only its HMAC-SHA256 under `secretsKey`, as {"sealed": hex}, and only when it is asked for.

Homes belong to their users, who may put anything anywhere in them: nothing below a home is opened through a symlink,
only regular files are read, and of what is no key only its line number is told.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import pwd
import re
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # not imported on hosts: it would cost each of them milliseconds
    from typing import Any

PASSWD = "/etc/passwd"
SHADOW = "/etc/shadow"
GROUP = "/etc/group"
SUDOERS_D = "/etc/sudoers.d"

LARGEST = 1048576
SHOWN = 2048
LOCKED_DAYS = ("0", "1")

KEY_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ssh-dss",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
WORD = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^\s"]|"(?=[^"]*$))+')
RULE = re.compile(r"(\S+) ALL=\(([^()\s]+)\) (NOPASSWD|PASSWD): (\S.*)")


def probe(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answers in the order of `requests`; passwd, shadow and group are read once."""
    try:
        sources = read_sources()
    except OSError as error:
        return [{"unknown": "%s: %s" % (error.filename, error.strerror)} for _ in requests]
    return [answer(request, sources) for request in requests]


class Sources:
    """What /etc says of all accounts and groups."""

    def __init__(self) -> None:
        self.accounts: dict[str, list[str]] = {}
        self.shadow: dict[str, list[str]] = {}
        self.group_names: dict[str, str] = {}
        """gid → name; the first line of a number counts."""
        self.memberships: dict[str, set[str]] = {}
        """Account → names of the groups that list it."""


def read_sources() -> Sources:
    read = Sources()
    for fields in lines_of(PASSWD, 7):
        read.accounts.setdefault(fields[0], fields)
    for fields in lines_of(SHADOW, 8):
        read.shadow.setdefault(fields[0], fields)
    for fields in lines_of(GROUP, 4):
        read.group_names.setdefault(fields[2], fields[0])
        for member in fields[3].split(","):
            read.memberships.setdefault(member, set()).add(fields[0])
    return read


def lines_of(path: str, least: int) -> list[list[str]]:
    """The fields of each line that has at least so many and is no comment and no NIS mark (passwd(5), nsswitch.conf(5))."""
    found = []
    with open(path, encoding="utf-8", errors="backslashreplace") as lines:
        for line in lines:
            fields = line.rstrip("\n").split(":")
            if len(fields) >= least and fields[0] and fields[0][0] not in "#+-":
                found.append(fields)
    return found


def answer(request: dict[str, Any], sources: Sources) -> dict[str, Any]:
    name = request.get("name")
    if not isinstance(name, str):
        return {"unknown": "the request has no name"}
    if name not in sources.accounts:
        return elsewhere(name)
    try:
        return {"state": state_of(request, sources)}
    except Unreadable as why:
        return {"unknown": str(why)}
    except OSError as error:
        return {"unknown": "%s: %s" % (error.filename or name, error.strerror)}


class Unreadable(Exception):
    """What was asked for can't be read."""


def state_of(request: dict[str, Any], sources: Sources) -> dict[str, Any]:
    name, _, uid, gid, comment, home, shell = sources.accounts[request["name"]][:7]
    shadow = sources.shadow.get(name)
    if not uid.isdigit() or not gid.isdigit():
        raise Unreadable("%s: the line of %s has no numbers" % (PASSWD, name))
    state: dict[str, Any] = {
        "uid": int(uid),
        "group": sources.group_names.get(gid, gid),
        "groups": sorted(sources.memberships.get(name, ())),
        "comment": comment,
        "home": home,
        "shell": shell or "/bin/sh",
        "sudo": sudo_of(name, request.get("sudoers")),
    }
    if shadow is not None and shadow[7] in LOCKED_DAYS:
        state["locked"] = True
    try:
        state["sshKeys"] = keys_of(home, int(uid))
    except OSError:
        if request.get("keys"):
            raise
    if home.startswith("/") and not os.path.isdir(home):
        state["homeMissing"] = True
    elif home.startswith("/") and os.path.realpath(home) != os.path.normpath(home):
        state["homeReal"] = os.path.realpath(home)
    key = request.get("secretsKey")
    if key and shadow is not None:
        hashed = shadow[1].encode("utf-8", "surrogateescape")
        state["passwordHash"] = {"sealed": hmac.new(bytes.fromhex(key), hashed, hashlib.sha256).hexdigest()}
    return state


def elsewhere(name: str) -> dict[str, Any]:
    """An account that a directory service knows is not ours to make or change (nsswitch.conf(5))."""
    try:
        pwd.getpwnam(name)
    except (KeyError, ValueError):
        return {"absent": True}
    except OSError as error:
        return {"unknown": "the directory service doesn't answer: %s" % error}
    return {"unknown": "%s comes from a directory service, not from %s" % (name, PASSWD)}


# ---------------------------------------------------------------- keys


def keys_of(home: str, uid: int) -> list[str]:
    """The lines of ~/.ssh/authorized_keys in one form and order; `# …` for what is no key and for what makes sshd
    ignore the file (StrictModes, sshd_config(5))."""
    if not home.startswith("/"):
        return []
    try:
        folder = os.open(os.path.join(home, ".ssh"), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    except OSError:
        kind = what_is(os.path.join(home, ".ssh"))
        if kind is None:
            raise
        return [] if kind == "file" else ["# .ssh is a %s" % kind]
    try:
        return keys_in(folder, uid)
    finally:
        os.close(folder)


def keys_in(folder: int, uid: int) -> list[str]:
    try:
        handle = os.open("authorized_keys", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return []
    except OSError:
        if stat.S_ISLNK(os.stat("authorized_keys", dir_fd=folder, follow_symlinks=False).st_mode):
            return ["# authorized_keys is a symlink"]
        raise
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        os.close(handle)
        return ["# authorized_keys is not a file"]
    with os.fdopen(handle, "rb") as file:
        content = file.read(LARGEST + 1)
    found = set(complaints("authorized_keys", facts, uid) + complaints(".ssh", os.fstat(folder), uid))
    if len(content) > LARGEST:
        return sorted(found | {"# authorized_keys is larger than %d bytes" % LARGEST})
    for number, raw in enumerate(content.decode("utf-8", "replace").split("\n"), 1):
        line = raw.strip()
        if line and not line.startswith("#"):
            found.add(key_line(line) or "# line %d is no key" % number)
    return sorted(found)


def complaints(what: str, facts: os.stat_result, uid: int) -> list[str]:
    if facts.st_uid not in (0, uid):
        return ["# %s belongs to uid %d: sshd ignores the keys" % (what, facts.st_uid)]
    if facts.st_mode & 0o022:
        return ["# %s has mode %04o: sshd ignores the keys" % (what, stat.S_IMODE(facts.st_mode))]
    return []


def what_is(path: str) -> str | None:
    """`symlink` or `file` where a folder is expected; None when that can't be seen."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return None
    return "symlink" if stat.S_ISLNK(mode) else None if stat.S_ISDIR(mode) else "file"


def key_line(line: str) -> str:
    """`[options ]type base64[ comment]` with single spaces, or an empty string for what sshd would ignore."""
    words = WORD.findall(line)
    start = 0 if words and words[0] in KEY_TYPES else 1
    if len(words) < start + 2 or words[start] not in KEY_TYPES or not is_key(words[start], words[start + 1]):
        return ""
    return " ".join(words[:start] + words[start : start + 2] + [" ".join(words[start + 2 :])]).strip()


def is_key(kind: str, key: str) -> bool:
    try:
        raw = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return False
    size = int.from_bytes(raw[:4], "big")
    return raw[4 : 4 + size] == kind.encode() and len(raw) > 4 + size + 4


# ---------------------------------------------------------------- sudo


def sudo_of(name: str, path: Any) -> Any:
    """The account's file in /etc/sudoers.d as the value of `sudo`; {"other": text} when it says something else."""
    if not isinstance(path, str) or os.path.dirname(path) != SUDOERS_D:
        raise Unreadable("the request has no path in %s" % SUDOERS_D)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return "none"
    except OSError:
        if os.path.islink(path):
            return {"other": "a symlink"}
        raise
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        os.close(handle)
        return {"other": "not a file"}
    with os.fdopen(handle, "rb") as file:
        text = file.read(LARGEST).decode("utf-8", "replace")
    if facts.st_uid or facts.st_gid or stat.S_IMODE(facts.st_mode) != 0o440:
        return {"other": "owner %d:%d, mode %04o" % (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode))}
    rights = rights_in(name, text)
    return {"other": text[:SHOWN]} if rights is None else rights


def rights_in(name: str, text: str) -> Any:
    """The rights of a file in our form, None for any other: a comment, then rules with one account and one tag."""
    lines = text.split("\n")
    if len(lines) < 3 or lines[-1] != "" or not lines[0].startswith("# "):
        return None
    rules = [match.groups() for match in map(RULE.fullmatch, lines[1:-1]) if match]
    if len(rules) != len(lines) - 2 or {rule[:3] for rule in rules} != {(name, *rules[0][1:3])}:
        return None
    commands = [unescaped(rule[3]) for rule in rules]
    if None in commands:
        return None
    run_as, nopasswd = rules[0][1], rules[0][2] == "NOPASSWD"
    if commands == ["ALL"] and nopasswd and run_as == "ALL:ALL":
        return "all"
    return {"commands": commands, "nopasswd": nopasswd, "runAs": run_as}


def unescaped(command: str) -> str | None:
    """A command as it is meant; None when it holds a sign that means something in sudoers (another command, a comment)."""
    program, space, arguments = command.partition(" ")
    if arguments.startswith("^") and arguments.endswith("$"):
        plain = plainly(program)
        return None if plain is None else plain + space + arguments
    return plainly(command)


def plainly(text: str) -> str | None:
    if re.search(r"(?<!\\)(?:\\\\)*[,:=#]", text) or re.search(r"(?<!\\)(?:\\\\)*\\(?![,:=#\\])", text):
        return None
    return re.sub(r"\\([,:=#\\])", r"\1", text)


if __name__ == "__main__":
    json.dump(probe(json.load(sys.stdin)), sys.stdout)
