# Copyright: the trueup authors
# GNU General Public License v3.0 or later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One visit to one host: send what is to be done over stdin, in one exec, and keep the answer for the controller.

Its only argument is the path of this host's order, a JSON file without secrets:
{"command", "parts": [[path, offset, length], …], "answer": path, "limit": seconds}. What is secret lies in the parts,
which are read at the last moment and never become arguments, variables or results.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import threading
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError  # type: ignore[import-untyped]
from ansible.plugins.action import ActionBase  # type: ignore[import-untyped]

ANSWER_MEMORY = 1 << 30
"""Bytes by which this process may grow: a host that sends without end ends its own visit, not the controller."""


class ActionModule(ActionBase):  # type: ignore[misc]
    _requires_connection = True
    _supports_check_mode = False
    _VALID_ARGS = frozenset({"order"})

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        with open(self._task.args["order"], encoding="utf-8") as file:
            order = json.load(file)
        data = bytearray()
        for path, offset, length in order["parts"]:
            with open(path, "rb") as part:
                part.seek(offset)
                data += part.read(length)
        _limit_memory()
        watch = Watch(order["limit"])
        try:
            done = self._low_level_execute_command(order["command"], in_data=bytes(data), sudoable=True)
        except AnsibleConnectionFailure as error:
            return self._told(order, watch, unreachable=True, msg=str(error))
        except MemoryError:
            return self._told(order, watch, failed=True, msg="the answer was too big")
        except AnsibleError as error:
            return self._told(order, watch, failed=True, msg=str(error))
        finally:
            watch.stop()
        # The one place where the host's words are kept: a file that only the controller reads.
        with open(order["answer"], "w", encoding="ascii") as file:
            file.write(done["stdout"].encode("ascii", "replace").decode("ascii"))
        return self._told(order, watch, failed=done["rc"] != 0, rc=done["rc"], msg=done["stderr"][-4000:])

    def _told(self, order: dict[str, Any], watch: Watch, **result: Any) -> dict[str, Any]:
        result["msg"] = result.get("msg", "")[-4000:]
        result["changed"] = False
        result["hung"] = watch.rang
        return result


class Watch:
    """Kills this process's children (the ssh client, and nothing else: each host has a process of its own)
    when the visit has taken too long."""

    def __init__(self, seconds: float) -> None:
        self.rang = False
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
