"""What travels: the order that goes to a host, and the answer that comes back. The answer is hostile until it is read here.

An order (JSON; host/visit.py is its reader): format, fleet, holder, lease (seconds), machineId, ansible, mark,
looks [[kind, name, request]], changes [{kind, name, action, look, have, moments (fields of a state that no `have` has), after_state, after, ops,
own, onChange, loaded, error}], own, disown; and, where they are meant, forget (true: remove the host's file when
all went well), judge (true: run no op, say which would run), settled [[kind, name, loaded]] (done by other means). An answer: format, machineId, facts, magic, readings (one a look, in order), outcomes (one
a change), extra, owned, trouble.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import secrets
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from ..core.kind import Kinds
from ..core.model import (
    NOTHING,
    Change,
    Json,
    Key,
    Observation,
    Op,
    Origin,
    Outcome,
    Owned,
    Reading,
    Report,
    Result,
    State,
    Unknown,
    Visit,
    digest,
    observation,
    reading_json,
)
from ..core.predict import owned_after
from ..core.problem import Refused
from ..ports import Opener
from ..settings import Settings
from . import troubles

LEASE = 1800.0
"""Seconds for which a host stays with the controller that last changed it."""
MOST_PACKED = 48 * 1024 * 1024
MOST_UNPACKED = 192 * 1024 * 1024
"""Bytes of an answer, as it comes and unpacked: 64 KiB for each of 2,000 files, and more."""
MOST_SAID = MOST_PACKED + 1024 * 1024
"""Bytes of all that comes: an answer, and what a login may print around it."""
MOST_VALUES = 2_000_000
"""Values in an answer. Each costs up to 100 bytes here, `[],` as it comes only 3: without this a host that sends what
packs well takes all memory. 100,000 owned things have 1.5 million."""
_VALUE = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\Z)|[,\[{]', re.DOTALL)
"""A string (passed over), or a sign that another value follows. An unfinished string ends with the text, so that the
search stays linear."""
_DIGEST = re.compile(r"[0-9a-f]{0,16}")
MOST_STATE = 2 * 1024 * 1024
"""Bytes of one reading's JSON."""
MOST_OWNED = 100_000
LONG_TEXT = 1024
"""Characters of a spec's text that the host's file keeps; longer ones (a file's content) by digest only."""


class BadAnswer(Exception):
    """What came back is not an answer; the text says how."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """A visit made ready to travel."""

    visit: Visit
    mark: str
    """Random, frames the answer: nothing that a login prints can look like it."""
    modules: frozenset[str]
    payload: bytes


def order(
    visit: Visit, kinds: Kinds, settings: Settings, opener: Opener, ansible: str, *, adds: Mapping[str, Json] = NOTHING
) -> Order:
    """The one place where what is sealed is opened, for its own host. What can't be opened fails its change alone."""
    mark = "TRUEUP-" + secrets.token_hex(8)
    index = {look.key: number for number, look in enumerate(visit.looks)}
    at = {change.key: number for number, change in enumerate(visit.changes)}
    changes = [_change(change, visit, kinds, opener, index, at) for change in visit.changes]
    body = {
        "format": 1,
        "fleet": visit.fleet,
        "holder": settings.controller_id,
        "lease": LEASE,
        "machineId": visit.machine_id,
        "ansible": ansible,
        "mark": mark,
        "looks": [[look.key.kind, look.key.name, dict(look.request)] for look in visit.looks],
        "changes": changes,
        "own": [{"kind": own.key.kind, "name": own.key.name, **_owned_json(own)} for own in visit.own],
        "disown": [[key.kind, key.name] for key in visit.disown],
        **adds,
    }
    text = json.dumps(body, separators=(",", ":"), default=dict).encode("utf-8", "surrogatepass")
    modules = frozenset(op.module for ops in visit.ops.values() for op in ops)
    return Order(visit=visit, mark=mark, modules=modules, payload=zlib.compress(text, 1))


