"""From a place on disk to a plan, for those who only look: `trueup plan`, the PR check, the hook.

The manifests are read by whoever asks, with his own rights; the past is asked of the daemon (or of the state file
when none runs), so that no daemon reads files for somebody, and a commit in quarantine can be planned too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import manifests
from ..core import review, visits
from ..core.codec import decode, encode
from ..core.kind import Kinds
from ..core.model import Desired, Host, Plan
from ..core.problem import Problem, Refused
from ..inputs import from_observed, plan_from
from ..manifests.kinds import known, load_kinds
from ..ports import Files, Outside
from ..secrets import FleetKey, Sealer, Sources
from ..settings import Settings
from .outside import outside_of

if TYPE_CHECKING:
    from ..manifests import Reading
    from ..store import DuckStore


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A plan, or the problems that left none."""

    kinds: Kinds
    files: Files
    problems: tuple[Problem, ...] = ()
    desired: Desired | None = None
    plan: Plan | None = None
    pending: int = 0
    """Changes that stand in the base already."""
    unchecked: tuple[str, ...] = ()
    """Secrets whose values are not at hand, in words: nothing is compared with them."""
    sealer: Sealer | None = None
    now: float = 0.0

    def known(self, *, host: str, kind: str) -> None:
        """Raises Refused when a filter names what isn't there: such a plan would look like nothing to do."""
        if kind:
            known(self.kinds, kind)
        if host and self.desired is not None and host not in self.desired.hosts:
            hint = "its Host must be in what is planned; trueup status --all lists those of the fleet"
            raise Refused(Problem(code="unknown-host", message=f"there is no host {host} in the inventory", hint=hint))

    def playbook(self, plan: Plan) -> str:
        """The plan as a playbook of stock modules."""
        from ..trip import playbook

        assert self.desired is not None and self.sealer is not None
        hosts = sorted({change.key.host for change in plan.changes})
        made = visits.visits(self.kinds, self.desired, hosts, {}, {}, self.sealer.host_key, plan)
        text = playbook.export(made, self.kinds)
        return text if plan.changes else text.replace("---\n", f"# It is empty: {_why_empty(plan)}.\n---\n", 1)


def _why_empty(plan: Plan) -> str:
    """Why a plan without changes has none, and what comes next."""
    if plan.never_seen:
        return f"{len(plan.never_seen):,} of {plan.hosts_total:,} hosts were never looked at; next: trueup observe"
    if plan.unseen:
        return "some things are not looked at yet; next: trueup observe"
    if plan.waiting:
        return "what is to be done waits for now; next: trueup plan says for what"
    return "nothing is to be done"


def planned(
    settings: Settings, place: Path | None, rev: str, base: str, observed: Path | None, *, whole: bool = False
) -> Planned:
    """The plan of what stands at `place` (or here, or in the daemon's repository).

    Files that the state knows are not read again, unless `whole` asks for a `desired` that can be looked into later.
    """
    with as_reader(settings, place):
        return _planned(settings, place, rev, base, observed, whole)


def _planned(
    settings: Settings, place: Path | None, rev: str, base: str, observed: Path | None, whole: bool
) -> Planned:
    kinds = load_kinds()
    files = files_of(settings, place, rev)
    outside = outside_of(settings)
    sealer = Sealer(FleetKey.read(settings.fleet_key_file), sources=Sources(settings=settings))
    if observed is None and not base and not whole:
        known = _known(settings, kinds, files, sealer, outside)
        if known is not None:
            return known
    reading = manifests.read(files, kinds, sealer.reading(files).seal, outside=outside)
    if reading.desired is None:
        return Planned(kinds=kinds, files=files, problems=reading.problems)
    plan = plan_of(settings, kinds, reading.desired, observed)
    pending = 0
    if base:
        older = files_of(settings, place, base)
        before = manifests.read(older, kinds, sealer.reading(older).seal, outside=outside).desired
        if before is None:
            raise Refused(
                Problem(
                    code="base-has-errors",
                    message=f"the base {base} has errors, so there is nothing to compare with",
                    hint=f"trueup check --rev {base}",
                )
            )
        plan, pending = review.effect(plan, plan_of(settings, kinds, before, observed))
    return Planned(
        kinds=kinds,
        files=files,
        problems=reading.problems,
        desired=reading.desired,
        plan=plan,
        pending=pending,
        unchecked=reading.unchecked,
        sealer=sealer,
        now=time.time(),
    )


def _known(settings: Settings, kinds: Kinds, files: Files, sealer: Sealer, outside: Outside) -> Planned | None:
    """The plan of files that the state file knows something of, so that only the others are read; None when it doesn't,
    or a daemon holds it."""
    from .. import door

    if door.running(settings) or not settings.database.exists():
        return None
    with _state(settings, kinds) as store:
        lasting = sealer.lasting()
        unchecked: tuple[str, ...] = ()
        kept = None
        for moment in dict.fromkeys((outside.moment(), "")):  # a reading that has nothing from outside is of no moment
            kept = kept or store.kept_reading(manifests.key_of(files, lasting, moment), files.commit)
        if kept is not None:
            desired, problems = kept.desired, kept.problems
        else:
            older = store.older_reading(manifests.ground_of(lasting), files.commit)
            if older is None:
                return None
            reading = _read_what_changed(kinds, files, sealer, outside, *older)
            problems, unchecked = reading.problems, reading.unchecked
            if reading.desired is None:
                return Planned(kinds=kinds, files=files, problems=problems)
            desired = reading.desired
            del older, reading  # what reading remembers of each file would take as much room as the plan itself
        plan = plan_from(store, kinds, desired, now := time.time())
    return Planned(
        kinds=kinds,
        files=files,
        problems=problems,
        desired=desired,
        plan=plan,
        unchecked=unchecked,
        sealer=sealer,
        now=now,
    )


