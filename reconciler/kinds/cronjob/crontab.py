"""The text of a job's file in /etc/cron.d, in the form that crontab(5) gives for files with a user field.

The probe reads the same form back into fields. What cron does to a line was tried on Debian 12 and 13 (cron 3.0pl1):
in a command `\\%` becomes `%` and `\\\\` becomes `\\`, a bare `%` ends the command; a value of an environment
line may stand in quotes of either sort, which have no escape, and blanks at its end are dropped all the same; a command
longer than 998 bytes loses the whole entry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...core.filename import encoded
from ...core.model import Json, State
from ...core.reference import is_secret

FOLDER = "/etc/cron.d"
PREFIX = "trueup-"
HEAD = "# Kept by trueup as job {name}. Edits are undone; change it in Git."
SECRETS = "# Secrets: "
SUSPENDED = "# suspended: "
LONGEST = 990
"""Bytes of a command, or of NAME=value: cron's buffers hold 1,000 (MAX_COMMAND, MAX_ENVSTR)."""

PLAIN_VALUE = re.compile(r"""[^\s"'](?:.*\S)?""")


def path_of(name: str) -> str:
    """The job's file. cron skips names with a dot and other signs, so they are encoded."""
    return f"{FOLDER}/{PREFIX}{encoded(name)}"


def text_of(name: str, spec: State) -> Json:
    """The whole file for a spec in normal form: a text, or `{"join": [part, …]}` with sealed parts (core/reference.py).

    A file with secrets names their variables, so that a probe never reports their values, whatever Git says by then.
    """
    job = f"{spec['schedule']} {spec['user']} {escaped(spec['command'])}"
    secrets = secret_names(spec)
    parts: list[Json] = [HEAD.format(name=name) + "\n"]
    if secrets:
        parts.append(f"{SECRETS}{' '.join(secrets)}\n")
    for key, value in sorted(_env(spec).items()):
        parts += [f"{key}=", value, "\n"] if key in secrets else [f"{key}={quoted(value)}\n"]
    parts.append((f"{SUSPENDED}{job}" if spec["suspend"] else job) + "\n")
    return {"join": parts} if secrets else "".join(parts)


def secret_names(spec: State) -> tuple[str, ...]:
    """The variables whose values are secrets, sorted."""
    return tuple(sorted(key for key, value in spec.get("env", {}).items() if is_secret(value)))


def _env(spec: State) -> Mapping[str, Json]:
    env: Mapping[str, Json] = spec["env"]
    return env


def escaped(command: str) -> str:
    """The command as it must stand in the file, so that cron hands it to the shell as it was written."""
    return re.sub(r"\\(?=[\\%])|%", lambda match: "\\" + match[0], command)


def quoted(value: str) -> str:
    """A value of an environment line. Raises ValueError for one that crontab can't say."""
    if "\n" in value or "\r" in value or "\0" in value:
        raise ValueError("a line break can't stand in a crontab")
    if value != value.rstrip():
        raise ValueError("cron drops blanks at the end of a value, within quotes too")
    if PLAIN_VALUE.fullmatch(value):
        return value
    for quote in "\"'":
        if quote not in value:
            return f"{quote}{value}{quote}"
    raise ValueError("crontab has no way to write both sorts of quotes in a value that begins with one or with a space")
