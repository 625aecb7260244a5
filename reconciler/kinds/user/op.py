"""Sets an account's password hash on a host. Standard library, Python 3.8 on.

The hash goes to chpasswd over standard input (chpasswd(8), -e): arguments are there for anybody to read.
"""

from __future__ import annotations

import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run(args: dict[str, Any]) -> dict[str, Any]:
    """args: name, password (a crypt(5) hash or `*`). Gives {"changed", "failed", "msg"}; never repeats the hash."""
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


def current(name: str) -> str | None:
    """What /etc/shadow holds for the account; None without a line."""
    with open("/etc/shadow", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            fields = line.split(":")
            if fields[0] == name and len(fields) > 1:
                return fields[1]
    return None
