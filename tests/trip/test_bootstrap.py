"""A host without Python: said so, or given one, by its own package manager and over the connection of the visit."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest

import lab
from lab import LabHost, Spec
from reconciler.core import visits
from reconciler.core.model import Result, Visit
from reconciler.trip import batch, start

FILE = 'kind: File\nmetadata: {name: /etc/x.conf}\nspec: {hosts: all, content: "x\\n"}\n'


@pytest.mark.parametrize(
    ("managers", "works", "ran"),
    [
        (["apt-get"], ["install"], ["apt-get -q -y --no-remove -o DPkg::Lock::Timeout=60 install --no-install-recommends python3"]),
        (["dnf", "yum"], ["dnf"], ["dnf -y install python3"]),
        (["yum"], ["yum"], ["yum -y install python3"]),
        (["zypper", "dnf"], ["zypper"], ["zypper --non-interactive install python3"]),
        (["apk"], ["update-cache"], ["apk --wait 60 add python3", "apk --wait 60 --update-cache add python3"]),
    ],
)  # fmt: skip
def test_each_package_manager_is_asked_in_its_own_words(
    tmp_path: Path, managers: list[str], works: list[str], ran: list[str]
) -> None:
    """The commands alone: a stand-in under each name writes down what it was asked."""
    for name in managers:
        (tmp_path / name).write_text(
            f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/ran\ncase "{name} $*" in *{works[0]}*) exit 0;; esac; exit 1\n'
        )
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(["/bin/sh", "-c", start.INSTALL], env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0, done
    assert (tmp_path / "ran").read_text().splitlines() == ran


def test_where_no_package_manager_is_known_it_says_so(tmp_path: Path) -> None:
    done = subprocess.run(["/bin/sh", "-c", start.INSTALL], env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 1 and "neither apt, zypper, dnf nor apk" in done.stdout


def python_in_a_package(folder: Path) -> None:
    """A flat repository with a python3 that brings the machine's own interpreter back where a lab host hides it."""
    root = folder / "root"
    (root / "DEBIAN").mkdir(parents=True)
    control = (
        "Package: python3\nVersion: 99\nArchitecture: all\nMaintainer: Lab <lab@example.com>\nDescription: a test\n"
    )
    (root / "DEBIAN/control").write_text(control)
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/python3").write_bytes(Path("/usr/bin/python3").resolve().read_bytes())
    (root / "usr/bin/python3").chmod(0o755)
    deb = folder / "python3.deb"
    subprocess.run(
        ["dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "--build", str(root), str(deb)],
        check=True,
        capture_output=True,
    )
    data = deb.read_bytes()
    index = f"{control}Filename: ./python3.deb\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
    (folder / "Packages").write_text(index)


def offer(host: LabHost, folder: Path) -> None:
    """The host's only source of packages, with nothing installed as far as dpkg knows."""
    host.run("rm -rf /etc/apt/sources.list.d/* /etc/apt/sources.list; : > /var/lib/dpkg/status; mkdir -p /srv/debs")
    for name in ("python3.deb", "Packages"):
        text = base64.b64encode((folder / name).read_bytes()).decode()
        host.run(f"base64 -d > /srv/debs/{name}; chmod -R a+rX /srv/debs", input=text)
    host.write("/etc/apt/sources.list", "deb [trusted=yes] file:/srv/debs ./\n")


@pytest.mark.hosts
def test_a_host_is_given_python_where_its_manifest_lets_it(make_fleet, tmp_path):
    python_in_a_package(tmp_path)
    specs = [
        Spec(name="told", python=False),
        Spec(name="given", python=False),
        Spec(name="sudo", python=False, user="deploy", sudo="password", password="hunter2"),
        Spec(name="poor", python=False),
    ]
    with lab.up(specs) as hosts:
        fleet = make_fleet(hosts, become_password="hunter2")
        fleet.extra = {name: {"bootstrap": True} for name in ("given", "sudo", "poor")}
        for name in ("given", "sudo"):
            offer(hosts[name], tmp_path)
        hosts["poor"].run("rm -rf /etc/apt/sources.list*; : > /var/lib/dpkg/status; rm -rf /var/lib/apt/lists/*")
        reports = fleet.observe(FILE)

        told = reports["told"].trouble
        assert told.code == "no-python" and "bootstrap: true into Host told" in told.next_step
        poor = reports["poor"].trouble
        assert poor.code == "no-python-installed" and "python3" in poor.why, poor
        for name in ("given", "sudo"):
            assert reports[name].trouble is None, reports[name].trouble
            (outcome,) = reports[name].outcomes
            assert (outcome.key.kind, outcome.result, outcome.changed) == ("Host", Result.OK, True)
            assert outcome.op == "install python3 (bootstrap)"
            assert hosts[name].run("dpkg -s python3 | grep ^Version").stdout == "Version: 99\n"
        acted = fleet.act(FILE, ("given", "sudo"))
        for name in ("given", "sudo"):
            (outcome,) = acted[name].outcomes  # of the file alone: nothing was installed again
            assert outcome.key.name == "/etc/x.conf" and outcome.result is Result.OK
            assert hosts[name].read("/etc/x.conf") == "x\n"


@pytest.mark.hosts
def test_where_nothing_is_to_be_changed_nothing_is_installed(fleet):
    first = fleet.lab[0].name
    fleet.extra = {host.name: {"bootstrap": True} for host in fleet.lab}
    fleet.extra[first] |= {"mode": "observe"}
    assert {visit.host.name: visit.host.bootstrap for visit in fleet_visits(fleet)} == {
        host.name: host.name != first for host in fleet.lab
    }


@pytest.mark.hosts
def test_only_a_host_that_has_never_shown_a_python_is_given_the_time(fleet):
    one, two = (host.name for host in fleet.lab)
    fleet.set(look_limit=33.0)
    fleet.extra = {one: {"bootstrap": True}}
    limits = {}
    for known in (False, True):
        running = batch._Run(fleet.trip.batch, fleet.folder, fleet_visits(fleet), print, print, lambda visit: {})
        limits[known] = {visit.host.name: running.limit(visit) for visit in running.visits}
        running.memory.close()
        fleet.observe(FILE)
    assert limits == {False: {one: 33.0 + start.LIMIT, two: 33.0}, True: {one: 33.0, two: 33.0}}


def fleet_visits(fleet) -> tuple[Visit, ...]:
    desired = fleet.desired(FILE)
    return visits.visits(fleet.kinds, desired, tuple(desired.hosts), {}, {}, fleet.sealer.host_key)


def test_the_line_is_one_line_and_right_by_the_shell() -> None:
    for bootstrap in (False, True):
        line = start.command(bootstrap)
        assert "\n" not in line
        assert subprocess.run(["/bin/sh", "-n", "-c", line], check=False).returncode == 0
    assert "apt-get" not in start.command(False)