def _change(
    change: Change, visit: Visit, kinds: Kinds, opener: Opener, looks: Mapping[Key, int], at: Mapping[Key, int]
) -> dict[str, Json]:
    error, ops = "", []
    try:
        ops = [op_json(op, visit.host.name, opener) for op in visit.ops.get(change.key, ())]
    except Refused as refused:
        error = "; ".join(problem.message for problem in refused.problems)
    want = change.want
    owned = owned_after(change, change.source.commit)
    loaded = want.spec.get("loaded") if want is not None else None
    return {
        "kind": change.key.kind,
        "name": change.key.name,
        "action": change.action.value,
        "look": looks.get(change.key),
        "have": reading_json(change.have),
        "moments": list(kinds[change.key.kind].moments),
        "after_state": reading_json(kinds[change.key.kind].after(change)),
        "after": sorted(at[key] for key in change.after if key in at),
        "ops": ops,
        "own": _owned_json(owned) if owned is not None else None,
        "onChange": want.on_change if want is not None else "",
        "loaded": dict(loaded) if isinstance(loaded, Mapping) else None,
        "error": error,
    }


def _owned_json(owned: Owned) -> dict[str, Json]:
    spec = {
        name: {"digest": digest(value)} if isinstance(value, str) and len(value) > LONG_TEXT else value
        for name, value in owned.spec.items()
    }
    return {
        "origin": owned.origin.value,
        "digest": owned.digest,
        "commit": owned.commit,
        "onRemove": owned.on_remove,
        "spec": spec,
    }


def op_json(op: Op, host: str, opener: Opener) -> dict[str, Json]:
    """An op with its sealed values opened; bytes that are no text travel as base64. Raises Refused."""
    args = opened(op.args, host, opener)
    content = op.args.get("content")
    if isinstance(content, Mapping) and ("sealed" in content or "join" in content):
        args["secret"] = True
    return {"module": op.module, "args": args, "title": op.title, "limit": op.limit}


