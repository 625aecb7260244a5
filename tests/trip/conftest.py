"""A small fleet on lab hosts, driven by the real manifests, plan and visits: only Git, store and daemon are missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import lab
from lab import Lab, LabHost, Spec
from reconciler import manifests
from reconciler.core import select, visits
from reconciler.core.kind import Kinds
from reconciler.core.model import Desired, HostPast, Json, Key, Observation, Owned, Plan, Report, Result, Untold, Visit
from reconciler.core.plan import PlanInput
from reconciler.core.plan import plan as make_plan
from reconciler.core.predict import owned_after
from reconciler.manifests.kinds import load_kinds
from reconciler.repo import FolderFiles
from reconciler.secrets import FleetKey, Sealed, Sealer
from reconciler.settings import Settings
from reconciler.trip import AnsibleTrip

SECRET = "hunter2-marked-secret"


class Fleet:
    """Hosts, a controller's folder, and what is remembered between two rounds."""

    def __init__(self, hosts: Lab, folder: Path, kinds: Kinds, **more: Json) -> None:
        self.lab, self.folder, self.kinds = hosts, folder, kinds
        key = FleetKey.ensure(folder / "fleet.key")
        self.sealer = Sealer(key, None)
        self.sealed: list[Sealed] = []
        self.settings = Settings(
            state_dir=folder, run_dir=folder / "run", ssh_key=hosts[0].key, 
            **{"controller_id": "test/1", "connect_timeout": 20.0, **more},
        )  # fmt: skip
        self.trip = AnsibleTrip(kinds, self.settings, self.sealer)
        self.become = {host.name: host.user != "root" for host in hosts}
        self.pinned = {host.name: host.host_keys for host in hosts}
        self.extra: dict[str, dict[str, Json]] = {}
        """Host → fields of its manifest."""
        self.seen: dict[Key, Observation] = {}
        self.owned: dict[Key, Owned] = {}
        self.past: dict[str, HostPast] = {}
        self.events: list[tuple[str, str]] = []

    def set(self, **more: Json) -> None:
        """Other settings from now on."""
        self.trip.close()
        self.settings = replace(self.settings, **more)
        self.trip = AnsibleTrip(self.kinds, self.settings, self.sealer)

    # ---- the line, in small

    def desired(self, text: str) -> Desired:
        place = self.folder / "repo"
        place.mkdir(exist_ok=True)
        head = "apiVersion: trueup.dev/v1\n"
        documents = [head + "kind: Fleet\nmetadata: {name: test}\nspec: {mode: enforce}\n"]
        for host in self.lab:
            spec: dict[str, Json] = {"address": host.address, "port": host.port, "user": host.user}
            if self.become[host.name]:
                spec["become"] = True
            if self.pinned[host.name]:
                spec["hostKeys"] = list(self.pinned[host.name])
            spec |= self.extra.get(host.name, {})
            documents.append(f"{head}kind: Host\nmetadata: {{name: {host.name}}}\nspec: {_flow(spec)}\n")
        documents += [head + part.lstrip("\n") for part in text.split("---\n") if part.strip()]
        (place / "trueup.yaml").write_text("---\n".join(documents), encoding="utf-8")
        sealed = self.sealer.reading(FolderFiles(place))
        self.sealed.append(sealed)
        reading = manifests.read(FolderFiles(place), self.kinds, sealed.seal)
        assert reading.desired is not None, "\n".join(f"{p.place} {p.message}" for p in reading.problems)
        return reading.desired

    def observe(self, text: str, only: tuple[str, ...] = ()) -> dict[str, Report]:
        desired = self.desired(text)
        return self._go(desired, visits.visits(
            self.kinds, desired, self._names(only), self._owned_on(), self.past, self.sealer.host_key
        ))  # fmt: skip

    def plan(self, text: str) -> Plan:
        desired = self.desired(text)
        rows = {row.key: row for row in select.rows(self.kinds, desired, self.seen, self.owned)}
        for key in select.triggered(self.kinds, desired, list(rows)):
            rows[key] = select.row(desired, key, self.seen, self.owned)
        plan = make_plan(PlanInput(
            kinds=self.kinds, desired=desired, rows=tuple(rows[key] for key in sorted(rows)), looked=False
        ))  # fmt: skip
        assert not plan.stopped, plan.stopped
        return plan

    def visits(self, text: str, only: tuple[str, ...] = ()) -> tuple[Visit, ...]:
        desired, plan = self.desired(text), self.plan(text)
        told: dict[str, Untold] = {}
        for mine in visits.adoptions(desired, plan.adopt, self._owned_on()):
            known = told.get(mine.key.host, Untold())
            told[mine.key.host] = replace(known, own=(*known.own, mine))
        for key in plan.release:
            known = told.get(key.host, Untold())
            told[key.host] = replace(known, disown=(*known.disown, key))
        return visits.visits(
            self.kinds, desired, self._names(only), self._owned_on(), self.past, self.sealer.host_key, plan, told
        )

    def act(self, text: str, only: tuple[str, ...] = ()) -> dict[str, Report]:
        """Carry out what the plan says, from what was seen last."""
        return self._go(self.desired(text), self.visits(text, only))

    def apply(self, text: str) -> dict[str, Report]:
        """Observe, then act; everything must go well."""
        self.observe(text)
        reports = self.act(text)
        for report in reports.values():
            assert report.trouble is None, report.trouble
            bad = [outcome for outcome in report.outcomes if outcome.result is not Result.OK]
            assert not bad, bad
        return reports

    def believe(self, made: tuple[Visit, ...]) -> None:
        """Remember as owned what somebody else carried out."""
        for visit in made:
            for change in visit.changes:
                mine = owned_after(change, "c0ffee")
                if mine is None:
                    self.owned.pop(change.key, None)
                else:
                    self.owned[change.key] = mine

    def _go(self, desired: Desired, made: tuple[Visit, ...]) -> dict[str, Report]:
        reports: dict[str, Report] = {}

        def ended(report: Report) -> None:
            assert report.host not in reports, "one report a host"
            reports[report.host] = report
            self.seen.update({reading.key: reading.seen for reading in report.readings})
            if report.machine_id and report.trouble is None:
                self.past[report.host] = HostPast(seen_at=report.ended, machine_id=report.machine_id)
            for visit in made:
                if visit.host.name == report.host:
                    kept, gone = visits.settled(visit.changes, report, "c0ffee")
                    self.owned.update({mine.key: mine for mine in kept})
                    for key in gone:
                        self.owned.pop(key, None)

        self.trip.go(made, ended, lambda host, words: self.events.append((host, words)))
        assert sorted(reports) == sorted(visit.host.name for visit in made)
        return reports

    def _names(self, only: tuple[str, ...]) -> tuple[str, ...]:
        return only or tuple(host.name for host in self.lab)

    def _owned_on(self) -> Mapping[str, list[Owned]]:
        found: dict[str, list[Owned]] = {}
        for mine in self.owned.values():
            found.setdefault(mine.key.host, []).append(mine)
        return found


