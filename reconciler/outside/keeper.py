"""All outside sources of one controller: asked when somebody says so, known from disk at any time.

    stateDir/content.git          what they came to (repo/content.py): KEY/now, and KEY/was/… for the last few
    stateDir/outside/lock         one process at a time asks and writes
    stateDir/outside/mirrors/     other Git repositories, as far as they were fetched
    stateDir/outside/troubles.json   what can't be reached, and since when

A plan asks nobody: `known` reads a ref. What is on its way is a temporary file without a name or an object that nothing
refers to yet, so a kill leaves what was, and the next refresh goes on from there.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..core.model import Json
from ..core.problem import Problem, Refused, in_order
from ..repo import Content, Credentials, Kept
from ..settings import Settings
from . import asking
from .names import Limits
from .port import Resolved, Trouble
from .spec import GitSource, Source, key_of, source_of
from .troubles import on_disk, refused
from .trust import Trust

_AT_ONCE = 4
_WAIT = 30.0
"""Seconds to wait for another process that asks."""
_REMEMBERED = 64

Told = Source | Mapping[str, Json]


class Sources:
    """Implements Outside. May be used from several threads and processes."""

    def __init__(
        self,
        state_dir: Path,
        trust: Trust,
        limits: Limits | None = None,
        credentials: Credentials | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.limits = limits or Limits()
        self.content = Content(state_dir / "content.git")
        self._room = state_dir / "outside"
        self._trust = trust
        self._credentials = credentials or Credentials()
        self._now = now
        self._lock = threading.Lock()
        self._read: OrderedDict[str, Resolved] = OrderedDict()

    @classmethod
    def of(cls, settings: Settings) -> Sources:
        limits = replace(Limits(), size=settings.content_limit * 1024 * 1024)
        return cls(settings.state_dir, Trust(settings.content_from), limits, Credentials.of(settings))

    # ---- what is known

    def known(self, told: Told) -> Resolved | None:
        """What the source came to when it was asked last, None when it never was. Raises Refused (source-spec)."""
        kept = self.content.kept(f"{_key(told)}/now")
        return None if kept is None else self._resolved(kept)

    def before(self, told: Told) -> Sequence[Resolved]:
        """What it came to before that, newest first; as many as `tidy` left."""
        kept = [self.content.kept(name) for name in self.content.names(f"{_key(told)}/was/")]
        return [self._resolved(one) for one in reversed(kept) if one is not None]

    def trouble(self, told: Told) -> Trouble | None:
        """Why it could not be asked last time, and since when; None when it could."""
        found = self._troubles().get(_key(told))
        return None if found is None else Trouble.of(found)

    def blob(self, id: str) -> bytes:
        """The bytes of a file of something that is known. Raises Refused when it isn't here."""
        return self.content.read(id)

    def _resolved(self, kept: Kept) -> Resolved:
        with self._lock:
            if kept.id not in self._read:
                note = json.loads(kept.note)
                self._read[kept.id] = Resolved(
                    tree=kept.tree,
                    files=self.content.files(kept.tree),
                    digest=note["digest"],
                    at=kept.at,
                    left_out=tuple(note["leftOut"]),
                )
                while len(self._read) > _REMEMBERED:
                    self._read.popitem(last=False)
            self._read.move_to_end(kept.id)
            return self._read[kept.id]

    # ---- asking

    def resolve(self, told: Told) -> Resolved:
        """Ask the source now. Raises Refused with why it can't be had; what was known stays known."""
        source = _source(told)
        with self._turn():
            try:
                found = self._ask(source)
            except Refused as wrong:
                self._note({key_of(source): wrong.problems[0]})
                raise
            self._note({key_of(source): None})
            return found

    def refresh(self, sources: Iterable[Told]) -> tuple[Problem, ...]:
        """Ask these sources, a few at once, each for no longer than the limit. What can't be had is a Problem, which
        says what holds instead; it never raises. Each source is asked once, however often it is named."""
        problems: list[Problem] = []
        wanted: dict[str, Source] = {}
        for told in sources:
            try:
                source = _source(told)
                wanted[key_of(source)] = source
            except Refused as wrong:
                problems += wrong.problems
        if not wanted:
            return in_order(problems)
        try:
            with self._turn(), ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="outside") as pool:
                came = dict(zip(wanted, pool.map(self._tried, wanted.values()), strict=True))
                since = self._note(came)
        except Refused as wrong:
            return in_order((*problems, *wrong.problems))
        for key, problem in came.items():
            if problem is not None:
                problems.append(self._with_what_holds(wanted[key], problem, since.get(key, self._now())))
        return in_order(problems)

    def _tried(self, source: Source) -> Problem | None:
        try:
            self._ask(source)
        except Refused as wrong:
            return wrong.problems[0]
        return None

    def _ask(self, source: Source) -> Resolved:
        key = key_of(source)
        kept = self.content.kept(f"{key}/now")
        before = json.loads(kept.note) if kept is not None else {}
        ground = asking.Ground(
            content=self.content,
            trust=self._trust,
            limits=self.limits,
            credentials=self._credentials,
            room=self._room,
        )
        answer = asking.ask(source, ground, before, kept.tree if kept is not None else "")
        if kept is not None and answer is None:
            return self._resolved(kept)
        assert answer is not None
        note = {"format": 1, "place": source.place, **answer.note, "digest": answer.digest}
        note["leftOut"] = list(answer.left_out)
        data = json.dumps(note, sort_keys=True, ensure_ascii=False).encode("utf-8", "backslashreplace")
        tree = self.content.tree(answer.files)
        if kept is not None:
            # Numbered: two versions may be of one second.
            last = max((int(name.rpartition("/")[2]) for name in self.content.names(f"{key}/was/")), default=0)
            self.content.keep(f"{key}/was/{last + 1:08d}", kept.tree, kept.note, kept.at)
        return self._resolved(self.content.keep(f"{key}/now", tree, data, self._now()))

    def _with_what_holds(self, source: Source, problem: Problem, since: float) -> Problem:
        known = self.known(source)
        holds = f"what it was at {_time(known.at)} holds" if known else "it was never fetched"
        return replace(problem, message=f"{problem.message} (since {_time(since)}; {holds})")

    # ---- keeping order

    def tidy(self, used: Iterable[Told], *, before: int = 5, older: float = 3600.0) -> int:
        """Drop what no source of `used` (those of the last commits) is or was, keeping the last few of each; how many
        objects went. Objects younger than `older` seconds stay."""
        wanted = {key_of(source): source for source in map(_source, used)}
        with self._turn():
            ours: dict[str, list[Kept]] = {}
            for name in list(self.content.names()):
                key, _, rest = name.partition("/")
                kept = self.content.kept(name)
                if key not in wanted:
                    self.content.drop(name)
                elif rest != "now" and kept is not None:
                    ours.setdefault(key, []).append(kept)
            for old in ours.values():
                for kept in sorted(old, key=lambda one: one.name, reverse=True)[before:]:
                    self.content.drop(kept.name)
            places = [source.place for source in wanted.values() if isinstance(source, GitSource)]
            asking.drop_mirrors(self._room, places, self.limits.size)
            troubles = self._troubles()
            self._write({key: told for key, told in troubles.items() if key in wanted})
            return self.content.prune(older)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Alone among all processes, and after whoever was killed."""
        with on_disk(str(self._room)):
            self._room.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self._room / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            end = time.monotonic() + _WAIT
            while not _taken(lock):
                if time.monotonic() > end:
                    raise refused(
                        "source-unreachable", "another process of trueup is asking the sources", "Wait for it."
                    )
                time.sleep(0.05)
            self.content.unlock()
            asking.unlock(self._room)
            yield
        finally:
            os.close(lock)

    def _troubles(self) -> dict[str, dict[str, Json]]:
        try:
            found = json.loads((self._room / "troubles.json").read_text("utf-8"))
            return found if isinstance(found, dict) else {}
        except (OSError, ValueError):
            return {}

    def _note(self, came: Mapping[str, Problem | None]) -> Mapping[str, float]:
        """Write down what could not be had; since when, by key."""
        troubles = self._troubles()
        since: dict[str, float] = {}
        for key, problem in came.items():
            if problem is None:
                troubles.pop(key, None)
                continue
            first = troubles.get(key, {}).get("since")
            since[key] = first if isinstance(first, float) else self._now()
            troubles[key] = Trouble(since=since[key], problem=problem).json()
        self._write(troubles)
        return since

    def _write(self, troubles: Mapping[str, Mapping[str, Json]]) -> None:
        part = self._room / "troubles.part"
        try:
            part.write_text(json.dumps(troubles, sort_keys=True), encoding="utf-8")
            os.replace(part, self._room / "troubles.json")
        except OSError:
            # On a full disk only the hour is lost; the problem itself is told all the same.
            shutil.rmtree(part, ignore_errors=True)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _source(told: Told) -> Source:
    return source_of(told) if isinstance(told, Mapping) else told


def _key(told: Told) -> str:
    return key_of(_source(told))


def _time(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


__all__ = ["Sources"]
