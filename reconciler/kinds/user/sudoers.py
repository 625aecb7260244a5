"""One file of /etc/sudoers.d an account, in the grammar of sudoers(5); visudo checks it before it goes live.

The probe reads the same form back into the value of `sudo`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ...core.filename import encoded
from ...core.model import Json

FOLDER = "/etc/sudoers.d"
PREFIX = "trueup-"
HEAD = "# Kept by trueup for {name}. Edits are undone; change it in Git."
VALIDATE = "/usr/sbin/visudo -cf %s"
MODE = "0440"

COMMAND = re.compile(r"ALL|!?(?:/[^\s\\]*|sudoedit(?= ))(?: .+)?")
ALREADY_ESCAPED = re.compile(r"\\[,:=#]")
EVERYTHING: Mapping[str, Json] = {"commands": ["ALL"], "nopasswd": True, "runAs": "ALL:ALL"}


def path_of(name: str) -> str:
    """The account's file. sudo skips names with a dot, so they are encoded."""
    return f"{FOLDER}/{PREFIX}{encoded(name)}"


def normal(sudo: Json) -> Json:
    """`none`, `all`, or commands with everything said."""
    if not isinstance(sudo, Mapping):
        return sudo
    full = {
        "commands": [" ".join(command.split()) for command in sudo["commands"]],
        "nopasswd": sudo.get("nopasswd", True),
        "runAs": sudo.get("runAs", "root"),
    }
    return "all" if full == EVERYTHING else full


def text_of(name: str, sudo: Json) -> str:
    """The whole file for a normal value other than `none`."""
    rights = EVERYTHING if sudo == "all" else sudo
    tag = "NOPASSWD" if rights["nopasswd"] else "PASSWD"
    lines = [f"{name} ALL=({rights['runAs']}) {tag}: {escaped(command)}" for command in rights["commands"]]
    return "\n".join([HEAD.format(name=name), *lines]) + "\n"


def _whole_expression(arguments: str) -> bool:
    if not arguments.startswith("^"):
        return True
    try:
        re.compile(arguments)
    except re.error:
        return False
    return arguments.endswith("$")


def escaped(command: str) -> str:
    """`,` `:` `=` `#` and `\\` have a meaning in sudoers; within a regular expression (`^…$`, sudo 1.9.10) they stand
    for themselves."""
    program, space, arguments = command.partition(" ")
    if arguments.startswith("^") and arguments.endswith("$"):
        return _escaped(program) + space + arguments
    return _escaped(command)


def _escaped(text: str) -> str:
    return re.sub(r"[,:=#\\]", r"\\\g<0>", text)


def faults(commands: Iterable[str]) -> Iterable[tuple[int, str]]:
    """Which commands sudoers can't say, and why."""
    for index, command in enumerate(commands):
        if any(ord(char) < 32 for char in command):
            yield index, "holds a line break or a control character"
        elif not COMMAND.fullmatch(" ".join(command.split())):
            yield index, "doesn't begin with a full path (/usr/bin/…), and is neither ALL nor `sudoedit /…`"
        elif ALREADY_ESCAPED.search(command):
            yield index, "has escapes: write it as in a shell, they are added for you"
        elif not _whole_expression(" ".join(command.split()).partition(" ")[2]):
            yield index, "has a regular expression (^…$) that doesn't end, or that can't be read"
