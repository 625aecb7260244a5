"""What crosses the socket: one JSON document a line, a question, then an answer or a stream of events.

    → {"version": 1, "ask": "status", "args": {…}}
    ← {"ok": {…}}                                        the answer, and the end
    ← {"event": {…}}                                     a stream: any number of these, then {"end": true}
    ← {"beat": true}                                     every few seconds while an answer is worked on: nothing hangs
    ← {"refused": [problem, …]}                          what was wrong, and the end

Both ends are one version of trueup; the number is there so that an upgrade in between is said in words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from ..core.kind import Code
from ..core.model import Json
from ..core.problem import Problem, Refused

VERSION = 1

QUESTION_LIMIT = 1024 * 1024
"""Bytes of one question: names, a selector, a reason. What is longer is meant to fill the daemon's memory."""
LONG_LIMIT = 256 * 1024 * 1024
"""Bytes of the one long question: the plan of a revision sends all that it wants, 40 MB at 10,000 hosts × 50 resources.
The daemon takes one of these at a time."""
LONG = b'{"version":1,"ask":"plan",'
"""How the long question begins, as `question` writes it: its length is known to be meant before it has come."""
ANSWER_LIMIT = 1024 * 1024 * 1024
"""Bytes of one answer or event that a client takes."""

CODES: Mapping[str, Code] = {
    "door-version": Code.error(
        "The daemon and the command are of different versions.",
        "systemctl restart trueup (or end the daemon and start it again).",
    ),
    "door-malformed": Code.error(
        "What came over the socket is no question of trueup's.",
        "Ask with the command; programs use its --format json.",
    ),
    "door-too-long": Code.error("The question is longer than the daemon takes.", "Narrow what is asked."),
    "door-too-slow": Code.error(
        "The question did not come whole in time, or another long one was still being answered.",
        "Ask again.",
    ),
    "door-unknown-ask": Code.error("The daemon knows no such question.", "Restart it: it may be an older version."),
    "door-bad-argument": Code.error("An argument of the question has the wrong form.", "See the command's --help."),
    "door-denied": Code.error(
        "The daemon's socket is there, but this user may not use it.",
        "Be a member of the group trueup (usermod -aG trueup NAME, then log in again), or use sudo.",
    ),
    "door-silent": Code.error(
        "The daemon took the question and then said nothing for too long, or went away.",
        "Look at its log (journalctl -u trueup); trueup doctor.",
    ),
    "door-taken": Code.error(
        "Another daemon answers on this socket already.",
        "End it first, or name another one: TRUEUP_FLEET or TRUEUP_SOCKET.",
    ),
    "door-unwritable": Code.error(
        "The socket can't be made there.",
        "Run as root or as trueup's user; or set TRUEUP_RUN_DIR to a folder that you own.",
    ),
    "no-daemon": Code.error(
        "This can only be asked of a running daemon, and none answers.",
        "trueup serve --repo PATH starts one.",
    ),
    "bug": Code.error(
        "A fault of trueup itself.",
        "Report it with the daemon's log of that moment.",
    ),
}

_NEVER = re.compile("[\0\ud800-\udfff]")

ASKER_ERRS = frozenset({"selector", "door-bad-argument", "not-one-commit", "bad-span", "why-missing"})
"""Codes of what whoever asks has written wrongly: a usage error in the terminal, 400 on the page."""


def refused(code: str, message: str = "", hint: str = "") -> Refused:
    """A Refused with one problem of CODES."""
    return Refused(Problem(code=code, message=message or CODES[code].meaning, hint=hint or CODES[code].cure))


def pack(document: Mapping[str, Json]) -> bytes:
    """One line. JSON's own escapes keep every line break and every lone surrogate of a host's out of it."""
    return json.dumps(document, separators=(",", ":"), default=_plain).encode("ascii") + b"\n"


def is_text(value: Json) -> TypeGuard[str]:
    """Whether an argument is text that may be meant: neither too long, nor with what no name holds and the state file
    can't take (NUL; halves of a UTF-16 pair, which JSON's escapes allow and UTF-8 doesn't)."""
    return isinstance(value, str) and len(value) <= 4096 and not _NEVER.search(value)


def question(name: str, args: Mapping[str, Json]) -> bytes:
    """The line that asks `name`."""
    return pack({"version": VERSION, "ask": name, "args": dict(args)})


def _plain(value: Any) -> Json:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset, tuple)):
        return sorted(value) if isinstance(value, (set, frozenset)) else list(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def unpack(line: bytes) -> dict[str, Json]:
    """A line back. Raises ValueError for whatever is no JSON object, however it is broken."""
    try:
        document = json.loads(line.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document


class Lines:
    """Lines out of a stream of bytes, none longer than `limit`; `longer` may allow one more, by how it begins."""

    def __init__(
        self, receive: Callable[[int], bytes], limit: int, longer: Callable[[bytes], int] = lambda head: 0
    ) -> None:
        self._receive = receive
        self._limit = limit
        self._longer = longer
        self._rest = b""

    def next(self) -> bytes | None:
        """The next line without its end; None when the other side has closed. Raises OverflowError beyond the limit,
        OSError (TimeoutError too) as the socket does."""
        size, limit = 0, self._limit
        parts: list[bytes] = []
        chunk, self._rest = self._rest, b""
        while True:
            head, newline, tail = chunk.partition(b"\n")
            size += len(head)
            parts.append(head)
            if size > limit:
                limit = self._longer(b"".join(parts)[:64])
                if size > limit:
                    raise OverflowError
            if newline:
                self._rest = tail
                return b"".join(parts)
            chunk = self._receive(1 << 20)
            if not chunk:
                return None


def problems_json(given: Refused) -> list[Json]:
    return [
        {**problem.json(), "label": problem.label, "length": problem.length, "who": problem.who}
        for problem in given.problems
    ]


def problems_of(listed: Json) -> Refused:
    """Problems that came over the wire; hostile or newer ones lose what isn't known here."""
    known = {"code", "message", "path", "line", "column", "severity", "hint", "label", "length", "who"}
    made = []
    for item in listed if isinstance(listed, list) else []:
        if isinstance(item, dict) and isinstance(item.get("message"), str):
            made.append(Problem(**{"code": "unknown", **{name: item[name] for name in known & item.keys()}}))
    return Refused(*made) if made else refused("door-silent", "the daemon refused, and did not say why")
