"""Reads services: whether they run, whether they start at boot, what they last loaded. Writes nothing.

Requests: {"name": "nginx"}, with "loaded": true and "loadedDigests": {"Kind/ref": digest} where files belong to it.
Answers: see schema.yaml, `state`; absent when the host has no such unit or init script.

With systemd (sd_booted(3)) one `systemctl show` reads all of them; else each init script is asked for its status
(LSB 20.2: 0 runs, 1 to 3 doesn't) and the links in /etc/rc?.d are read.
"""

from __future__ import annotations

import glob
import json
import os
import re
import stat
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # not imported on hosts: it would cost each of them milliseconds
    from typing import Any

BOOTED = "/run/systemd/system"
INIT_SCRIPTS = "/etc/init.d"
RUNLEVELS = "/etc/rc[2345S].d"
PROPERTIES = (
    "Id",
    "LoadState",
    "LoadError",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "Type",
    "RemainAfterExit",
    "CanReload",
)
SUFFIXES = (".service", ".socket", ".timer", ".path", ".mount", ".automount", ".swap", ".target", ".slice", ".device")
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TERM": "dumb"}
SYSTEMCTL_LIMIT = 30.0
SCRIPT_BYTES = 1 << 20
SCRIPT_LIMIT = 15.0
"""Seconds."""


class Unreadable(Exception):
    """Carries why a request stays Unknown."""


def unit_of(name: str) -> str:
    return name if name.endswith(SUFFIXES) else name + ".service"


# ---------------------------------------------------------------- systemd


def show(units: list[str]) -> dict[str, dict[str, str]]:
    """Properties by unit, as asked for. Raises Unreadable."""
    try:
        done = subprocess.run(
            ["systemctl", "show", "--no-pager", "--property=" + ",".join(PROPERTIES), "--", *units],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=SYSTEMCTL_LIMIT,
            env=ENVIRONMENT,
        )
    except subprocess.TimeoutExpired:
        raise Unreadable("systemd gave no answer in %d s" % SYSTEMCTL_LIMIT) from None
    blocks = done.stdout.decode("utf-8", "replace").strip("\n").split("\n\n")
    if done.returncode != 0 or len(blocks) != len(units):
        if len(units) > 1:
            # One bad name spoils the whole answer: ask for each alone.
            found: dict[str, dict[str, str]] = {}
            for unit in units:
                try:
                    found.update(show([unit]))
                except Unreadable as why:
                    found[unit] = {"LoadState": "unreadable", "LoadError": str(why)}
            return found
        raise Unreadable("systemctl: " + done.stderr.decode("utf-8", "replace").strip()[:300])
    return {
        unit: dict(line.split("=", 1) for line in block.split("\n") if "=" in line)
        for unit, block in zip(units, blocks)  # noqa: B905 (Python 3.8 has no strict; the lengths are equal)
    }


def by_systemd(name: str, said: dict[str, str]) -> dict[str, Any]:
    load = said.get("LoadState", "")
    if load == "not-found":
        return {"absent": True}
    if load not in ("loaded", "masked"):
        raise Unreadable("%s: %s" % (name, said.get("LoadError") or "systemd says %s" % (load or "nothing of it")))
    active, file_state = said.get("ActiveState", ""), said.get("UnitFileState", "")
    state: dict[str, Any] = {
        "running": active in ("active", "reloading", "refreshing")
        or (active == "activating" and not said.get("SubState", "").startswith("auto-restart")),
        "enabled": file_state in ("enabled", "enabled-runtime"),
        "active": active,
        "unitFile": "masked" if load == "masked" else file_state,
        "canReload": said.get("CanReload") == "yes",
    }
    if file_state == "generated":
        state["enabled"] = bool(boot_links(name))
    if said.get("Type") == "oneshot" and said.get("RemainAfterExit") != "yes":
        state["oneshot"] = True
    if said.get("Id") not in ("", None, unit_of(name)):
        state["unit"] = said["Id"]
    return {"state": state}


