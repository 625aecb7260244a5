"""All outside sources of one controller: asked when somebody says so, known from disk at any time.

    stateDir/content.git          what they came to (repo/content.py): KEY/now, and KEY/was/… for the last few
    stateDir/outside/lock*        who asks what (turns.py)
    stateDir/outside/mirrors/     Git repositories of other machines, as far as they were fetched
    stateDir/outside/troubles.json   what can't be reached, and since when
    stateDir/outside/tidied       when things were tidied (tidying.py), by its time

A plan asks nobody: `known` reads a ref. What is on its way is a temporary file without a name or an object that nothing
refers to yet, so a kill leaves what was, and the next refresh goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from ..core.model import Json
from ..core.outside import Resolved, Trouble
from ..core.problem import Problem, Refused, in_order
from ..repo import Credentials
from ..repo.troubles import redacted
from ..settings import Settings
from . import asking
from .known import Known, Told, own_of
from .known import source as source_of
from .leases import held, hold
from .names import Limits
from .spec import BranchesSource, GitSource, Source
from .tidying import BEFORE, RECENT, Rule, Tidying, drop_mirrors
from .troubles import on_disk, refused, with_what_holds
from .trust import Trust
from .turns import PATIENCE, Turns

_AT_ONCE = 4
EVERY = 3600.0
"""Seconds between two times that things are tidied."""
UNNAMED = 86_400.0
"""Seconds that a source stays which no commit names any more: what comes back later is asked anew before it is served."""


class Sources(Known):
    """Asks, and keeps what came."""

    def __init__(
        self,
        folder: Path,
        trust: Trust,
        limits: Limits | None = None,
        credentials: Credentials | None = None,
        now: Callable[[], float] = time.time,
        own: tuple[str, str] = ("", ""),
        several: bool = False,
    ) -> None:
        """`own`: the fleet's own repository and the branch that it follows; `several`: other fleets are in `folder` too."""
        super().__init__(folder, own[0] if several else None)
        self.limits = limits or Limits()
        self._trust = trust
        self._credentials = credentials or Credentials()
        self._now = now
        self._own = own
        self._turns = Turns(self.room, self._clean)
        self._along: dict[str, Problem | None] = {}
        """What was asked along with the branches of a repository."""

    @classmethod
    def of(cls, settings: Settings, folder: Path | None = None, own: Path | None = None) -> Sources:
        """`own`: another place of the fleet's own repository than the settings name, a checkout of it."""
        limits = replace(Limits(), size=settings.content_limit * 1024 * 1024)
        folder = folder or settings.state_dir
        return cls(
            folder,
            Trust(settings.content_from),
            limits,
            Credentials.of(settings) if folder == settings.state_dir else Credentials.at_hand(settings),
            own=(own_of(settings, own), settings.branch),
            several=folder != settings.state_dir,
        )

    # ---- asking

    def resolve(self, told: Told) -> Resolved:
        """Ask the source now. Raises Refused with why it can't be had; what was known stays known."""
        source = source_of(told)
        with self._turns.beside(), self._turns.of(self._group(source)):
            try:
                found = self._ask(source)
            except Refused as wrong:
                self._note({self.key(source): wrong.problems[0]})
                raise
            self._note({self.key(source): None})
            return found

    def refresh(self, sources: Iterable[Told]) -> tuple[Problem, ...]:
        """Ask these sources, a few at once, each for no longer than the limit. What can't be had is a Problem, which
        says what holds instead; it never raises. Each source is asked once, however often it is named."""
        problems: list[Problem] = []
        wanted: dict[str, Source] = {}
        for one in sources:
            try:
                source = source_of(one)
                wanted[self.key(source)] = source
            except Refused as wrong:
                problems += wrong.problems
        if not wanted:
            return in_order(problems)
        try:
            pool = ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="outside")
            with self._turns.beside(), pool:
                groups: dict[str, dict[str, Source]] = {}
                for key, source in wanted.items():
                    groups.setdefault(self._group(source), {})[key] = source
                came: dict[str, Problem | None] = {}
                for part in pool.map(self._in_turn, groups, groups.values()):
                    came |= part
                since = self._note(came)
        except Refused as wrong:
            return in_order((*problems, *wrong.problems))
        for key, problem in came.items():
            if problem is not None:
                trouble = Trouble(since=since.get(key, self._now()), problem=problem)
                problems.append(with_what_holds(trouble, self.known(wanted[key])))
        return in_order(problems)

    def _in_turn(self, place: str, sources: Mapping[str, Source]) -> Mapping[str, Problem | None]:
        """What becomes of asking those of one place, one after another."""
        try:
            with self._turns.of(place):
                return {key: self._tried(source) for key, source in sources.items()}
        except Refused as wrong:
            return dict.fromkeys(sources, wrong.problems[0])

    def _tried(self, source: Source) -> Problem | None:
        try:
            self._ask(source)
        except Refused as wrong:
            return wrong.problems[0]
        except Exception as error:
            # A fault of ours with what one source says must not keep what the others say from being written down.
            where = redacted(source.place) or "this repository"
            return refused("source-unreachable", f"{where}: {type(error).__name__}: {error}").problems[0]
        return None

    def _ask(self, source: Source) -> Resolved:
        key = self.key(source)
        kept = self.content.kept(f"{key}/now")
        before = json.loads(kept.note) if kept is not None else {}
        ground = asking.Ground(
            content=self.content,
            trust=self._trust,
            limits=self.limits,
            credentials=self._credentials,
            room=self.room,
            own=self._own[0],
        )
        if isinstance(source, BranchesSource):
            answer = self._branches(source, ground, before)
        else:
            answer = asking.ask(source, ground, before, kept.tree if kept is not None else "")
        if kept is not None and answer is None:
            return self._resolved(kept)
        assert answer is not None
        mirror = asking.mirror_name(source, self._own[0])
        note = {"format": 1, "mirror": mirror, **answer.note, "digest": answer.digest}
        note["leftOut"] = list(answer.left_out)
        data = json.dumps(note, sort_keys=True, ensure_ascii=False).encode("utf-8", "backslashreplace")
        tree = self.content.tree(answer.files)
        if kept is not None:
            # Numbered: two versions may be of one second.
            last = max((int(name.rpartition("/")[2]) for name in self.content.names(f"{key}/was/")), default=0)
            self.content.keep(f"{key}/was/{last + 1:08d}", kept.tree, kept.note, kept.at)
        return self._resolved(self.content.keep(f"{key}/now", tree, data, self._now()))

    def _branches(
        self, source: BranchesSource, ground: asking.Ground, before: Mapping[str, Json]
    ) -> asking.Answer | None:
        """The branches as a file, `commit branch` a line, once the content of each is here: who reads it finds that too.
        One that has no such content is left out; those beyond the most there may be are in a file `more`."""
        followed = self._own[1] if not source.git else ""
        found = {name: id for name, id in asking.branches(source, ground).items() if name != followed}
        lines = ""
        for branch, commit in list(found.items())[: source.most]:
            one = source.of(branch)
            known = self.known(one)
            if known is None or known.digest != f"git:{commit}":
                problem = self._along[self.key(one)] = self._tried(one)
                if problem is not None and known is None:
                    continue
            lines += f"{commit} {branch}\n"
        more = "".join(f"{name}\n" for name in list(found)[source.most :])
        digest = "branches:" + hashlib.sha256(f"{lines}\0{more}".encode()).hexdigest()
        if before.get("digest") == digest:
            return None
        texts = {"branches": lines, "more": more}
        return asking.Answer(
            files={name: self.content.write(text.encode()) for name, text in texts.items()}, digest=digest
        )

    # ---- keeping order

    def hold(self, found: Resolved) -> int:
        """An open file for as long as which these files stay."""
        with self._turns.beside():
            return hold(self.room, found.tree)

    def due(self) -> bool:
        """Whether it is time to tidy again."""
        try:
            return self._now() - (self.room / "tidied").stat().st_mtime > EVERY
        except OSError:
            return True

    def tidy(
        self,
        used: Iterable[Told] = (),
        needed: Iterable[str] = (),
        *,
        age: float = UNNAMED,
        before: int = BEFORE,
        recent: float = RECENT,
        settled: Callable[[], None] = lambda: None,
    ) -> int:
        """Drop what tidying.py says of all but `used` (the sources that are named now) and `needed` (ids of contents that
        somebody may still send); how many objects went. `settled` is called when all that goes has lost its name, so that who
        begins to read then doesn't find it. Raises Refused when somebody asks just now: the next time will do."""
        wanted = {self.key(one) for one in used}
        with self._turns.alone(wait=PATIENCE):
            asked = self.asked()
            rule = Rule(
                wanted=wanted,
                needed={*needed, *held(self.room)},
                asked=asked,
                age=age,
                most=self.limits.size,
                before=before,
                recent=recent,
            )
            now = self._now()
            tidying = Tidying(self.content, rule, self.room)
            tidying.drop(now)
            settled()
            drop_mirrors(self.room, tidying.mirrors, self.limits.size)
            stay = wanted | {key for key, at in asked.items() if at > now - age}
            for file, told in (("troubles.json", self._troubles()), ("asked.json", asked)):
                self._write(file, {key: one for key, one in told.items() if key in stay})
            gone = self.content.prune(tidying.needed, recent)
            with on_disk(str(self.room)):
                stamp = self.room / "tidied"
                stamp.touch()
                os.utime(stamp, (now, now))
            return gone

    def _group(self, source: Source) -> str:
        """What is asked one after another: all of one repository, which share a mirror of it."""
        if isinstance(source, GitSource | BranchesSource):
            return f"git {source.place or self._own[0]}"
        return self.key(source)

    def _clean(self) -> None:
        self.content.unlock()
        asking.unlock(self.room)

    def _note(self, came: Mapping[str, Problem | None]) -> Mapping[str, float]:
        """Write down what could not be had; since when, by key."""
        with self._turns.of("told"):
            return self._noted(came)

    def _noted(self, came: Mapping[str, Problem | None]) -> Mapping[str, float]:
        troubles = self._troubles()
        since: dict[str, float] = {}
        along, self._along = self._along, {}
        for key, problem in (along | dict(came)).items():
            if problem is None:
                troubles.pop(key, None)
                continue
            first = troubles.get(key, {}).get("since")
            since[key] = first if isinstance(first, float) else self._now()
            troubles[key] = Trouble(since=since[key], problem=problem).json()
        self._write("troubles.json", troubles)
        self._write("asked.json", {**self.asked(), **dict.fromkeys((*along, *came), self._now())})
        return since

    def _write(self, name: str, told: Mapping[str, Json]) -> None:
        part = self.room / (name + ".part")
        try:
            part.write_text(json.dumps(told, sort_keys=True), encoding="utf-8")
            os.replace(part, self.room / name)
        except OSError:
            # On a full disk only the hour is lost; the problem itself is told all the same.
            part.unlink(missing_ok=True)


__all__ = ["Sources"]
