"""What trueup owns without having changed it: the host's own file learns it by the next visit, and only then is written."""

from __future__ import annotations

import json
from collections.abc import Callable

from lab import Fleet, LabHost, raw

OWN = "/var/lib/trueup/lab.json"
FOUND = 'kind: File\nmetadata: {name: /etc/found.conf}\nspec: {hosts: all, content: "x\\n"}\n'


def told(host: LabHost) -> dict[str, str]:
    """Path → origin, as the host's own file has it."""
    return {one["name"]: one["origin"] for one in raw.own_file(host)["owned"]} if host.exists(OWN) else {}


def plan(fleet: Fleet, expect: int = 0) -> dict[str, object]:
    return json.loads(fleet.trueup("plan", "--format", "json", expect=expect).stdout)  # type: ignore[no-any-return]


def test_what_is_right_at_the_first_look_is_told_to_the_host_at_the_next_and_never_again(
    make_fleet: Callable[..., Fleet],
) -> None:
    fleet = make_fleet(2)
    kept, watched = fleet.hosts
    fleet.host(watched, extra="mode: observe\n")
    for host in fleet.hosts:
        host.write("/etc/found.conf", "x\n")
    fleet.write("found.yaml", FOUND)
    fleet.land()
    fleet.apply()
    assert [host.exists(OWN) for host in fleet.hosts] == [False, False], "nothing is visited just to be told"
    for _ in range(2):
        fleet.trueup("observe")
        assert told(kept) == {"/etc/found.conf": "found"}
        assert not watched.exists(OWN), "mode observe: never written to"
        assert [key["host"] for key in plan(fleet)["adopt"]] == [watched.name]  # type: ignore[attr-defined, index]
    written = kept.run(f"stat -c '%i %Z' {OWN}").stdout
    fleet.trueup("observe")
    fleet.apply()
    assert kept.run(f"stat -c '%i %Z' {OWN}").stdout == written, "who has been told is only looked at"
    for left in fleet.state.glob("state.duckdb*"):
        left.unlink()
    fleet.trueup("observe")
    assert [key["host"] for key in plan(fleet)["adopt"]] == [watched.name]  # type: ignore[attr-defined, index]


def test_what_was_let_go_of_is_somebody_elses_from_then_on(fleet: Fleet) -> None:
    fleet.write("made.yaml", FOUND)
    fleet.land()
    fleet.apply()
    host = fleet.hosts[0]
    assert told(host) == {"/etc/found.conf": "created"}
    for each in fleet.hosts:
        each.run("rm /etc/found.conf")
    fleet.remove("made.yaml")
    fleet.land("It leaves, and is gone already")
    fleet.trueup("observe")
    fleet.apply()
    # Before any visit told the host, somebody makes it anew.
    host.write("/etc/found.conf", "mine\n")
    fleet.trueup("observe")
    assert told(host) == {}
    assert plan(fleet)["changes"] == []
    fleet.apply()
    assert host.read("/etc/found.conf") == "mine\n"


def test_a_host_that_cannot_write_is_read_all_the_same_and_told_when_it_can(fleet: Fleet) -> None:
    full, fixed = fleet.hosts
    for host in fleet.hosts:
        host.write("/etc/found.conf", "x\n")
        host.run("mkdir -p /var/lib/trueup")
    full.run("mount -t tmpfs -o size=4k none /var/lib/trueup; head -c 9999 /dev/zero > /var/lib/trueup/fill || true")
    fixed.run("mount -t tmpfs -o ro none /var/lib/trueup")
    fleet.write("found.yaml", FOUND)
    fleet.land()
    fleet.apply()
    for host in fleet.hosts:
        host.write("/etc/found.conf", "drifted\n")
    fleet.trueup("observe")
    before = plan(fleet, expect=2)
    assert before["hosts"]["unreachable"] == {}, before  # type: ignore[index]
    assert sorted(change["host"] for change in before["changes"]) == ["lab-1", "lab-2"]  # type: ignore[attr-defined, index]
    for host in fleet.hosts:
        host.write("/etc/found.conf", "x\n")
    fleet.trueup("observe")
    assert plan(fleet)["adopt"] == [], "it goes on being owned: nobody could say otherwise"
    for host in fleet.hosts:
        host.run("umount /var/lib/trueup")
    fleet.trueup("observe")
    assert [told(host) for host in fleet.hosts] == [{"/etc/found.conf": "found"}] * 2
