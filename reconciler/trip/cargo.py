"""Contents that ops need on their host travel ahead of the visit, into the host's store: only what it lacks.

The worker of a host (collection/…/action/visit.py) has the connection, this process has the contents. They talk over a
socket in the run's folder: the worker says which host it is for; then line by line, in JSON, it is told what to send
in one exec ({"parts", "limit", "visit"}: with `visit` the order follows in the same exec), puts the answer into the host's
answer file, and says so; the end is {"visited": true} or {"stop": true}.

Where little is new by what is known, one exec brings that and the visit, which runs when nothing is lacking then. Else
the host is asked first, and then sent what it lacks, as many bytes an exec as a worker may hold in memory (`share`), the
visit behind the last of them. What came whole when a connection breaks need not be sent again.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from ..core.model import PACKINGS, Freight, Host, Json, Trouble, Visit
from ..core.problem import Refused
from . import troubles, wire
from .bundler import receiver
from .pack import BROTLI, GZIP, Item, Pack, Part

MEMORY = 512 * 1024 * 1024
"""Bytes that all workers of a run hold together."""
MOST = 48 * 1024 * 1024
"""Bytes of one exec: its end is what the reader of a long deploy hears next, and an exec costs a host no more than this
many bytes do."""
SLOWEST = 64 * 1024
"""Bytes a second: a connection that brings less is taken for one that hangs."""
MOST_ANSWER = 4 * 1024 * 1024
EARLY = 1000
"""Contents that are packed while hosts are connected to: what was never packed before, hosts lack, as a rule."""
AHEAD = 64
"""Contents that are made while earlier ones are sent."""
FEW = 64
"""New contents that go unasked, when they are not more bytes than LITTLE."""
LITTLE = 1024 * 1024

WANT = 21
"""Bytes of a question, an id and bits (host/receive.py)."""

OnWords = Callable[[str, str], None]
Adds = Callable[[bytes], Part]


def share(workers: int) -> int:
    """Bytes of one exec where so many workers hold as much at once."""
    return min(MOST, MEMORY // max(1, workers))


def freight(visit: Visit) -> tuple[Freight, ...]:
    """All that the visit's ops want in the host's store, each id once, sorted."""
    wanted: dict[str, Freight] = {}
    for change in visit.changes:
        for op in visit.ops.get(change.key, ()):
            for one in op.cargo:
                had = wanted.setdefault(one.blob, one)
                if had is not one:
                    wanted[one.blob] = replace(
                        had,
                        packed=had.packed | one.packed,
                        doubted=had.doubted or one.doubted,
                        there=had.there if had.there == one.there else None,
                    )
    return tuple(wanted[blob] for blob in sorted(wanted))


@dataclass
class Load:
    """What one host is to be sent, and how far that is."""

    host: Host
    freight: tuple[Freight, ...]
    answer: Path
    """Where its worker puts what the host says."""
    limit: float
    """Seconds for a question."""
    sent: bool = False
    """The visit was sent: it may have begun."""
    trouble: Trouble | None = None
    """Why its visit stops before anything of it is done."""
    mark: str = field(default_factory=lambda: "TRUEUP-" + secrets.token_hex(8))


class Stop(Exception):
    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.why)
        self.trouble = trouble


class Depot:
    """Serves the workers of one run, each in a thread of its own; `on_words` is called in those."""

    def __init__(
        self, folder: Path, pack: Pack, loads: Mapping[str, Load], add: Adds, on_words: OnWords, *, at_once: int
    ) -> None:
        """`at_once`: how many workers there may be at one time."""
        self._pack, self._add, self._on_words = pack, add, on_words
        self._most = share(min(at_once, len(loads)))
        self.loads = loads
        program = receiver()
        self._head = add(b"%d\n" % len(program) + program)
        self._adding = threading.Lock()
        self._listening = socket.socket(socket.AF_UNIX)
        with short(folder) as path:
            self._listening.bind(f"{path}/cargo")
        self._listening.listen(128)
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._accepts = threading.Thread(target=self._accept, name="cargo", daemon=True)
        self._accepts.start()
        early = {one.blob: one for load in loads.values() for one in load.freight if one.packed}
        for one in islice(early.values(), EARLY):
            for form in _forms_of(one):
                pack.ahead(one.blob, form)

    def close(self) -> None:
        """End all talks: what is being sent then fails."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._accepts.join()
        self._listening.close()
        for talking in list(self._open):
            with suppress(OSError):
                talking.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._pack.close()

    def _accept(self) -> None:
        while True:
            try:
                worker, _ = self._listening.accept()
            except OSError:
                return
            self._open.add(worker)
            thread = threading.Thread(target=self._serve, args=(worker,), name="cargo", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, worker: socket.socket) -> None:
        with worker, worker.makefile("rwb") as file, suppress(OSError, ValueError):
            lines = cast(BinaryIO, file)
            alias = lines.readline(64).decode().strip()
            load = self.loads[alias]
            try:
                self._talk(alias, load, lambda step: _exchange(lines, step))
            except Stop as stop:
                load.trouble = stop.trouble
            except (Refused, CancelledError) as refused:
                why = (
                    "; ".join(p.message for p in refused.problems) if isinstance(refused, Refused) else "the run ended"
                )
                load.trouble = troubles.trouble("cargo", load.host, why)
            except wire.BadAnswer as error:
                load.trouble = troubles.trouble("bad-answer", load.host, str(error))
            except BrokenPipeError:
                return  # the worker has given up, and says why itself
            except OSError as error:
                load.trouble = troubles.trouble("cargo", load.host, f"{error.filename or 'here'}: {error.strerror}")
            lines.write(b'{"visited": true}\n' if load.trouble is None else b'{"stop": true}\n')
            lines.flush()
        self._open.discard(worker)

    def _talk(self, alias: str, load: Load, exchange: Callable[[dict[str, Json]], None]) -> None:
        """Send what is lacking, and the visit. Raises Stop, Refused, BadAnswer, OSError."""

        def asked(wants: bytes, items: Sequence[Item], *, visit: bool) -> Mapping[str, Json] | None:
            """What the host says of its store; None where the visit was its answer."""
            told = {"mark": load.mark, "wants": len(wants) // WANT, "items": len(items), "visit": visit}
            head = self._added(json.dumps(told).encode() + b"\n" + wants)
            limit = _bytes(items) / SLOWEST + (0 if visit else load.limit)
            load.sent = visit
            exchange({"parts": [self._head, head, *_joined(items)], "limit": limit, "visit": visit})
            answer = _answer(load, visit)
            if answer is not None:
                load.sent = False
                self._stop(load, answer)
            return answer

        little = self._little(load.freight)
        if little is not None:
            wants = b"".join(_want(one, 0) for one in load.freight)
            if asked(wants, little, visit=True) is None:
                return
        wants = b"".join(_want(one, _packed(one) | one.doubted) for one in load.freight)
        answer = asked(wants, (), visit=False) or {}
        lacking = _lacking(answer, load.freight)
        sent = files = 0
        for count, items, last in self._chunks(lacking, _begun(answer, load.freight)):
            if (asked(b"", items, visit=last) is None) != last:
                raise wire.BadAnswer("it doesn't go on with the visit")
            sent, files = sent + _bytes(items), files + count
            if items:
                self._on_words(alias, f"sent {files} of {len(lacking)} contents, {_megabytes(sent)}")

    def _little(self, freight: Sequence[Freight]) -> list[Item] | None:
        """What is new, when it is so little that it goes unasked."""
        new = [one for one in freight if not one.there]
        if len(new) > FEW or any(one.doubted or one.there is None for one in freight):
            return None
        found = [item for items in self._forms([(one, 1 | _packed(one)) for one in new], {}) for item in items]
        return found if _bytes(found) <= LITTLE else None

    def _added(self, data: bytes) -> Part:
        with self._adding:
            return self._add(data)

    def _chunks(
        self, lacking: list[tuple[Freight, int]], begun: Mapping[tuple[str, int], int]
    ) -> Iterator[tuple[int, list[Item], bool]]:
        """For each exec how many contents are dealt with by it, what goes in it, and whether it is the last."""
        chunk: list[Item] = []
        size = count = 0
        for items in self._forms(lacking, begun):
            for item in items:
                if chunk and size + item.part[2] > self._most:
                    yield count, chunk, False
                    chunk, size, count = [], 0, 0
                chunk.append(item)
                size += item.part[2]
            count += 1
        yield count, chunk, True

    def _forms(
        self, lacking: list[tuple[Freight, int]], begun: Mapping[tuple[str, int], int]
    ) -> Iterator[tuple[Item, ...]]:
        """For each content the items to send: of the content and its gzip form that form alone, where there is one worth it;
        and its brotli form."""
        making: deque[tuple[Freight, int, list[Future[tuple[Item, ...]]]]] = deque()
        coming = iter(lacking)
        while True:
            for one, bits in islice(coming, AHEAD - len(making)):
                forms = ([GZIP if "gzip" in one.packed else 0] if bits & 3 else []) + [BROTLI] * (bits >> BROTLI)
                making.append((one, bits, [self._pack.items(one.blob, form) for form in forms]))
            if not making:
                return
            one, bits, made = making.popleft()
            found = [form for form in (each.result() for each in made) if form]
            if bits & 1 and not any(form[0].form != BROTLI for form in found):
                found.insert(0, self._pack.items(one.blob, 0).result())
            yield tuple(
                item
                for form in found
                for item in form
                if item.end > begun.get((one.blob, item.form), 0) or item is form[-1]
            )

    def _stop(self, load: Load, answer: Mapping[str, Json]) -> None:
        """Raise Stop where the host says that something is wrong."""
        told = answer.get("trouble")
        if not isinstance(told, dict):
            return
        code, why = str(told.get("code")), str(told.get("why", ""))
        if code == "altered":
            if why in {one.blob for one in load.freight}:
                self._pack.distrust(why)
            code, why = "store", f"{why} is not what was sent"
        raise Stop(troubles.trouble(code if code in ("disk-full", "busy") else "store", load.host, why))


def _exchange(lines: BinaryIO, step: Mapping[str, Json]) -> None:
    """Have the worker make one exec, and wait until it has. Raises BrokenPipeError when it gave up."""
    lines.write(json.dumps(step).encode() + b"\n")
    lines.flush()
    if not lines.readline(64):
        raise BrokenPipeError


def _answer(load: Load, visit: bool) -> Mapping[str, Json] | None:
    """What the host said of its store. None where the visit was sent, and what it said is that one's: it stays in the
    file. Raises BadAnswer."""
    try:
        big = load.answer.stat().st_size > MOST_ANSWER
        said = "" if big else load.answer.read_text(encoding="ascii", errors="replace")
        if visit and f"\n{load.mark} " not in said:
            return None
        load.answer.unlink()
    except FileNotFoundError:
        raise wire.BadAnswer("there is none") from None
    if big:
        raise wire.BadAnswer("it is too big")
    return wire.unframe(said, load.mark)


def _want(one: Freight, bits: int) -> bytes:
    return bytes.fromhex(one.blob) + bytes([bits])


def _packed(one: Freight) -> int:
    """The packed forms that are wanted, with 1 << its number for each."""
    return sum(1 << form for form in _forms_of(one))


def _forms_of(one: Freight) -> tuple[int, ...]:
    """The numbers of the packed forms that are wanted."""
    return tuple(form for form, name in enumerate(PACKINGS, 1) if name in one.packed)


def _lacking(answer: Mapping[str, Json], wanted: Sequence[Freight]) -> list[tuple[Freight, int]]:
    """What the host lacks, with 1 for the content, and for packed forms as `_packed` has it. Raises BadAnswer."""
    try:
        bits = bytes.fromhex(answer["lacks"])
    except (KeyError, TypeError, ValueError):
        raise wire.BadAnswer("it doesn't say what is lacking") from None
    if len(bits) != len(wanted) or any(told & ~(1 | _packed(one)) for told, one in zip(bits, wanted, strict=True)):
        raise wire.BadAnswer("it speaks of what wasn't asked for")
    return [(one, told) for one, told in zip(wanted, bits, strict=True) if told]


def _begun(answer: Mapping[str, Json], wanted: Sequence[Freight]) -> dict[tuple[str, int], int]:
    """(id, form) → bytes of it that are on the host already. Raises BadAnswer."""
    found = {}
    try:
        for index, form, size in answer.get("begun") or ():
            if not 0 <= index < len(wanted) or form not in range(1 + len(PACKINGS)) or not isinstance(size, int):
                raise ValueError
            found[wanted[index].blob, form] = size
    except (TypeError, ValueError):
        raise wire.BadAnswer("it doesn't say what has begun") from None
    return found


def _joined(items: Sequence[Item]) -> list[Part]:
    """The items' parts, those that lie one after the other as one."""
    parts: list[Part] = []
    for item in items:
        path, offset, length = item.part
        if parts and parts[-1][0] == path and parts[-1][1] + parts[-1][2] == offset:
            parts[-1] = (path, parts[-1][1], parts[-1][2] + length)
        else:
            parts.append(item.part)
    return parts


def _bytes(items: Sequence[Item]) -> int:
    return sum(item.part[2] for item in items)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size < 1e7 else f"{size / 1e6:.0f} MB"


@contextmanager
def short(folder: Path) -> Iterator[str]:
    """A path of `folder` that is short enough for a socket in it (unix(7)), however long its own is."""
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{at}"
    finally:
        os.close(at)
