"""The real rooms behind the ports, and the small steps that line.py names. One World is one fleet on one state."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import manifests
from .core import rollback, visits, wave
from .core.due import until_due
from .core.kind import Kinds
from .core.model import Desired, HostPast, Json, Plan, Report, State, Trouble, Visit, canonical
from .core.problem import Problem, Refused
from .inputs import paused_hosts, plan_from
from .manifests.kinds import load_kinds
from .ports import Files, Outside, Repo, Store, Tell, Trip
from .readings import Readings
from .secrets import FleetKey, Sealer, Sources, environ
from .settings import Settings

if TYPE_CHECKING:
    from .manifests import Reading
    from .repo import GitRepo


class Silent:
    """Tells nobody."""

    def say(self, event: str, **facts: Json) -> None:
        pass


def _hint_of_repo() -> str:
    """How to name a repository: the one that whoever asks stands in, where he does."""
    here = Path.cwd()
    found = next((folder for folder in (here, *here.parents) if (folder / "trueup.yaml").is_file()), None)
    if found is None:
        return "write `repo: PATH` in /etc/trueup/server.yaml, or give it for once: TRUEUP_REPO=PATH trueup …"
    return f"for this one: TRUEUP_REPO={shlex.quote(str(found))} trueup …; for good: `repo: {found}` in /etc/trueup/server.yaml"


class World:
    """Everything that the line needs. Tests give fakes of the ports; `World.open` gives the real ones."""

    def __init__(
        self,
        *,
        settings: Settings,
        kinds: Kinds,
        repo: Repo | None,
        store: Store,
        trip: Trip,
        sealer: Sealer,
        tell: Tell | None = None,
        now: Callable[[], float] = time.time,
        outside: Outside | None = None,
    ) -> None:
        self.settings = settings
        self.kinds = kinds
        self._repo = repo
        self.store = store
        self.trip = trip
        self.sealer = sealer
        self.tell: Tell = tell or Silent()
        self.now = now
        self.outside = outside
        """What isn't in the repository; None where nothing of it is at hand."""
        self.looks_again = False
        """Set by a daemon: it looks at hosts by itself when their time comes, where a command ends."""
        self.turn = threading.RLock()
        """Held by whoever visits hosts: one round at a time, however many ask."""
        self.stopping = False
        """Set by whoever wants the current round to end after the trip that is under way."""
        self.refusal: tuple[Problem, ...] = ()
        """Set by a daemon: what its last round was refused with, as by a full disk; empty once one is walked again."""
        self.fetch_trouble = ""
        """Set by a daemon: why the remote could not be fetched last, and the next step; empty when it could."""
        self._readings = Readings(kinds, sealer, outside)
        self._written: Desired | None = None
        """The reading that was written down last."""

    @classmethod
    def open(cls, settings: Settings, tell: Tell | None = None, *, read_only: bool = False) -> World:
        """The real thing. Raises Refused when the state is held by another process, or the repository is none."""
        from .outside.once import Once
        from .repo import Credentials, GitRepo
        from .store import DuckStore
        from .trip import AnsibleTrip
        from .trip.ssh import begin_pins

        environ.wipe(environ.names(settings))
        kinds = load_kinds()
        repo = None
        if settings.repo:
            cache = settings.state_dir / "mirror"
            repo = GitRepo(settings.repo, settings.branch, cache, Credentials.of(settings))
        key = FleetKey.read(settings.fleet_key_file) if read_only else FleetKey.ensure(settings.fleet_key_file)
        first = not settings.database.exists()
        store = DuckStore(settings.database, kinds)
        if first:
            begin_pins(settings)
        if key is not None:
            store.belongs_to(key.fleet)
        told = tell or Silent()
        outside = Once.of(settings, lambda words: told.say("asking", words=words))
        sealer = Sealer(key, _blobs(repo, outside), Sources(settings=settings))
        trip = AnsibleTrip(kinds, settings, sealer)
        return cls(
            settings=settings,
            kinds=kinds,
            repo=repo,
            store=store,
            trip=trip,
            sealer=sealer,
            tell=told,
            outside=outside,
        )

    # ---------------------------------------------------------------- reading Git

    @property
    def repo(self) -> Repo:
        if self._repo is None:
            raise Refused(
                Problem(
                    code="no-repo",
                    message="no repository is configured",
                    hint=_hint_of_repo(),
                )
            )
        return self._repo

    def read(self, rev: str) -> tuple[Files, Reading]:
        """The manifests of a commit. Raises Refused, as when there is no such commit."""
        return self._readings.of(rev, lambda: self.repo.files(rev))

    def sources(self) -> tuple[State, ...]:
        """The sources outside the repository that the tip and the held commit name, as far as those were read."""
        read = [self._readings.known(commit) for commit in dict.fromkeys((self.repo.tip(), self.store.held()))]
        named = [source for reading in read if reading is not None for source in reading.sources]
        return tuple({canonical(source): source for source in named}.values())

    def knows_sources(self) -> bool:
        """Whether both were read, so that there are no others."""
        return all(map(self._readings.known, {self.repo.tip(), self.store.held()} - {""}))

    def contents(self) -> set[str]:
        """Ids of the contents from outside that what is wanted now may need, what was put back to an earlier version among
        it: also what its source is no longer."""
        held = self.store.held()
        desired = self.read(held)[1].desired if held else None
        if desired is None:
            return set()
        found: set[str] = set()
        for spread in self.store.meant(desired).spreads:
            meanings = [spread.same] if spread.same is not None else list(spread.each.values())
            for spec in {one.digest: one.spec for one in meanings}.values():
                found.update(self.kinds[spread.manifest.kind].contents(spec))
        return found

    def gone(self, ids: Iterable[str]) -> set[str]:
        """Those of these contents from outside that are no longer kept here."""
        lacking = self.outside.lacks(ids) if self.outside is not None else ()
        return {id for id in lacking if not self.repo.has(id)}

    def newest(self) -> str:
        """The newest valid commit on the first-parent line of the tip (repo/held.py). Raises Refused when there is none."""
        from .repo.held import held

        # Before the first fetch of a remote nothing is known of it: an empty branch would be the wrong thing to say.
        tip = self.repo.tip() or (self.repo.tip() if self.repo.fetch() else "")
        if not tip:
            raise Refused(
                Problem(
                    code="no-commit",
                    message=f"the branch {self.settings.branch} has no commit yet",
                    hint="push the first commit: git push origin HEAD:" + self.settings.branch,
                )
            )
        found = held(self.repo, lambda commit: self.read(commit)[1].desired is not None)
        tip_problems = self.read(tip)[1].problems if found != tip else ()
        if tip_problems:
            self.store.holding(self.repo.files(tip).commit, "", tip_problems, self.now())
            self.tell.say("refused", commit=tip, errors=len(tip_problems))
        if not found:
            raise Refused(*tip_problems)
        return found

    def held(self) -> str:
        """The commit that the fleet is held to. Empty before the first, and when it can't be carried out any more: the
        repository was made anew or pruned after a force-push, or what is an error now was none to an older trueup."""
        held = self.store.held()
        try:
            return held if held and self.read(held)[1].desired is not None else ""
        except Refused:
            return ""

    # ---------------------------------------------------------------- planning

    def plan(self, desired: Desired, *, approvals: bool = True) -> Plan:
        """The plan of `desired` from what is known now."""
        return plan_from(self.store, self.kinds, desired, self.now(), approvals=approvals)

    # ---------------------------------------------------------------- visiting

    def due(self, desired: Desired, asked: Sequence[str] = ()) -> tuple[str, ...]:
        """Hosts to look at now: asked for, never seen, seen too long ago, or away and due for another try."""
        now = self.now()
        every = self.settings.observe_every or desired.policy.observe_every
        known = self.store.past_of_hosts()
        return tuple(
            name
            for name in sorted(desired.hosts)
            if name in asked or not until_due(known.get(name, HostPast()), now, every)
        )

    def worth_asking(self, plan: Plan | None, before: str) -> tuple[str, ...]:
        """Hosts that may say something new: what is unknown there, and, when another commit than `before` is in force,
        those that did not let us in (it may hold their new keys, or the way to them)."""
        if plan is None:
            return ()
        return (*plan.unknown_hosts, *(plan.unreachable if plan.commit.id != before else ()))

    def visits(
        self, desired: Desired, hosts: Sequence[str], plan: Plan | None = None, *, whole: bool = False
    ) -> tuple[Visit, ...]:
        return visits.visits(
            self.kinds,
            desired,
            hosts,
            self.store.owned_on(hosts),
            self.store.past_of_hosts(),
            self.sealer.host_key,
            plan,
            self.store.untold(sorted(self.may_note(desired, hosts))),
            whole=whole,
        )

    def may_note(self, desired: Desired, hosts: Collection[str]) -> Collection[str]:
        """Of these hosts, those whose own file may be written: not where mode observe holds, nor while they are paused."""
        paused = paused_hosts(desired, self.store.pauses(self.now()))
        return {host for host in hosts if visits.enforced(desired, host) and host not in paused}

    def may_run(self, desired: Desired, hosts: Sequence[str]) -> tuple[str, ...]:
        """Of a wave's hosts, those that mode enforce lets us change and that answered at the last visit."""
        known = self.store.past_of_hosts()
        return tuple(
            host for host in hosts if visits.enforced(desired, host) and not (host in known and known[host].trouble)
        )

    def wave_failed(self, desired: Desired, number: int, of: int, hosts: int, reports: Sequence[Report]) -> bool:
        """The gate after wave `number` of `of`, which went to `hosts` hosts."""
        return visits.wave_failed(wave.max_failed(desired.policy, number, of), hosts, reports)

    def record(self, desired: Desired, plan: Plan) -> None:
        """Write down what became owned or free without an op, and what was read, so that a plan of it need not read it
        again. The hosts are told at their next visit (`untold`)."""
        self._keep_reading(desired)
        self._end_rollbacks(desired)
        if not (plan.adopt or plan.release):
            return
        noted = self.may_note(desired, {key.host for key in (*plan.adopt, *plan.release)})
        keys = [key for key in plan.adopt if key.host in noted]
        gone = [key for key in plan.release if key.host in noted]
        owned = self.store.owned_on(sorted({key.host for key in keys}))
        self.store.own(visits.adoptions(desired, keys, owned), gone, self.now())

    def _keep_reading(self, desired: Desired) -> None:
        """Once a reading: where a command gives secrets its key is never the same twice, and nobody will find it."""
        if desired is self._written:
            return
        self._written = desired
        for files, reading in self._readings.all():
            # Without its secrets' values a reading is only as good as this process knows them.
            git = reading.desired
            if git is not None and self.store.meant(git) is desired and not reading.unchecked:
                lasting = self.sealer.lasting()
                self.store.keep_reading(
                    manifests.key_of(files, lasting, reading.moment),
                    git,
                    reading.problems,
                    self.now(),
                    (manifests.ground_of(lasting), reading.told),
                )

    def _end_rollbacks(self, desired: Desired) -> None:
        """Those that the commit in force ended stay so, whatever a later one says."""
        held = self.store.rollbacks()
        git = self.read(desired.commit.id)[1].desired if held else None
        if git is not None and (over := rollback.over(git, self.kinds, held)):
            ended = [one.number for one in over]
            self.store.end_rollbacks(ended, f"commit {desired.commit.short}", self.now())
            for one in over:
                self.tell.say("rollback over", kind=one.kind, name=one.name, commit=desired.commit.id)

    def look_at(self, desired: Desired, hosts: Sequence[str], *, whole: bool = False) -> None:
        """Read these hosts, all by content where it is to be `whole`, and keep what they say. A host that turns out to keep things that nobody asked for (our state
        was lost, or a kill came before it was written) is read once more with them, so that the next plan knows them."""
        again: list[str] = []

        def ended(report: Report) -> None:
            self.keep(desired, report)
            if visits.unasked(report):
                again.append(report.host)

        self.trip.go(self.visits(desired, hosts, whole=whole), ended, self.progress)
        if again:
            self.trip.go(
                self.visits(desired, sorted(again), whole=whole),
                lambda report: self.keep(desired, report),
                self.progress,
            )

    def keep(self, desired: Desired, report: Report, plan: Plan | None = None, round_id: str = "") -> None:
        """Write down what one visit brought back: readings, outcomes, and what is owned since."""
        report = self._identified(desired, report)
        self.store.took(report, desired, self.now())
        if plan is not None:
            mine = [change for change in plan.changes if change.key.host == report.host]
            kept, gone = visits.settled(mine, report, desired.commit.id)
            if kept or gone:
                self.store.own(kept, gone, self.now())
        self.tell.say(
            "host",
            host=report.host,
            round=round_id,
            trouble=report.trouble.why if report.trouble else "",
            outcomes={result.value: count for result, count in _counted(report).items()},
        )

    def _identified(self, desired: Desired, report: Report) -> Report:
        """A machine has one name. Under a second one it is a trouble, until its manifest says what it was called."""
        if not report.machine_id:
            return report
        others = [
            name
            for name, machine in self.store.machines().items()
            if machine == report.machine_id and name != report.host
        ]
        if not others:
            return report
        previous = desired.hosts[report.host].previous_name
        if others == [previous] and previous not in desired.hosts and self.store.rename(previous, report.host):
            return report
        return Report(
            host=report.host,
            trouble=Trouble(
                code="renamed",
                why=f"it is the machine that is known as {', '.join(others)}",
                next_step=f"if it was renamed, write metadata.previousName: {others[0]}; "
                "if it is a clone, give it a machine-id of its own",
            ),
            started=report.started,
            ended=report.ended,
        )

    def say_wave(self, number: int, of: int, hosts: Sequence[str], plan: Plan) -> None:
        facts = {"plan": plan.id, "commit": plan.commit.id}
        self.tell.say("wave", number=number, of=of, hosts=len(hosts), **facts)

    def progress(self, host: str, words: str) -> None:
        self.tell.say("progress", host=host, words=words)

    def close(self) -> None:
        """End the kept connections to hosts, and let go of the state."""
        self.trip.close()
        self.store.close()


def _blobs(repo: GitRepo | None, outside: Outside) -> Callable[[str], bytes]:
    """Contents by their id: the repository's, else what came from outside."""

    def blob(id: str) -> bytes:
        if repo is not None:
            with suppress(Refused):
                return repo.blob(id)
        return outside.blob(id)

    return blob


def _counted(report: Report) -> dict[Any, int]:
    counts: dict[Any, int] = {}
    for outcome in report.outcomes:
        counts[outcome.result] = counts.get(outcome.result, 0) + 1
    return counts
