# Copyright: the trueup authors
# GNU General Public License v3.0 or later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One visit to one host: send what is to be done over stdin, in one exec, and keep the answer for the controller.
Contents that it needs go before it, what there is of them last in the same exec.

Its only argument is the path of this host's order, a JSON file without secrets:
{"command", "parts": [[path, offset, length], …], "answer": path, "limit": seconds, "cargo": folder or empty, "alias"}. What is secret lies in the parts,
which are read at the last moment and never become arguments, variables or results.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import signal
import socket
import threading
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError  # type: ignore[import-untyped]
from ansible.plugins.action import ActionBase  # type: ignore[import-untyped]

BLOCK = 1 << 20
ANSWER_MEMORY = 1 << 30
"""Bytes by which this process may grow: a host that sends without end ends its own visit, not the controller."""


class ActionModule(ActionBase):  # type: ignore[misc]
    _requires_connection = True
    _supports_check_mode = False
    _VALID_ARGS = frozenset({"order"})

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        with open(self._task.args["order"], encoding="utf-8") as file:
            order = json.load(file)
        _limit_memory()
        self._said = ""
        if order["cargo"]:
            return self._cargo(order)
        return self._exec(order, order["parts"], order["limit"])

    def _cargo(self, order: dict[str, Any]) -> dict[str, Any]:
        """Send what the controller says, exec by exec, and the visit behind it when it says so (trip/cargo.py)."""
        at = os.open(order["cargo"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with contextlib.ExitStack() as ends:
            ends.callback(os.close, at)
            talk = ends.enter_context(socket.socket(socket.AF_UNIX))
            talk.connect(f"/proc/self/fd/{at}/cargo")  # a socket's own path is short (unix(7))
            lines = ends.enter_context(talk.makefile("rwb"))
            lines.write(order["alias"].encode() + b"\n")
            told: dict[str, Any] = {}
            while True:
                lines.flush()
                step = json.loads(lines.readline() or b"{}")
                if "parts" not in step:
                    return told if step.get("visited") else {"failed": True, "changed": False, "msg": ""}
                parts, limit = step["parts"], step["limit"]
                if step["visit"]:
                    parts, limit = parts + order["parts"], limit + order["limit"]
                told = self._exec(order, parts, limit)
                if told["rc"] != 0:
                    return told
                lines.write(b"answered\n")

    def _exec(self, order: dict[str, Any], parts: list[Any], limit: float) -> dict[str, Any]:
        """One exec, with the parts on its stdin; what the host says goes into the answer file."""
        data = _joined(parts)
        watch = Watch(limit)
        try:
            done = self._low_level_execute_command(order["command"], in_data=data, sudoable=True)
        except AnsibleConnectionFailure as error:
            return self._told(watch, unreachable=True, rc=255, msg=str(error))
        except MemoryError:
            return self._told(watch, failed=True, rc=255, msg="the answer was too big")
        except AnsibleError as error:
            return self._told(watch, failed=True, rc=255, msg=str(error))
        finally:
            watch.stop()
        # The one place where the host's words are kept: a file that only the controller reads.
        with open(order["answer"], "w", encoding="ascii") as file:
            file.write(done["stdout"].encode("ascii", "replace").decode("ascii"))
        return self._told(watch, failed=done["rc"] != 0, rc=done["rc"], msg=done["stderr"][-4000:])

    def _told(self, watch: Watch, **result: Any) -> dict[str, Any]:
        """What the controller hears: all that was said on stderr, in whichever exec."""
        self._said = result["msg"] = (self._said + result.get("msg", ""))[-4000:]
        result.update(changed=False, hung=watch.rang, limit=watch.seconds)
        return result


def _joined(parts: list[Any]) -> bytes:
    """All parts in one, and in memory once: a part may be as big as the whole."""
    whole = io.BytesIO()
    for path, offset, length in parts:
        with open(path, "rb", buffering=0) as part:
            part.seek(offset)
            while length:
                block = part.read(min(length, BLOCK))
                if not block:
                    raise AnsibleError(f"{path} is shorter than it was")
                whole.write(block)
                length -= len(block)
    return whole.getvalue()


class Watch:
    """Kills this process's children (the ssh client, and nothing else: each host has a process of its own)
    when the visit has taken too long."""

    def __init__(self, seconds: float) -> None:
        self.rang = False
        self.seconds = seconds
        self._timer = threading.Timer(seconds, self._ring)
        self._timer.daemon = True
        self._timer.start()

    def _ring(self) -> None:
        self.rang = True
        for child in _children():
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)

    def stop(self) -> None:
        self._timer.cancel()


def _children() -> list[int]:
    path = f"/proc/self/task/{os.getpid()}/children"
    try:
        with open(path, encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        pass
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    if int(file.read().rpartition(b")")[2].split()[1]) == os.getpid():
                        found.append(int(entry))
            except (OSError, ValueError):
                continue
    return found


def _limit_memory() -> None:
    with open("/proc/self/statm", encoding="ascii") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    wanted = size + ANSWER_MEMORY
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
