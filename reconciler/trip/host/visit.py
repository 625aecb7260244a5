"""One visit, on the host: read, do what differs, read again, remember; one JSON answer.

The steps, in order:

1. Is this the machine that is meant (machine-id)? Is nobody else at work here (lock), does nobody else hold it (lease)?
2. Read what is to be changed. What is no longer as the plan saw it is `stale` and left alone; what is already as
   the plan wants it is done.
3. Write down what is about to be owned. Run the ops of each change, in order; a failure stops its dependents only.
4. Read everything that was asked for, write the host's own file, answer.

A visit without changes is a look: it writes nothing at all, unless it was told what is owned here since (`own`, `disown`).
What can't be written then is no trouble: everything is read, and the next visit tells it again.
"""

from __future__ import annotations

import errno
import importlib
import json
import time
from typing import Any, Dict, List, Optional, Set, Tuple

from . import ops
from .limits import TimeUp, within
from .machine import facts, machine_id
from .own import OwnFile, Taken

PROBE_LIMIT = 120.0
"""Seconds that one kind's probe may take for all its requests."""
LOCK_WAIT = 30.0
Reading = Dict[str, Any]


def visit(payload: Dict[str, Any], code: ops.Code) -> Dict[str, Any]:
    """The answer to `payload`; see ../wire.py for both shapes. Never raises for what it finds here."""
    try:
        return Visit(payload, code).run()
    except Taken as taken:
        return _answer(machine_id(), trouble={"code": taken.code, "why": taken.why})
    except OSError as error:
        return _answer(machine_id(), trouble=_trouble(error))


def _trouble(error: OSError) -> Dict[str, str]:
    code = "disk-full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "host-error"
    return {"code": code, "why": "%s: %s" % (error.filename or "?", error.strerror)}


def _answer(machine: str, **more: Any) -> Dict[str, Any]:
    return dict({"format": 1, "machineId": machine, "facts": facts()}, **more)


