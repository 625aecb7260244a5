"""Reads the job files of /etc/cron.d on a host. Standard library, Python 3.8 on; writes nothing.

A request is {"name": NAME, "path": FILE}. An answer is {"state": {...}}, {"absent": true} or {"unknown": WHY}.
A file in the form that trueup writes gives schedule, user, command, env and suspend. `content` tells what is wrong: the
text of a file in any other form, or why cron skips it.
"""

from __future__ import annotations

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
        return read(path)
    except FileNotFoundError:
        return {"absent": True}
    except NotADirectoryError:
        return {"unknown": "%s is not a directory" % CRON_D}
    except OSError as error:
        return {"unknown": "%s: %s" % (path, error.strerror)}


def read(path: str) -> dict[str, Any]:
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
    if state is None:
        return odd(text[:SHOWN])
    if facts.st_uid or facts.st_gid or stat.S_IMODE(facts.st_mode) != 0o644:
        state["content"] = "owner %d:%d, mode %04o" % (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode))
    return {"state": state}


def odd(what: str) -> dict[str, Any]:
    return {"state": {"content": what}}


def parsed(text: str) -> dict[str, Any] | None:
    """The fields of a file in our form, None for any other: one head, variables, one job, each line ended."""
    lines = text.split("\n")
    if len(lines) < 3 or lines[-1] != "" or not HEAD.fullmatch(lines[0]):
        return None
    env: dict[str, str] = {}
    for line in lines[1:-2]:
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