# ---------------------------------------------------------------- init scripts


def boot_links(name: str) -> list[str]:
    """The links that start `name` at boot."""
    bare = name[: -len(".service")] if name.endswith(".service") else name
    return [
        path
        for path in glob.glob(os.path.join(RUNLEVELS, "S[0-9][0-9]*"))
        if re.sub(r"^S[0-9][0-9]", "", os.path.basename(path)) == bare
    ]


def by_script(name: str) -> dict[str, Any]:
    bare = name[: -len(".service")] if name.endswith(".service") else name
    if bare.endswith(SUFFIXES) or "@" in bare:
        raise Unreadable("%s needs systemd, which doesn't run this host" % name)
    if os.path.isdir("/run/openrc"):
        raise Unreadable("OpenRC runs this host, which trueup doesn't know yet")
    script = os.path.join(INIT_SCRIPTS, bare)
    if not os.path.exists(script):
        return {"absent": True}
    running = status(script, bare)
    return {
        "state": {
            "running": running,
            "enabled": bool(boot_links(bare)),
            "active": "active" if running else "inactive",
            "canReload": has_action(script, "reload"),
        }
    }


def status(script: str, name: str) -> bool:
    try:
        done = subprocess.run(
            [script, "status"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SCRIPT_LIMIT,
            env=ENVIRONMENT,
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        raise Unreadable("%s status gave no answer in %d s" % (script, SCRIPT_LIMIT)) from None
    said = done.stdout.decode("utf-8", "replace")
    if done.returncode == 0:
        return True
    if re.search(r"usage", said, re.IGNORECASE) or done.returncode not in (1, 2, 3):
        return by_pid_file(script, name)
    return False


def by_pid_file(script: str, name: str) -> bool:
    """For a script that knows no `status`: its pid file, by custom in /run."""
    for path in ("/run/%s.pid" % name, "/run/%s/%s.pid" % (name, name)):
        try:
            return os.path.isdir("/proc/%d" % int(text_of(path, 64).split()[0]))
        except (OSError, ValueError, IndexError):
            continue
    raise Unreadable("%s tells no status, and there is no /run/%s.pid" % (script, name))


def has_action(script: str, action: str) -> bool:
    """Whether a script has a branch for `action`, as far as its text shows."""
    try:
        text = text_of(script, SCRIPT_BYTES)
    except OSError:
        return False
    return re.search(r"^\s*\(?([\w-]+\s*\|\s*)*%s\s*(\|[^)]*)?\)" % action, text, re.MULTILINE) is not None


def text_of(path: str, most: int) -> str:
    """The start of a file. A pipe under its name is not waited for: it reads as empty."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        return file.read(most).decode("utf-8", "replace") if stat.S_ISREG(os.fstat(handle).st_mode) else ""


# ---------------------------------------------------------------- all of them


def answer(request: dict[str, Any], shown: dict[str, dict[str, str]] | None) -> dict[str, Any]:
    name = request["name"]
    found = by_script(name) if shown is None else by_systemd(name, shown[unit_of(name)])
    if request.get("loaded") and "state" in found:
        found["state"]["loaded"] = dict(request.get("loadedDigests") or {})
    return found


def probe(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    shown: dict[str, dict[str, str]] | None = None
    if requests and os.path.isdir(BOOTED):
        try:
            shown = show(sorted({unit_of(str(request.get("name"))) for request in requests}))
        except (Unreadable, OSError) as why:
            return [{"unknown": str(why)} for _ in requests]
    answers = []
    for request in requests:
        try:
            answers.append(answer(request, shown))
        except Unreadable as why:
            answers.append({"unknown": str(why)})
        except Exception as error:  # one request that can't be read must not cost the others
            answers.append({"unknown": "%s: %s" % (type(error).__name__, error)})
    return answers


if __name__ == "__main__":
    json.dump(probe(json.load(sys.stdin)), sys.stdout)
