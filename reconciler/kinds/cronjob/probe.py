"""Reads the job files of /etc/cron.d on a host. Standard library, Python 3.8 on; writes nothing.

A request is {"name": NAME, "path": FILE}, with "secrets": [VARIABLE, …] whose values are secret and "key": hex, if the
fleet has one. Of those values, and of those that the file itself names, only the HMAC-SHA256 under the key is told, as
{"sealed": hex}; and nothing at all of the text of such a file in another form. An answer is {"state": {...}}, {"absent": true} or {"unknown": WHY}.
A file in the form that trueup writes gives schedule, user, command, env and suspend. `content` tells what is wrong: the
text of a file in any other form, or why cron skips it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # not imported on hosts: it would cost each of them milliseconds
    from typing import Any

CRON_D = "/etc/cron.d"
LARGEST = 65536
SHOWN = 4096

HEAD = re.compile(r"# Kept by trueup as job .*")
NAMED = re.compile(r"^# Secrets: (.*)$", re.MULTILINE)
SUSPENDED = "# suspended: "
VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")
JOB = re.compile(r"(@reboot|(?:[0-9*,/-]+ ){4}[0-9*,/-]+) (\S+) (\S.*)")


def probe(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answers in the order of `requests`."""
    return [answer(request) for request in requests]


def answer(request: dict[str, Any]) -> dict[str, Any]:
    path = request.get("path")
    if not isinstance(path, str) or os.path.dirname(path) != CRON_D:
        return {"unknown": "the request has no path in %s" % CRON_D}
    try:
        return read(path, set(request.get("secrets") or ()), str(request.get("key") or ""))
    except FileNotFoundError:
        return {"absent": True}
    except NotADirectoryError:
        return {"unknown": "%s is not a directory" % CRON_D}
    except OSError as error:
        return {"unknown": "%s: %s" % (path, error.strerror)}


def read(path: str, secrets: set[str], key: str) -> dict[str, Any]:
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return odd("not a regular file")
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        return odd("larger than %d bytes" % LARGEST)
    text = content.decode("utf-8", "replace")
    state = parsed(text)
    named = {name for line in NAMED.findall(text) for name in line.split()}
    mode = stat.S_IMODE(facts.st_mode)
    if state is None:
        hidden = secrets or named or not mode & 0o004
        return odd("another form, of %d bytes; it may hold a secret" % len(content) if hidden else text[:SHOWN])
    for name in sorted((secrets | named) & set(state["env"])):
        state["env"][name] = sealed(state["env"][name], key)
    if facts.st_uid or facts.st_gid or mode != (0o600 if named else 0o644):
        state["content"] = "owner %d:%d, mode %04o" % (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode))
    return {"state": state}


def sealed(value: str, key: str) -> dict[str, str]:
    if not key:
        return {"sealed": ""}
    made = hmac.new(bytes.fromhex(key), value.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return {"sealed": made.hexdigest()}


def odd(what: str) -> dict[str, Any]:
    return {"state": {"content": what}}


def parsed(text: str) -> dict[str, Any] | None:
    """The fields of a file in our form, None for any other: one head, variables, one job, each line ended."""
    lines = text.split("\n")
    if len(lines) < 3 or lines[-1] != "" or not HEAD.fullmatch(lines[0]):
        return None
    env: dict[str, Any] = {}
    first = 2 if NAMED.fullmatch(lines[1]) else 1
    for line in lines[first:-2]:
        match = VARIABLE.fullmatch(line)
        value = unquoted(match.group(2)) if match else None
        if match is None or value is None or match.group(1) in env:
            return None
        env[match.group(1)] = value
    job = lines[-2]
    suspend = job.startswith(SUSPENDED)
    match = JOB.fullmatch(job[len(SUSPENDED) :] if suspend else job)
    if match is None:
        return None
    command = unescaped(match.group(3))
    if command is None:
        return None
    return {
        "schedule": match.group(1),
        "user": match.group(2),
        "command": command,
        "env": env,
        "suspend": suspend,
    }


def unescaped(text: str) -> str | None:
    """What cron hands to the shell; None when a bare % would feed the rest to the command's standard input."""
    if re.search(r"(?<!\\)(?:\\\\)*%", text):
        return None
    return re.sub(r"\\([\\%])", r"\1", text)


def unquoted(text: str) -> str | None:
    """The value of an environment line, None when it isn't in the form that we write."""
    if text[:1] in ("'", '"'):
        quote, inner = text[0], text[1:-1]
        return inner if len(text) > 1 and text[-1] == quote and quote not in inner else None
    return text if text and text == text.strip() else None


if __name__ == "__main__":
    json.dump(probe(json.load(sys.stdin)), sys.stdout)
