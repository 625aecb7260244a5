"""The file that each host keeps for trueup: /var/lib/trueup/FLEET.json (0600, replaced atomically).

    {"format": 1, "fleet", "machineId",
     "owned": [{"kind", "name", "origin", "digest", "commit", "onRemove", "spec", "pending"?}],
     "loaded": {"Kind/name": {"Kind/ref": digest}},     what a service last loaded; "" once that has changed under it
     "due": {"Kind/name": command},                     an onChange that is still to run
     "dueFor": {"Kind/name": digest},                   and the resource's digest that it is to run for
     "lease": {"holder", "until"}}                      seconds since 1970 by this host's clock

Ownership is written before the ops (`pending`) and confirmed after them: a kill in between forgets nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import uuid
from typing import Any, Dict, List, Optional, Tuple

FOLDER = "/var/lib/trueup"
LONGEST_LEASE = 86400.0
"""Seconds. A lease that ends later than this was written under another clock, and doesn't count."""
MADE_UP = "trueup"
"""How an id begins that stands in for a missing machine-id."""
MOST_BYTES = 64 * 1024 * 1024


class Taken(Exception):
    """Somebody else holds the lease, or the lock; `code` is a word of trip/troubles.py."""

    def __init__(self, code: str, why: str) -> None:
        Exception.__init__(self, why)
        self.code = code
        self.why = why


class OwnFile:
    """The file in memory. Nothing is written before `save`."""

    def __init__(self, fleet: str, folder: str = FOLDER) -> None:
        self.fleet = fleet
        self.folder = folder
        self.path = os.path.join(folder, fleet + ".json")
        self.owned: Dict[Tuple[str, str], Dict[str, Any]] = {}
        self.loaded: Dict[str, Dict[str, str]] = {}
        self.due: Dict[str, str] = {}
        self.due_for: Dict[str, str] = {}
        """Digest of what a command is due for: it isn't run for what was there before."""
        self.lease: Dict[str, Any] = {}
        self.machine = ""
        self.readable = True
        self._lock: Optional[int] = None
        self._read()

    def _read(self) -> None:
        try:
            with open(self.path, "rb") as file:
                data = json.loads(file.read(MOST_BYTES).decode("utf-8"))
            for entry in data["owned"]:
                self.owned[(str(entry["kind"]), str(entry["name"]))] = dict(entry)
            self.loaded = {str(k): dict(v) for k, v in data.get("loaded", {}).items()}
            self.due = {str(k): str(v) for k, v in data.get("due", {}).items()}
            self.due_for = {str(k): str(v) for k, v in data.get("dueFor", {}).items() if k in self.due}
            self.lease = dict(data.get("lease") or {})
            self.machine = str(data.get("machineId") or "")
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # Written by something else, or torn by a disk: nothing can be known of what is owned here.
            self.owned, self.loaded, self.due, self.due_for, self.lease = {}, {}, {}, {}, {}
            self.readable = False

    def identity(self, machine_id: str, make: bool = False) -> str:
        """What tells this machine from another under its name: /etc/machine-id. Where there is none, what this file
        had at the last visit, and with `make` an id that is made up and kept here; empty when there is neither.

        A host that has lost its machine-id, or got one after we made one up, is the same as long as it has this file."""
        if self.machine and (not machine_id or self.machine.startswith(MADE_UP)):
            return self.machine
        return machine_id or (MADE_UP + uuid.uuid4().hex if make else "")

    # ---- one at a time

    def lock(self, seconds: float, create: bool) -> None:
        """Take the lock that lets one visit at a time run here; with `create` False only if its file exists,
        because a look writes nothing. Raises Taken (`busy`) when somebody keeps it for longer than `seconds`."""
        path = os.path.join(self.folder, self.fleet + ".lock")
        if create:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
        try:
            self._lock = os.open(path, os.O_RDONLY | (os.O_CREAT if create else 0) | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            return
        end = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(self._lock, (fcntl.LOCK_EX if create else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > end:
                    raise Taken("busy", "another visit is still running here") from None
                time.sleep(0.05)
        self.owned, self.loaded, self.due, self.due_for, self.lease = {}, {}, {}, {}, {}
        self.machine, self.readable = "", True
        self._read()

    def take_lease(self, holder: str, seconds: float) -> None:
        """Raises Taken (`leased`) while another holder's lease runs, judged by this host's clock."""
        now = time.time()
        other = str(self.lease.get("holder", ""))
        until = self.lease.get("until", 0)
        if not isinstance(until, (int, float)) or until > now + LONGEST_LEASE:
            until = 0
        if other and other != holder and until > now:
            ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until))
            raise Taken("leased", "%s holds this host until %s" % (other, ends))
        self.lease = {"holder": holder, "until": int(now + min(seconds, LONGEST_LEASE))}

    # ---- changing

    def note(self, kind: str, name: str, entry: Optional[Dict[str, Any]], pending: bool = False) -> None:
        """Record `entry` as owned; None forgets it. The origin that stands here is kept: who made a thing stays so."""
        key = (kind, name)
        if entry is None:
            self.owned.pop(key, None)
            self.loaded.pop("%s/%s" % key, None)
            self.due.pop("%s/%s" % key, None)
            return
        entry = dict(entry, kind=kind, name=name)
        before = self.owned.get(key)
        if before and before.get("origin") in ("created", "found"):
            entry["origin"] = before["origin"]
        if pending:
            entry["pending"] = True
        self.owned[key] = entry

    def save(self, machine_id: str) -> None:
        """Write it all, durable before it is visible: fsync, rename, fsync of the folder."""
        data = {
            "format": 1,
            "fleet": self.fleet,
            "machineId": machine_id,
            "owned": [self.owned[key] for key in sorted(self.owned)],
            "loaded": self.loaded,
            "due": self.due,
            "dueFor": {ref: self.due_for[ref] for ref in self.due if ref in self.due_for},
            "lease": self.lease,
        }
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        part = "%s.%d.part" % (self.path, os.getpid())
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
                file.write(json.dumps(data, sort_keys=True).encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            os.rename(part, self.path)
        except OSError:
            try:
                os.unlink(part)
            except OSError:
                pass
            raise
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self) -> None:
        """The host forgets the fleet: its file and lock go, and the folder if nothing else is in it. Backups stay."""
        for path in (self.path, os.path.join(self.folder, self.fleet + ".lock")):
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass
        for folder in (os.path.join(self.folder, "tmp"), self.folder):
            try:
                os.rmdir(folder)
            except OSError:
                pass
        self.owned, self.loaded, self.due, self.lease = {}, {}, {}, {}

    def entries(self) -> List[Dict[str, Any]]:
        """What is owned here, as the answer has it. Without a digest, so that it is told again and then settled: what
        nobody saw the end of, and what a command is still due for."""
        return [self._entry(key) for key in sorted(self.owned)]

    def _entry(self, key: Tuple[str, str]) -> Dict[str, Any]:
        entry = self.owned[key]
        return dict(entry, digest="") if entry.get("pending") or "%s/%s" % key in self.due else entry