class Visit:
    def __init__(self, payload: Dict[str, Any], code: ops.Code) -> None:
        self.payload = payload
        self.looks: List[List[Any]] = payload["looks"]
        self.changes: List[Dict[str, Any]] = payload["changes"]
        self.outcomes: List[Optional[Dict[str, Any]]] = [None] * len(self.changes)
        self.runner = ops.Runner(code, str(payload.get("ansible", "")))
        self.own = OwnFile(str(payload["fleet"]))
        self.works = bool(self.changes or payload.get("forget") or payload.get("settled"))
        self.told = bool(payload["own"] or payload["disown"])
        self.machine = ""
        self.touched: Set[str] = set()
        self.extra: List[Dict[str, Any]] = []
        self.unsaved: Optional[OSError] = None
        """Why what was done can't be written down here."""

    def run(self) -> Dict[str, Any]:
        meant = str(self.payload.get("machineId") or "")
        self.machine = self.own.identity(machine_id())
        if meant and meant != self.machine:
            why = "its machine-id is %s, not %s" % (self.machine or "missing", meant)
            return _answer(self.machine, trouble={"code": "reborn", "why": why})
        writes = self.begin()
        if self.works:
            self.settle()
            self.prepare()
            if self.payload.get("judge"):
                judged = [outcome or _outcome("skipped", "to do") for outcome in self.outcomes]
                return self.answer(self.read_all(), judged)
            for index in range(len(self.changes)):
                self.outcomes[index] = self.change(index)
        if writes:
            self.finish()
        readings = self.read_all()
        if writes:
            self.remember(readings)
        return self.answer(readings, self.outcomes)

    def begin(self) -> bool:
        """Take the lock, and the lease where there is something to write; False when nothing is to be written, or a look
        can't. Raises Taken, and OSError, when what is to be done can't be written down."""
        try:
            self.own.lock(LOCK_WAIT, create=self.works or self.told)
            if self.works or self.told:
                self.own.take_lease(str(self.payload["holder"]), float(self.payload["lease"]))
                self.machine = self.own.identity(machine_id(), make=True)
                return True
        except OSError as error:
            if self.works:
                raise
            self.unsaved = error
            self.own.lock(LOCK_WAIT, create=False)
        except Taken as taken:
            if self.works or taken.code != "leased":
                raise
            self.unsaved = OSError(errno.EBUSY, taken.why)
        return False

    def answer(self, readings: List[Reading], outcomes: List[Any]) -> Dict[str, Any]:
        more: Dict[str, Any] = {}
        readable = self.own.readable
        if self.unsaved is not None:
            # The file doesn't say what it should; the next visit settles it by what it reads, or tells it again.
            readable = False
            if self.works:
                more["trouble"] = _trouble(self.unsaved)
        return _answer(
            self.machine,
            readings=readings,
            outcomes=outcomes,
            extra=self.extra,
            owned=self.own.entries() if readable else None,
            ownReadable=readable,
            **more,
        )

    def note_down(self) -> None:
        """Write the file when something has been done already: then the visit goes on, and what it did is told."""
        try:
            self.own.save(self.machine)
            self.unsaved = None
        except OSError as error:
            self.unsaved = error

    # ---- reading

    def read_all(self) -> List[Reading]:
        return self.read(list(range(len(self.looks))))

    def read(self, which: List[int]) -> List[Reading]:
        """Readings of the looks `which`, in that order; each kind's probe is asked once."""
        by_kind: Dict[str, List[int]] = {}
        for index in which:
            by_kind.setdefault(self.looks[index][0], []).append(index)
        found: Dict[int, Reading] = {}
        for kind in sorted(by_kind):
            indexes = by_kind[kind]
            answers = self.ask(kind, [self.request(index) for index in indexes])
            found.update(zip(indexes, answers))
        return [found[index] for index in which]

    def request(self, index: int) -> Dict[str, Any]:
        kind, name, request = self.looks[index]
        if request.get("loaded") is True:
            request = dict(request, loadedDigests=self.own.loaded.get("%s/%s" % (kind, name), {}))
        return dict(request)

    def ask(self, kind: str, requests: List[Dict[str, Any]]) -> List[Reading]:
        try:
            answers = within(PROBE_LIMIT, lambda: importlib.import_module("trueup_probe." + kind).probe(requests))
            if len(answers) != len(requests):
                raise ValueError("%d answers to %d requests" % (len(answers), len(requests)))
            return list(answers)
        except TimeUp:
            why = "the probe took longer than %g s" % PROBE_LIMIT
        except Exception as error:
            why = "the probe failed: %s: %s" % (type(error).__name__, error)
        return [{"unknown": why[:500]} for _ in requests]

    # ---- doing

    def settle(self) -> None:
        """What was done by other means since it was judged: nothing of it is due, and what it loaded is known."""
        for kind, name, loaded in self.payload.get("settled") or ():
            ref = "%s/%s" % (kind, name)
            self.own.due.pop(ref, None)
            if loaded is not None:
                self.own.loaded[ref] = dict(loaded)

    def prepare(self) -> None:
        """Judge each change by a fresh reading, and write down what is about to happen before any of it does."""
        self.before_owned = dict(self.own.owned)
        self.before_due = dict(self.own.due)
        looked = [change["look"] for change in self.changes if change["look"] is not None]
        before = dict(zip(looked, self.read(looked)))
        self.touched = {_ref(change) for change in self.changes}
        for index, change in enumerate(self.changes):
            if change.get("error"):
                self.outcomes[index] = _outcome("failed", change["error"])
            elif change["look"] is None:
                self.outcomes[index] = _outcome("stale", "nothing was read of it, so it is left alone")
            else:
                known = (change["kind"], change["name"]) in self.own.owned
                self.outcomes[index] = judge(change, before[change["look"]], known)
        for change, outcome in zip(self.changes, self.outcomes):
            if outcome is not None and outcome["result"] != "ok":
                continue
            if change["own"] is not None:
                # Done already and not written down yet: a visit was cut off after its ops, and they made it.
                self.own.note(change["kind"], change["name"], change["own"], pending=outcome is None)
            if change.get("onChange") and outcome is None:
                self.own.due[_ref(change)] = change["onChange"]
                self.own.due_for[_ref(change)] = (change["own"] or {}).get("digest", "")
        self.before_loaded = {key: dict(value) for key, value in self.own.loaded.items()}
        self.mark_stale()
        self.own.save(self.machine)

    def mark_stale(self) -> None:
        """What has been loaded and is about to change under it counts as not loaded from now on."""
        moving = {_ref(c) for c, outcome in zip(self.changes, self.outcomes) if outcome is None}
        for change in self.changes:
            if change.get("loaded") is not None and _ref(change) in moving:
                known = self.own.loaded.setdefault(_ref(change), {})
                for ref, digest in change["loaded"].items():
                    if ref in moving or known.get(ref, digest) != digest:
                        known[ref] = ""
        for refs in self.own.loaded.values():
            for ref in refs:
                if ref in moving:
                    refs[ref] = ""

    def change(self, index: int) -> Dict[str, Any]:
        """Run one change, unless it has been judged already or what it depends on did not go well."""
        change, known = self.changes[index], self.outcomes[index]
        if known is not None:
            return known
        for other in change["after"]:
            outcome = self.outcomes[other]
            if outcome is None or outcome["result"] != "ok":
                return _outcome("skipped", "%s comes first, and did not go well" % _ref(self.changes[other]))
        started = time.monotonic()
        any_changed = False
        for op in change["ops"]:
            changed, failed, message = self.runner.run(op)
            any_changed = any_changed or changed
            if failed:
                return _outcome("failed", message, op, any_changed, time.monotonic() - started)
        if not any_changed and _ref(change) not in self.before_due:
            self.own.due.pop(_ref(change), None)
        failure = self.on_change(_ref(change))
        if change.get("loaded") is not None:
            self.own.loaded[_ref(change)] = dict(change["loaded"])
        if change.get("loaded") is not None or change.get("onChange"):
            self.note_down()
        if failure:
            return _outcome("failed", failure, {"title": "onChange"}, True, time.monotonic() - started)
        return _outcome("ok", "", None, any_changed, time.monotonic() - started)

    def on_change(self, ref: str) -> str:
        """Run the command that is due after `ref` changed, once; gives what went wrong. It stays due until it went well."""
        command = self.own.due.get(ref)
        if command is None:
            return ""
        op = {"module": "trueup.host.command", "args": {"shell": command}, "limit": 300.0}
        _, failed, message = self.runner.run(op)
        if failed:
            return "onChange: " + message
        del self.own.due[ref]
        return ""

    def finish(self) -> None:
        """What an earlier visit left due, and what was marked stale although nothing happened to it."""
        for entry in self.payload["own"]:
            ref = _ref(entry)
            meant = self.own.due_for.get(ref, entry["digest"])
            if ref in self.own.due and ref not in self.touched and meant == entry["digest"]:
                failure = self.on_change(ref)
                if failure:
                    outcome = dict(_outcome("failed", failure, {"title": "onChange"}, True))
                    self.extra.append(dict(outcome, kind=entry["kind"], name=entry["name"]))
        idle = {_ref(c) for c, o in zip(self.changes, self.outcomes) if o is not None and not o["changed"]}
        for service, refs in self.own.loaded.items():
            for ref in refs:
                if ref in idle and refs[ref] == "":
                    refs[ref] = self.before_loaded.get(service, {}).get(ref, "")
        for change, known in zip(self.changes, self.outcomes):
            if known is not None and known["result"] != "ok" and not known["changed"]:
                self.own.due.pop(_ref(change), None)
                if _ref(change) in self.before_due:
                    self.own.due[_ref(change)] = self.before_due[_ref(change)]
        ops.sweep()

    def remember(self, readings: List[Reading]) -> None:
        """Confirm what was written down, in the light of the reading after it."""
        there = {(kind, name): reading for (kind, name, _), reading in zip(self.looks, readings)}
        for change, outcome in zip(self.changes, self.outcomes):
            key = (change["kind"], change["name"])
            well = outcome is not None and outcome["result"] == "ok"
            if change["own"] is None:
                if well:
                    self.own.note(key[0], key[1], None)
            elif well:
                self.own.note(key[0], key[1], change["own"])
            elif self.own.owned.get(key, {}).get("pending"):
                self.settle_pending(key, change, there.get(key))
        for entry in self.payload["own"]:
            kept = self.own.owned.get((entry["kind"], entry["name"]), {})
            if kept.get("pending") and kept.get("digest") != entry["digest"]:
                continue  # what was cut short here is another version: whether it was made is not known there yet
            self.own.note(entry["kind"], entry["name"], entry)
            loaded = entry["spec"].get("loaded")
            if isinstance(loaded, dict):  # never recorded counts as loaded
                self.own.loaded[_ref(entry)] = dict(loaded, **self.own.loaded.get(_ref(entry), {}))
        for kind, name in self.payload["disown"]:
            self.own.note(kind, name, None)
        for key, entry in list(self.own.owned.items()):
            # Written down before ops whose end nobody recorded: the reading says whether they made it.
            if entry.get("pending") and key in there:
                if "state" in there[key]:
                    entry.pop("pending")
                elif there[key].get("absent"):
                    self.own.note(key[0], key[1], None)
        if self.payload.get("forget") and all(o is not None and o["result"] == "ok" for o in self.outcomes):
            self.own.remove()
        else:
            self.note_down()

    def settle_pending(self, key: Tuple[str, str], change: Dict[str, Any], reading: Optional[Reading]) -> None:
        """A change that did not go well: what was owned before stays as it was, and a thing half made is ours."""
        if key in self.before_owned:
            self.own.owned[key] = self.before_owned[key]
        elif reading is not None and "state" in reading and change["action"] in ("create", "replace"):
            self.own.note(key[0], key[1], change["own"])
        else:
            self.own.owned.pop(key, None)


