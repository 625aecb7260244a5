"""A bad commit never stops the last good one."""

from __future__ import annotations

import time

from lab import Fleet

GOOD = 'kind: File\nmetadata: {name: /etc/motd}\nspec: {hosts: all, content: "good\\n"}\n'
BAD = 'kind: File\nmetadata: {name: /etc/motd}\nspec: {hosts: all, contnt: "bad\\n"}\n'


def test_the_push_is_refused_with_its_line(fleet: Fleet) -> None:
    fleet.write("motd.yaml", GOOD)
    good = fleet.land()
    fleet.write("motd.yaml", BAD)
    fleet.commit("A slip")
    done = fleet.push(check=False)
    assert done.returncode != 0
    assert "motd.yaml:4" in done.stderr and "content" in done.stderr, done.stderr
    assert fleet.git("ls-remote", "origin", "main").stdout.split()[0] == good


def test_one_that_lands_all_the_same_changes_nothing_and_is_told(fleet: Fleet) -> None:
    fleet.write("motd.yaml", GOOD)
    with fleet.serve(observe_every="2"):
        fleet.trueup("wait", fleet.land())
        fleet.write("motd.yaml", BAD)
        bad = fleet.commit("A slip")
        for hook in (fleet.bare / "hooks").iterdir():
            hook.chmod(0o644)
        fleet.push()
        assert fleet.trueup("wait", bad, expect=None, timeout=60).returncode == 1
        fleet.hosts[0].write("/etc/motd", "hacked\n")
        end = time.monotonic() + 30
        while fleet.hosts[0].read("/etc/motd") != "good\n":
            assert time.monotonic() < end, "the last good commit is not held"
            time.sleep(0.2)
        told = fleet.trueup("status", expect=None).stdout
        assert bad[:7] in told, told


def test_plan_on_push_changes_nothing(fleet: Fleet) -> None:
    fleet.write("motd.yaml", GOOD)
    with fleet.serve():
        good = fleet.land()
        fleet.trueup("wait", good)
        fleet.write("motd.yaml", GOOD.replace("good", "better"))
        fleet.commit("Better")
        done = fleet.push("-o", "plan", check=False)
        assert done.returncode == 1 and "/etc/motd" in done.stderr, done.stderr
        assert fleet.git("ls-remote", "origin", "main").stdout.split()[0] == good
        assert fleet.hosts[0].read("/etc/motd") == "good\n"


def test_push_and_wait_ends_with_the_verdict(fleet: Fleet) -> None:
    fleet.write("motd.yaml", GOOD)
    with fleet.serve():
        fleet.commit()
        done = fleet.push("-o", "wait")
        assert fleet.hosts[0].read("/etc/motd") == "good\n"
        assert "converged" in done.stderr.strip().lower().splitlines()[-1] or "converged" in done.stderr.lower(), (
            done.stderr
        )
