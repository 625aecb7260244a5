"""Fakes of the ports: a repository of dicts, a store of dicts, hosts that do what a kind predicts.

They hold no logic of the line: what they refuse or fail is told to them by the test.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.core import rollback, select
from reconciler.core.kind import Kinds
from reconciler.core.model import (
    Absent,
    Approval,
    Backoff,
    Commit,
    Desired,
    HostPast,
    Json,
    Key,
    Observation,
    Outcome,
    Owned,
    Pause,
    Plan,
    Reading,
    Report,
    Result,
    Rollback,
    Row,
    Trouble,
    Untold,
    Visit,
    WaveRun,
)
from reconciler.core.problem import Problem, Refused


@dataclass
class FakeFiles:
    commit: Commit
    content: Mapping[str, str]

    def paths(self) -> Mapping[str, str]:
        return {path: hashlib.sha1(text.encode()).hexdigest() for path, text in sorted(self.content.items())}

    def read(self, path: str) -> bytes:
        return self.content[path].encode()

    def size(self, path: str) -> int:
        return len(self.read(path))

    def author(self, path: str, line: int) -> Commit:
        return self.commit


@dataclass
class FakeRepo:
    """Commits in order; the last one is the tip."""

    commits: list[FakeFiles] = field(default_factory=list)

    def push(self, content: Mapping[str, str]) -> str:
        made = f"{len(self.commits) + 1:040x}"
        self.commits.append(FakeFiles(Commit(id=made, author="Ada", subject=f"commit {made[-1]}", tree=made), content))
        return made

    def tip(self) -> str:
        return self.commits[-1].commit.id if self.commits else ""

    def files(self, rev: str = "") -> FakeFiles:
        for files in self.commits:
            if files.commit.id == (rev or self.tip()):
                return files
        raise Refused(Problem(code="repo-rev", message=f"no commit {rev}"))

    def first_parents(self, rev: str, limit: int = 1000) -> Iterator[str]:
        names = [files.commit.id for files in self.commits]
        yield from reversed(names[: names.index(rev) + 1])

    elsewhere: list[FakeFiles] = field(default_factory=list)
    """What a remote has and nobody has fetched yet."""

    def fetch(self) -> bool:
        moved = bool(self.elsewhere)
        self.commits += self.elsewhere
        self.elsewhere.clear()
        return moved

    def blob(self, blob_id: str) -> bytes:
        raise KeyError(blob_id)


@dataclass(kw_only=True)
class FakePast:
    rows: tuple[Row, ...]
    owned_by_kind: Mapping[str, int]
    owned_by_host: Mapping[str, int]
    hosts: Mapping[str, HostPast]
    pauses: tuple[Pause, ...]
    approvals: tuple[Approval, ...]
    backoffs: tuple[Backoff, ...]
    wave_runs: tuple[WaveRun, ...]
    unmanaged: int = 0
    observed_at: float | None = None


WAITS = (60.0, 300.0, 1800.0)


@dataclass
class FakeStore:
    kinds: Kinds
    observed: dict[Key, Observation] = field(default_factory=dict)
    owned: dict[Key, Owned] = field(default_factory=dict)
    hosts: dict[str, HostPast] = field(default_factory=dict)
    given: list[Approval] = field(default_factory=list)
    paused: list[Pause] = field(default_factory=list)
    rounds: list[tuple[Plan, str]] = field(default_factory=list)
    commits: list[tuple[str, bool, int]] = field(default_factory=list)
    waiting: dict[Key, tuple[Backoff, int]] = field(default_factory=dict)
    """Failures in a row, and how many."""
    outcomes: list[tuple[int, Outcome]] = field(default_factory=list)
    """(round, outcome)."""
    untold_on: dict[str, Untold] = field(default_factory=dict)
    """What the hosts have not said, as the test will have it."""

    put_back: tuple[Rollback, ...] = ()
    """Rollbacks that hold, as the test will have it."""

    def rollbacks(self) -> tuple[Rollback, ...]:
        return self.put_back

    def meant(self, desired: Desired) -> Desired:
        return rollback.meant(desired, self.kinds, self.put_back)

    def end_rollbacks(self, numbers: Iterable[int], by: str, now: float) -> int:
        self.put_back = tuple(one for one in self.put_back if one.number not in set(numbers))
        return 0

    def past(self, desired: Desired) -> FakePast:
        by_kind: dict[str, int] = {}
        by_host: dict[str, int] = {}
        for key in self.owned:
            by_kind[key.kind] = by_kind.get(key.kind, 0) + 1
            by_host[key.host] = by_host.get(key.host, 0) + 1
        return FakePast(
            rows=select.rows(self.kinds, desired, self.observed, self.owned),
            owned_by_kind=by_kind,
            owned_by_host=by_host,
            hosts=self.hosts,
            pauses=tuple(self.paused),
            approvals=tuple(self.given),
            backoffs=tuple(failed for failed, _ in self.waiting.values()),
            wave_runs=self.wave_runs(desired.commit.id),
        )

    def wave_runs(self, commit: str) -> tuple[WaveRun, ...]:
        found = []
        for number, (plan, ended) in enumerate(self.rounds):
            said = {outcome.key: outcome.result for round_id, outcome in self.outcomes if round_id == number}
            for wave, hosts in enumerate(plan.waves[:-1], 1):
                mine = {key: result for key, result in said.items() if key.host in hosts}
                failed = {key for key, result in mine.items() if result is Result.FAILED and key in self.waiting}
                reached = sorted({key.host for key, result in mine.items() if result is not Result.LOST})
                if failed and plan.commit.id == commit:
                    counted = len(reached) if ended == "done" or ended.startswith("wave ") else len(hosts)
                    run = WaveRun(
                        commit=commit,
                        number=wave,
                        hosts=tuple(reached),
                        counted=counted,
                        failed=tuple(sorted(failed)),
                    )
                    found.append(run)
        return tuple(found)

    def rows_for(self, desired: Desired, keys: Sequence[Key]) -> tuple[Row, ...]:
        return tuple(select.row(desired, key, self.observed, self.owned) for key in keys)

    def owned_on(self, hosts: Sequence[str]) -> Mapping[str, tuple[Owned, ...]]:
        found: dict[str, tuple[Owned, ...]] = {}
        for key, mine in sorted(self.owned.items()):
            if key.host in hosts:
                found[key.host] = (*found.get(key.host, ()), mine)
        return found

    def untold(self, hosts: Sequence[str]) -> Mapping[str, Untold]:
        return {host: self.untold_on[host] for host in hosts if host in self.untold_on}

    def past_of_hosts(self) -> Mapping[str, HostPast]:
        return self.hosts

    def took(self, report: Report, desired: Desired, now: float) -> None:
        if report.trouble is not None:
            before = self.hosts.get(report.host, HostPast())
            self.hosts[report.host] = replace(before, tried_at=now, trouble=report.trouble.why, trouble_since=now)
            return
        self.hosts[report.host] = HostPast(seen_at=now, tried_at=now, machine_id=report.machine_id)
        for outcome in report.outcomes:
            self._noted(outcome, desired, now)
        for reading in report.readings:
            self.observed[reading.key] = reading.seen

    def _noted(self, outcome: Outcome, desired: Desired, now: float) -> None:
        self.outcomes.append((len(self.rounds) - 1, outcome))
        if outcome.result not in (Result.OK, Result.FAILED):
            return
        before = self.waiting.pop(outcome.key, None)
        if outcome.result is Result.FAILED:
            wanted = desired.get(outcome.key)
            tries = before[1] + 1 if before else 1
            until = now + WAITS[min(tries, len(WAITS)) - 1]
            made = Backoff(
                key=outcome.key,
                digest=wanted.meaning.digest if wanted else "",
                commit=desired.commit.id,
                until=until,
                why=outcome.message,
            )
            self.waiting[outcome.key] = (made, tries)

    def own(self, owned: Iterable[Owned], disowned: Iterable[Key], now: float) -> None:
        for mine in owned:
            self.owned[mine.key] = mine
        for key in disowned:
            self.owned.pop(key, None)

    def open_round(self, plan: Plan, now: float) -> str:
        self.rounds.append((plan, "open"))
        return str(len(self.rounds) - 1)

    def close_round(self, round_id: str, outcome: str, now: float) -> None:
        plan, _ = self.rounds[int(round_id)]
        self.rounds[int(round_id)] = (plan, outcome)

    def unfinished(self) -> tuple[str, tuple[str, ...]] | None:
        for number, (plan, outcome) in enumerate(self.rounds):
            if outcome == "open":
                return str(number), tuple(sorted({change.key.host for change in plan.changes}))
        return None

    def holding(
        self, commit: Commit, desired_id: str, problems: Sequence[Problem], now: float, *, runs: bool = True
    ) -> None:
        errors = sum(1 for problem in problems if problem.severity == "error")
        self.commits = [known for known in self.commits if known[0] != commit.id]
        self.commits.append((commit.id, runs and not errors, errors))
        if runs and not errors:
            self.waiting = {key: failed for key, failed in self.waiting.items() if failed[0].commit == commit.id}

    def held(self) -> str:
        return next((commit for commit, held, _ in reversed(self.commits) if held), "")

    def keep_reading(
        self,
        key: str,
        desired: Desired,
        problems: Sequence[Problem],
        now: float,
        memory: tuple[str, Callable[[], str]] | None = None,
    ) -> bool:
        return False

    def machines(self) -> Mapping[str, str]:
        return {name: past.machine_id for name, past in self.hosts.items() if past.machine_id}

    def rename(self, before: str, after: str) -> bool:
        if before not in self.hosts or (after in self.hosts and self.hosts[after].seen_at is not None):
            return False
        self.hosts[after] = self.hosts.pop(before)
        self.observed = {replace(k, host=after) if k.host == before else k: v for k, v in self.observed.items()}
        self.owned = {
            replace(k, host=after) if k.host == before else k: replace(v, key=replace(k, host=after))
            if k.host == before
            else v
            for k, v in self.owned.items()
        }
        return True

    def forget(self, host: str, now: float) -> None:
        self.hosts.pop(host, None)
        self.observed = {key: seen for key, seen in self.observed.items() if key.host != host}
        self.owned = {key: mine for key, mine in self.owned.items() if key.host != host}
        self.waiting = {key: failed for key, failed in self.waiting.items() if key.host != host}

    def approve(self, approval: Approval) -> None:
        self.given.append(approval)

    def pauses(self, now: float) -> tuple[Pause, ...]:
        return tuple(self.paused)

    def pause(self, asked: Pause, now: float) -> int:
        self.paused.append(asked)
        return len(self.paused)

    def resume(self, selector: str, who: str, now: float) -> int:
        ended = [pause for pause in self.paused if selector in ("", pause.selector)]
        self.paused = [pause for pause in self.paused if pause not in ended]
        return len(ended)

    def close(self) -> None:
        pass


class Killed(BaseException):
    """A kill -9 in the middle of a trip, as far as a test in one process can have one."""


@dataclass
class FakeTrip:
    """Hosts that become what a kind predicts. `away` don't answer, `failing` keys fail, `kill_after` visits it dies."""

    kinds: Kinds
    world: dict[Key, Observation] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    failing: set[tuple[str, str]] = field(default_factory=set)
    kill_after: int | None = None
    machines: dict[str, str] = field(default_factory=dict)
    """Host → machine-id that it answers with."""
    visits: list[tuple[str, int]] = field(default_factory=list)
    """(host, number of changes) of every visit, in order."""
    told: list[tuple[str, tuple[Key, ...], tuple[Key, ...]]] = field(default_factory=list)
    """(host, owned, let go of) of every visit that told something."""
    done: list[Key] = field(default_factory=list)
    """Every effect on a host, in order: a doubled one shows."""

    def go(
        self, visits: Sequence[Visit], on_report: Callable[[Report], None], on_event: Callable[[str, str], None]
    ) -> None:
        for visit in visits:
            name = visit.host.name
            self.visits.append((name, len(visit.changes)))
            if visit.own or visit.disown:
                self.told.append((name, tuple(mine.key for mine in visit.own), visit.disown))
            if name in self.away:
                on_report(Report(host=name, trouble=Trouble(code="timeout", why="connection timed out (10 s)")))
                continue
            machine = self.machines.get(name, f"id-{name}")
            if visit.machine_id not in ("", machine):
                trouble = Trouble(code="reborn", why="it is another machine")
                on_report(Report(host=name, trouble=trouble, machine_id=machine))
                continue
            outcomes = tuple(self._do(change) for change in visit.changes)
            if self.kill_after is not None:
                self.kill_after -= 1
                if self.kill_after < 0:
                    raise Killed
            readings = tuple(
                Reading(key=look.key, seen=self.world.get(look.key, Absent()), at=0.0) for look in visit.looks
            )
            on_report(Report(host=name, outcomes=outcomes, readings=readings, machine_id=machine))

    def unpin(self, host: str) -> int:
        return 0

    def close(self) -> None:
        pass

    def _do(self, change: Json) -> Outcome:
        if (change.key.host, change.key.name) in self.failing:
            return Outcome(key=change.key, result=Result.FAILED, message="no space left on /")
        self.world[change.key] = self.kinds[change.key.kind].after(change)
        self.done.append(change.key)
        return Outcome(key=change.key, result=Result.OK, changed=True)
