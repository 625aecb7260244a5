"""What goes wrong on a host is told for that host and resource; everything else goes on, and the next round heals."""

from __future__ import annotations

from collections.abc import Callable

from lab import Fleet, Spec

GOOD = 'kind: File\nmetadata: {name: /etc/good}\nspec: {hosts: all, content: "good\\n"}\n'


def test_a_failing_op_stops_only_what_depends_on_it(fleet: Fleet) -> None:
    fleet.write(
        "bad.yaml",
        'kind: File\nmetadata: {name: /etc/bad}\nspec: {hosts: all, content: "bad\\n", validate: "grep -q lab-2 /etc/hostname %s"}\n',
    )
    fleet.write(
        "next.yaml",
        'kind: File\nmetadata: {name: /etc/next}\nspec: {hosts: all, content: "n\\n", dependsOn: [File//etc/bad]}\n',
    )
    fleet.write("good.yaml", GOOD)
    fleet.land()
    told = fleet.apply(expect=1).stdout
    assert "/etc/bad" in told
    one, two = fleet.hosts
    assert one.read("/etc/good") == "good\n" and two.read("/etc/good") == "good\n"
    assert not one.exists("/etc/bad") and not one.exists("/etc/next")
    assert two.read("/etc/bad") == "bad\n" and two.read("/etc/next") == "n\n"
    fleet.write(
        "bad.yaml",
        'kind: File\nmetadata: {name: /etc/bad}\nspec: {hosts: all, content: "bad\\n", validate: "true %s"}\n',
    )
    fleet.land("Mended: a new commit tries at once")
    fleet.apply()
    assert one.read("/etc/bad") == "bad\n" and one.read("/etc/next") == "n\n"


def test_a_dead_host_is_unknown_and_the_others_go_on(fleet: Fleet) -> None:
    fleet.write("good.yaml", GOOD)
    fleet.land()
    fleet.hosts[1].crash()
    applied = fleet.trueup("apply", expect=1, timeout=120).stdout
    assert "1 of 2 hosts without an answer; 1 converged" in applied and "? lab-2: " in applied, applied
    assert fleet.hosts[0].read("/etc/good") == "good\n"
    told = fleet.trueup("status", expect=None).stdout
    assert "Unknown" in told and "lab-2" in told
    fleet.hosts[1].boot()
    fleet.trueup("observe")
    fleet.apply()
    assert fleet.hosts[1].read("/etc/good") == "good\n"


def test_a_full_disk_is_said_and_healed(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(Spec(size="40m"), Spec())
    fleet.write("good.yaml", GOOD)
    fleet.write("files/big", "x" * 3_000_000)
    fleet.write("big.yaml", "kind: File\nmetadata: {name: /srv/big}\nspec: {hosts: all, source: files/big}\n")
    fleet.land()
    one, two = fleet.hosts
    one.run("dd if=/dev/zero of=/root/filler bs=1k 2>/dev/null; true")
    told = fleet.trueup("apply", expect=1)
    assert two.exists("/srv/big")
    assert not one.exists("/srv/big")
    assert "space" in (told.stdout + told.stderr + fleet.trueup("status", "lab-1", expect=None).stdout).lower()
    one.run("rm /root/filler")
    fleet.write("note.txt", "a new commit tries at once\n")
    fleet.land()
    fleet.trueup("observe")
    fleet.apply()
    assert one.run("stat -c %s /srv/big").stdout == "3000000\n"


def test_a_host_without_python_is_a_clear_outcome(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(Spec(python=False), Spec())
    fleet.write("good.yaml", GOOD)
    fleet.land()
    assert "? lab-1: " in fleet.trueup("apply", expect=1).stdout
    assert fleet.hosts[1].read("/etc/good") == "good\n"
    assert "python" in fleet.trueup("status", "lab-1", expect=None).stdout.lower()


def test_a_host_that_says_nothing_is_given_up(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(2, connect_timeout="3")
    fleet.write("good.yaml", GOOD)
    fleet.land()
    fleet.hosts[0].freeze()
    assert "? lab-1: " in fleet.trueup("apply", expect=1, timeout=90).stdout
    fleet.hosts[0].thaw()
    assert fleet.hosts[1].read("/etc/good") == "good\n"
    assert "lab-1" in fleet.trueup("status", expect=None).stdout