def _flow(value: Json) -> str:
    import json

    return json.dumps(value)


@pytest.fixture(scope="session")
def kinds() -> Kinds:
    return load_kinds()


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: it takes seconds."""
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture
def make_fleet(tmp_path: Path, kinds: Kinds, bundles: Path) -> Iterator[Callable[..., Fleet]]:
    made: list[Fleet] = []

    def make(hosts: Lab, **more: Json) -> Fleet:
        folder = tmp_path / f"state{len(made)}"
        folder.mkdir()
        (folder / "bundles").symlink_to(bundles)
        made.append(Fleet(hosts, folder, kinds, **more))
        return made[-1]

    yield make
    for fleet in made:
        fleet.trip.close()


@pytest.fixture(scope="module")
def pair() -> Iterator[Lab]:
    """Two hosts that log in as root; tests of a module share them, each with things of its own names."""
    with lab.up(2) as hosts:
        yield hosts


@pytest.fixture
def fleet(pair: Lab, make_fleet: Callable[..., Fleet]) -> Fleet:
    return make_fleet(pair)


@pytest.fixture
def raw() -> Callable[[LabHost], str]:
    return raw_state


def raw_state(host: LabHost) -> str:
    """What a host really is, by its own words and none of trueup's: accounts, rights, bytes, modes, packages, units.
    Left out: what differs between hosts anyway, and the ~/.ansible that Ansible leaves where it becomes a user."""
    return host.run(
        "cat /etc/passwd /etc/group; sed 's/:[0-9]*:0:99999:/:DAY:0:99999:/' /etc/shadow; "
        "cd /; find etc home srv var/spool/cron var/mail usr/local -xdev ! -path '*/.ansible*' ! -path 'etc/ssh/*' ! -name '*-' ! -name 'hostname' ! -name 'machine-id'"
        " ! -name hosts ! -name '.updated' ! -path 'etc/.pwd.lock' -printf '%p %y %m %u %g %l\\n' | sort; "
        "find etc home srv var/spool/cron usr/local -xdev -type f ! -path '*/.ansible*' ! -path 'etc/ssh/*' ! -path 'etc/*shadow*' ! -name 'hostname' ! -name 'machine-id' ! -name hosts"
        " -exec sha256sum {} + | sort; dpkg -l | tail -n +6; ls /etc/rc*.d"
    ).stdout


__all__ = ["SECRET", "Fleet", "LabHost", "Spec", "raw_state"]
