"""Takes secrets out of the environment that this process was started with, once they have been read from it.

Each process that is forked is its parent's image until it runs a program of its own (fork(2), execve(2)): for that moment
/proc/PID/environ shows what was given to the parent, whatever environment the program gets. So the values are overwritten
where the kernel put them at the start. `os.environ`, a copy of it, goes on holding them for secrets/sources.py.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from ..settings import Settings

ALWAYS = ("TRUEUP_BECOME_PASSWORD", "TRUEUP_VAULT_PASSWORD")


def names(settings: Settings) -> frozenset[str]:
    """The variables of this process that hold secrets."""
    return frozenset((*ALWAYS, *(str(source["env"]) for source in settings.secrets.values() if "env" in source)))


def wipe(variables: Iterable[str]) -> None:
    """Overwrite the values of these variables with NUL bytes, in place; in what is started without an environment of its
    own (execv(3)) they are empty."""
    heads = tuple(os.fsencode(name) + b"=" for name in variables)
    block = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")  # environ(7)
    number = 0
    while block and (at := block[number]) is not None:
        entry = ctypes.string_at(at)
        for head in heads:
            if entry.startswith(head):
                ctypes.memset(at + len(head), 0, len(entry) - len(head))
        number += 1