def opened(value: Json, host: str, opener: Opener) -> Json:
    if isinstance(value, Mapping):
        if "join" in value:
            return "".join(str(opened(part, host, opener)) for part in value["join"])
        if "sealed" in value or "blob" in value:
            data = opener.open(host, value)
            try:
                return data.decode("utf-8")
            except UnicodeDecodeError:
                return {"base64": base64.b64encode(data).decode("ascii")}
        return {name: opened(inner, host, opener) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [opened(inner, host, opener) for inner in value]
    return value


# ---------------------------------------------------------------- the answer


def unframe(text: str, mark: str) -> Mapping[str, Json]:
    """The answer within all that a login may have printed around it. Raises BadAnswer."""
    start = text.rfind(f"\n{mark} ")
    if start < 0:
        raise BadAnswer("there is none")
    head, _, rest = text[start + 1 :].partition("\n")
    try:
        length = int(head.split(" ")[1])
        packed = base64.b64decode(rest[:length].encode("ascii"), validate=True)
    except (ValueError, IndexError, binascii.Error):
        raise BadAnswer("its frame is broken") from None
    if not 0 < length <= MOST_PACKED or len(rest) < length:
        raise BadAnswer("it is cut off" if length <= MOST_PACKED else "it is too big")
    unpack = zlib.decompressobj()
    try:
        data = unpack.decompress(packed, MOST_UNPACKED)
        if not unpack.eof:
            raise BadAnswer("it is too big, or cut off")
        if next(islice(_VALUE.finditer(data), 2 * MOST_VALUES, None), None) is not None:
            raise BadAnswer("it is too big")
        answer = json.loads(data.decode("utf-8", "surrogatepass"), parse_constant=_no_constant, parse_float=_finite)
    except (zlib.error, ValueError, RecursionError) as error:
        raise BadAnswer(f"it can't be read ({type(error).__name__})") from None
    if not isinstance(answer, dict) or answer.get("format") != 1:
        raise BadAnswer("it is of another format")
    return answer


def _no_constant(name: str) -> Json:
    raise ValueError(name)


def _finite(text: str) -> float:
    """1e999 reads as infinity, which no JSON of ours may hold."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def report(visit: Visit, answer: Mapping[str, Json], now: float, connect: float) -> Report:
    """An answer as a Report: only what was asked for, of the right shape and size. Raises BadAnswer."""
    host = visit.host
    trouble = None
    told = answer.get("trouble")
    if isinstance(told, dict):
        code = told.get("code")
        known = code if code in ("reborn", "leased", "busy", "disk-full", "host-error") else "host-error"
        trouble = troubles.trouble(str(known), host, str(told.get("why", "")), connect)
    machine_id = answer.get("machineId")
    if not isinstance(machine_id, str) or len(machine_id) > 64 or not machine_id.isalnum():
        machine_id = ""
    base = Report(host=host.name, trouble=trouble, machine_id=machine_id, facts=_facts(answer.get("facts"), now))
    if trouble is not None and "outcomes" not in answer:
        return base
    owned = answer.get("owned")
    return Report(
        host=host.name,
        trouble=trouble,
        outcomes=_outcomes(visit, answer),
        readings=_readings(visit, answer.get("readings"), now),
        owned=_owned(host.name, owned) if isinstance(owned, list) else None,
        machine_id=machine_id,
        facts=base.facts,
    )


def _readings(visit: Visit, given: Json, now: float) -> tuple[Reading, ...]:
    if not isinstance(given, list) or len(given) != len(visit.looks):
        raise BadAnswer("not as many readings as were asked for")
    return tuple(Reading(key=look.key, seen=_seen(one), at=now) for look, one in zip(visit.looks, given, strict=True))


def _seen(given: Json) -> Observation:
    try:
        size = len(json.dumps(given))
        if size > MOST_STATE:
            return Unknown(f"its reading is too big ({size} bytes)")
        seen = observation(given)
    except (ValueError, AttributeError, RecursionError):
        return Unknown("its reading makes no sense")
    return Unknown(troubles.clean(seen.why)) if isinstance(seen, Unknown) else seen


def _outcomes(visit: Visit, answer: Mapping[str, Json]) -> tuple[Outcome, ...]:
    given, extra = answer.get("outcomes"), answer.get("extra")
    if not isinstance(given, list) or len(given) != len(visit.changes):
        raise BadAnswer("not as many outcomes as there were changes")
    found = [_outcome(change.key, one) for change, one in zip(visit.changes, given, strict=True)]
    adopted = {(own.key.kind, own.key.name): own.key for own in visit.own}
    for one in extra if isinstance(extra, list) else ():
        key = adopted.get((str(one.get("kind")), str(one.get("name")))) if isinstance(one, dict) else None
        if key is not None:
            found.append(_outcome(key, one))
    return tuple(found)


def _outcome(key: Key, given: Json) -> Outcome:
    if not isinstance(given, dict):
        raise BadAnswer("an outcome makes no sense")
    try:
        result = Result(given.get("result"))
    except ValueError:
        raise BadAnswer("an outcome makes no sense") from None
    seconds = given.get("seconds")
    return Outcome(
        key=key,
        result=result,
        message=troubles.clean(str(given.get("message") or ""), 2000),
        op=troubles.clean(str(given.get("op") or "")),
        changed=given.get("changed") is True,
        seconds=float(seconds) if isinstance(seconds, (int, float)) and 0 <= seconds < 1e6 else 0.0,
    )


def _owned(host: str, given: Sequence[Json]) -> tuple[Owned, ...]:
    """The host's own list; an entry that makes no sense is left out, as nothing may be deleted because of it."""
    found = []
    for entry in given[:MOST_OWNED]:
        if not isinstance(entry, dict) or not isinstance(entry.get("spec"), dict):
            continue
        texts = [entry.get(name) for name in ("kind", "name", "digest", "commit", "onRemove")]
        if entry.get("origin") in ("created", "found") and all(isinstance(t, str) and len(t) < 4096 for t in texts):
            kind, name, told, commit, on_remove = (str(text) for text in texts)
            if not _DIGEST.fullmatch(told):
                continue
            found.append(
                Owned(
                    key=Key(host, kind, name),
                    origin=Origin(entry["origin"]),
                    spec=entry["spec"],
                    digest=told,
                    commit=commit,
                    on_remove=on_remove,
                )
            )
    return tuple(found)


def _facts(given: Json, now: float) -> State:
    facts: dict[str, Json] = {}
    if not isinstance(given, dict):
        return facts
    for name in ("os", "kernel", "arch", "python", "packageManager", "init"):
        if isinstance(given.get(name), str):
            facts[name] = troubles.clean(given[name], 100)
    for name, most in (("uptime", 1e10), ("clock", 1e12)):
        value = given.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < most:
            facts[name] = float(value)
    clock = facts.pop("clock", None)
    if clock is not None:
        facts["clockSkew"] = round(clock - now, 1)
    return facts


def lost(visit: Visit, why: str) -> tuple[Outcome, ...]:
    """Outcomes of a visit whose end nobody heard."""
    return tuple(Outcome(key=change.key, result=Result.LOST, message=why) for change in visit.changes)