def judge(change: Dict[str, Any], reading: Reading, known: bool) -> Optional[Dict[str, Any]]:
    """None: go on. Otherwise the outcome: stale, or done already. `known`: the host's own file has it."""
    if "unknown" in reading:
        return _outcome("stale", "it can't be read now: %s" % reading["unknown"])
    if isinstance(reading.get("state"), dict):  # what is of the moment differs at each look, and is no change
        moments = change.get("moments", ())
        reading = dict(reading, state={name: v for name, v in reading["state"].items() if name not in moments})
    if _canonical(reading) == _canonical(change["have"]):
        return None
    after = change["after_state"]
    if after.get("absent") and reading.get("absent"):
        return _outcome("ok", "done already")
    if "state" in after and isinstance(reading.get("state"), dict):
        state = reading["state"]
        if all(
            name in state and _canonical(state[name]) == _canonical(value) for name, value in after["state"].items()
        ):
            if change["action"] == "create" and not known:
                # No visit of ours was cut off here, so somebody else made it: it is theirs, and will be adopted.
                return _outcome("stale", "it is there already, and not by trueup")
            return _outcome("ok", "done already")
    return _outcome("stale", "it has changed since it was looked at")


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _ref(entry: Dict[str, Any]) -> str:
    return "%s/%s" % (entry["kind"], entry["name"])


def _outcome(
    result: str, message: str = "", op: Optional[Dict[str, Any]] = None, changed: bool = False, seconds: float = 0.0
) -> Dict[str, Any]:
    title = str(op.get("title") or op.get("module") or "") if op else ""
    return {"result": result, "message": message, "op": title, "changed": changed, "seconds": round(seconds, 3)}
