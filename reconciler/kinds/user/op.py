"""Makes an account, and sets its password hash, on a host. Standard library, Python 3.8 on.

Why not the stock module for a new account: it costs each visit 60 ms for its imports and each account 4 ms beside useradd's
own 8. What useradd is told here is what that module tells it, which is proved on lab hosts; every other change
of an account is the stock module's.

A password hash goes to chpasswd over standard input (chpasswd(8), -e): arguments are there for anybody to read.
"""

from __future__ import annotations

import grp
import os
import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run(args: dict[str, Any]) -> dict[str, Any]:
    """args: name, and either `create` (see there) or password (a crypt(5) hash or `*`). Gives {"changed", "failed", "msg"};
    never repeats the hash."""
    if "create" in args:
        return create(args["name"], args["create"])
    name, wanted = args["name"], args["password"]
    if any(sign in name + wanted for sign in ":\n\r\0"):
        return {"changed": False, "failed": True, "msg": "a name or hash can't hold a colon or a line break"}
    try:
        if current(name) == wanted:
            return {"changed": False, "failed": False, "msg": ""}
        done = subprocess.run(
            ["chpasswd", "-e"],
            input=f"{name}:{wanted}\n".encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return {"changed": False, "failed": True, "msg": f"chpasswd: {type(error).__name__}"}
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").replace(wanted, "(secret)").strip()
        return {"changed": False, "failed": True, "msg": said or f"chpasswd failed with {done.returncode}"}
    return {"changed": True, "failed": False, "msg": ""}


def create(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A new account whose password nobody knows. spec: system, create_home; uid, group, groups, shell, home, comment where
    they are meant. An account that is there already is a failure."""
    argv = ["useradd"]
    if "uid" in spec:
        argv += ["-u", str(spec["uid"])]
    if spec.get("group"):
        argv += ["-g", spec["group"]]
    elif has_group(name):
        argv.append("-N")  # no group of its own can be made: its name is taken (useradd(8), USERGROUPS_ENAB)
    if spec.get("groups"):
        argv += ["-G", ",".join(sorted(set(spec["groups"])))]
    if "comment" in spec:
        argv += ["-c", spec["comment"]]
    if "home" in spec:
        argv += ["-d", spec["home"]]
    if "shell" in spec:
        argv += ["-s", spec["shell"]]
    argv += ["-p", "*", "-m" if spec["create_home"] else "-M"]
    if spec.get("system"):
        argv.append("-r")
    try:
        if "home" in spec and spec["create_home"]:
            os.makedirs(os.path.dirname(spec["home"]), exist_ok=True)  # useradd makes no more than the home itself
        done = subprocess.run(
            [*argv, "--", name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except (OSError, ValueError) as error:
        return {"changed": False, "failed": True, "msg": f"useradd: {error}"}
    said = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode:
        return {"changed": False, "failed": True, "msg": said or f"useradd failed with {done.returncode}"}
    return {"changed": True, "failed": False, "msg": ""}


def has_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def current(name: str) -> str | None:
    """What /etc/shadow holds for the account; None without a line."""
    with open("/etc/shadow", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            fields = line.split(":")
            if fields[0] == name and len(fields) > 1:
                return fields[1]
    return None
