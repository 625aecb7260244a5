"""A host that somebody changed by hand is as Git says again after the next round, and only in what Git says."""

from __future__ import annotations

import time

from lab import Fleet

MOTD = 'kind: File\nmetadata: {name: /etc/motd}\nspec: {hosts: all, content: "as it should be\\n", mode: "0644"%s}\n'
BO = "kind: User\nmetadata: {name: bo}\nspec: {hosts: all, uid: 2102, shell: /bin/bash, groups: [], sudo: none%s}\n"


def test_what_was_changed_by_hand_is_changed_back(fleet: Fleet) -> None:
    fleet.write("motd.yaml", MOTD % "")
    fleet.write("bo.yaml", BO % "")
    fleet.land()
    fleet.apply()
    one, two = fleet.hosts
    one.write("/etc/motd", "hacked\n")
    one.run("chmod 600 /etc/motd; usermod -s /bin/sh -aG adm bo; echo 'bo ALL=(ALL) ALL' > /etc/sudoers.d/extra")
    two.run("userdel -r bo 2>/dev/null || userdel bo")
    fleet.trueup("observe")
    told = fleet.trueup("plan", expect=2).stdout
    assert "Drifted" in told and "EditedInGit" not in told
    fleet.apply()
    assert one.read("/etc/motd") == "as it should be\n"
    assert one.run("stat -c %a /etc/motd").stdout == "644\n"
    assert one.run("getent passwd bo").stdout.endswith(":/bin/bash\n")
    assert one.run("id -Gn bo").stdout == "bo\n"
    assert one.exists("/etc/sudoers.d/extra"), "nobody declared it: it is not ours to touch"
    assert two.run("id -u bo").stdout == "2102\n"


def test_the_daemon_heals_by_itself(fleet: Fleet) -> None:
    fleet.write("motd.yaml", MOTD % "")
    with fleet.serve(observe_every="2"):
        fleet.trueup("wait", fleet.land())
        fleet.hosts[1].write("/etc/motd", "hacked\n")
        end = time.monotonic() + 30
        while fleet.hosts[1].read("/etc/motd") != "as it should be\n":
            assert time.monotonic() < end, "the drift is still there"
            time.sleep(0.2)


def test_report_only_reports(fleet: Fleet) -> None:
    fleet.write("motd.yaml", MOTD % ", onDrift: report")
    fleet.land()
    fleet.apply()
    fleet.hosts[0].write("/etc/motd", "hacked\n")
    fleet.trueup("observe")
    fleet.apply()
    assert fleet.hosts[0].read("/etc/motd") == "hacked\n"
    assert fleet.trueup("status", expect=None).stdout.count("Drifted") >= 1


def test_ignored_fields_are_left_alone(fleet: Fleet) -> None:
    fleet.write("bo.yaml", BO % ", ignore: [shell]")
    fleet.land()
    fleet.apply()
    fleet.hosts[0].run("usermod -s /bin/sh bo")
    fleet.trueup("observe")
    fleet.apply()
    assert fleet.hosts[0].run("getent passwd bo").stdout.endswith(":/bin/sh\n")
