"""Hosts that are a folder each: the real host program on them, in a mount namespace of its own, without ssh.

A host's folder stands where the program looks (/var/lib/trueup, /srv, /etc/machine-id), so that orders, answers, locks,
its own file and its commands are real; only the way to it is short. Needs root.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import types
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from reconciler.core.kind import Kinds
from reconciler.core.model import Report, Visit
from reconciler.ports import Opener
from reconciler.settings import Settings
from reconciler.trip import troubles, wire
from reconciler.trip.host import ops, own, visit

At = Callable[[str], None]
"""Told of each boundary by its name, just as it is crossed; may not come back."""

_CLONE_NEWNS = 0x00020000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_libc = ctypes.CDLL(None, use_errno=True)


def make(folder: Path, name: str) -> None:
    """A host that nothing was ever done on."""
    for part in ("lib/trueup", "srv"):
        (folder / name / part).mkdir(parents=True)
    (folder / name / "machine-id").write_text(f"{abs(hash(name)) % 16**32:032x}\n")


class LocalTrip:
    """ports.Trip over such hosts. `at` hears of the boundaries here, `on_host` of those on a host."""

    def __init__(self, kinds: Kinds, settings: Settings, opener: Opener, folder: Path, at: At, on_host: At) -> None:
        self.kinds, self.settings, self.opener, self.folder = kinds, settings, opener, folder
        self.at, self.on_host = at, on_host

    def go(
        self, visits: Sequence[Visit], on_report: Callable[[Report], None], on_event: Callable[[str, str], None]
    ) -> None:
        self.at("trip begins")
        for one in visits:
            name = one.host.name
            self.at("runner event: start")
            on_event(name, "looking")
            report = self._visit(one)
            self.at("runner event: ok")
            on_report(report)
            self.at("report taken")
        self.at("trip ends")

    def unpin(self, host: str) -> int:
        return 0

    def close(self) -> None:
        pass

    def _visit(self, one: Visit) -> Report:
        order = wire.order(one, self.kinds, self.settings, self.opener, "2.19")
        reads, writes = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reads)
            try:
                self._on_host(one.host.name, order.payload, writes)
            finally:
                os._exit(70)
        os.close(writes)
        self.at("order sent")
        with os.fdopen(reads, "rb") as answer:
            told = answer.read()
        os.waitpid(child, 0)
        if not told:
            trouble = troubles.trouble("closed", one.host, "while it worked")
            lost = wire.lost(one, trouble.why) if one.changes else ()
            return Report(host=one.host.name, trouble=trouble, outcomes=lost)
        return wire.report(one, json.loads(told), 0.0, 10.0)

    def _on_host(self, name: str, payload: bytes, out: int) -> None:
        enter(self.folder / name)
        for kind, source in self.kinds.probes.items():
            module = types.ModuleType(f"trueup_probe.{kind}")
            exec(compile(source, f"<probe {kind}>", "exec"), module.__dict__)
            sys.modules[f"trueup_probe.{kind}"] = module
        _tell(ops.Runner, "run", lambda op: str(op["module"]), self.on_host)
        _tell(own.OwnFile, "save", lambda machine: "own file", self.on_host)
        answer = json.dumps(visit.visit(json.loads(zlib.decompress(payload)), _no_code)).encode()
        self.on_host("host: before its answer")
        while answer:
            answer = answer[os.write(out, answer) :]
        os._exit(0)


def enter(folder: Path) -> None:
    """From here on this process sees the host's folder where a host has it."""
    _call("unshare", _libc.unshare(_CLONE_NEWNS))
    _call("mount", _libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
    for inside, place in (("lib", "/var/lib"), ("srv", "/srv"), ("machine-id", "/etc/machine-id")):
        _call("bind", _libc.mount(str(folder / inside).encode(), place.encode(), None, _MS_BIND, None))


def _call(what: str, result: int) -> None:
    if result:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def _tell(kind: type, method: str, words: Callable[..., str], at: At) -> None:
    whole = getattr(kind, method)

    def told(self: Any, *args: Any) -> Any:
        at(f"host: before {words(*args)}")
        result = whole(self, *args)
        at(f"host: after {words(*args)}")
        return result

    setattr(kind, method, told)


def _no_code(name: str) -> Any:
    raise KeyError(name)


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