@contextmanager
def _state(settings: Settings, kinds: Kinds) -> Iterator[DuckStore]:
    """The state file, open. Opened and closed as its owner: what is read meanwhile is read by whoever asks."""
    from ..door.owner import acting
    from ..store import DuckStore

    with acting(settings.state_dir):
        store = DuckStore(settings.database, kinds)
    try:
        yield store
    finally:
        with acting(settings.state_dir):
            store.close()


def _read_what_changed(
    kinds: Kinds, files: Files, sealer: Sealer, outside: Outside, older: Desired, told: str
) -> Reading:
    cache = manifests.recalled(told, older, files)
    return manifests.read(files, kinds, sealer.reading(files).seal, cache=cache, outside=outside)


def files_of(settings: Settings, place: Path | None, rev: str) -> Files:
    """The files at `place`; without one, here when a fleet's repository is here, else the configured repository."""
    from ..repo import best_files

    if follows(settings, place):
        return _followed(settings, rev or settings.branch)
    if place is None and settings.repo and not _inside():
        place, rev = Path(settings.repo), rev or settings.branch
    return best_files(place or Path("."), rev)


def follows(settings: Settings, place: Path | None) -> bool:
    """Whether what stands at `place` (or here) is the remote that the daemon follows: its copy is its user's alone."""
    from ..repo import is_remote

    return place is None and is_remote(settings.repo) and not _inside()


@contextmanager
def as_reader(settings: Settings, place: Path | None) -> Iterator[None]:
    """Around whatever reads the files at `place`: root reads the daemon's copy of a remote as its user, since Git trusts no
    other one."""
    from ..door.owner import acting

    if follows(settings, place):
        with acting(settings.state_dir):
            yield
    else:
        yield


def _inside() -> bool:
    """Whether a fleet's repository is here; a folder that is shut to us is none."""
    here = Path.cwd()
    return any(os.path.isfile(folder / "trueup.yaml") for folder in (here, *here.parents))


def _followed(settings: Settings, rev: str) -> Files:
    """The files of a remote as it was fetched last. Raises Refused to whoever may not read the daemon's copy."""
    from ..door.owner import name_of, owner
    from ..repo import Credentials, GitRepo

    if not os.access(settings.state_dir, os.R_OK | os.X_OK):
        name = name_of(owner(settings.state_dir))
        raise Refused(
            Problem(
                code="repo-followed",
                message=f"{settings.repo} was fetched into {settings.state_dir}, which is {name}'s alone",
                hint=f"do it in a clone of your own; or: sudo -u {name} trueup …",
            )
        )
    cache = settings.state_dir / "mirror"
    return GitRepo(settings.repo, settings.branch, cache, Credentials.of(settings)).files(rev)


def plan_of(settings: Settings, kinds: Kinds, desired: Desired, observed: Path | None) -> Plan:
    """The plan of `desired` against an observed file, or against what the daemon (or the state file) knows."""
    if observed is not None:
        try:
            text = observed.read_bytes()
        except OSError as error:
            raise Refused(
                Problem(
                    code="observed-unreadable",
                    path=str(observed),
                    message=error.strerror or str(error),
                    hint="--observed takes a YAML file: a list of {host, kind, name, state}",
                )
            ) from None
        return from_observed(kinds, desired, text, observed)
    from .. import door

    if not door.running(settings) and settings.database.exists():
        # The same that the door would do, without a fleet's desired state as JSON in between.
        with _state(settings, kinds) as store:
            return plan_from(store, kinds, desired, time.time())
    answer = door.ask(settings, "plan", {"desired": encode(desired)})
    return decode(Plan, answer["plan"])  # type: ignore[no-any-return]


def find_host(settings: Settings, name: str, place: Path | None, port: int) -> Host:
    """Host `name` of the repository at `place` (or here, or the configured one); an address as a Host of its own.

    Raises Refused for a word that is neither.
    """
    address = "." in name or ":" in name
    try:
        with as_reader(settings, place):
            files = files_of(settings, place, "")
            desired = manifests.read(files, load_kinds(), outside=outside_of(settings)).desired
    except Refused:
        if not address:
            raise
        desired = None
    if desired is not None and name in desired.hosts:
        return desired.hosts[name]
    if address:
        # As ssh's own files have it: a name for ssh's configuration, and the address to go to.
        return Host(name=name.replace(":", "_"), address=name, port=port)
    raise Refused(
        Problem(
            code="no-host",
            message=f"there is no Host {name}"
            if desired is not None
            else f"the repository can't be read, and {name} is no address",
            hint="trueup check; or give an address: trueup host-keys 192.0.2.7",
        )
    )
