"""What a host's own file is for when things go wrong there: whose a thing is, which machine it is, what was done."""

from __future__ import annotations

import json

import pytest

from reconciler.core.model import Origin, Result

pytestmark = pytest.mark.hosts

FILE = 'kind: File\nmetadata: {name: /etc/NAME.conf}\nspec: {hosts: all, content: "x\\n"}\n'


def own(host):
    return json.loads(host.read("/var/lib/trueup/test.json"))


def test_what_somebody_made_since_it_was_looked_at_is_his(fleet):
    """Between the look and the visit somebody writes just what Git wants: trueup hasn't made it, so it won't delete it."""
    text = FILE.replace("NAME", "his")
    fleet.observe(text)
    for host in fleet.lab:
        host.write("/etc/his.conf", "x\n")
    for report in fleet.act(text).values():
        (outcome,) = report.outcomes
        assert outcome.result is Result.STALE and "not by trueup" in outcome.message
    fleet.observe(text)
    plan = fleet.plan(text)
    assert not plan.changes and len(plan.adopt) == 2
    fleet.act(text)
    for host in fleet.lab:
        (entry,) = [entry for entry in own(host)["owned"] if entry["name"] == "/etc/his.conf"]
        assert entry["origin"] == "found"


def test_what_a_full_disk_keeps_from_being_written_down_is_told_and_right_in_the_next_round(fleet):
    host = fleet.lab[0]
    fleet.apply(FILE.replace("NAME", "goes"))
    host.run(
        "cp -a /var/lib/trueup /root/kept; mount -t tmpfs -o size=256k,mode=700 none /var/lib/trueup; cp -a /root/kept/. /var/lib/trueup/"
    )
    text = (
        'kind: File\nmetadata: {name: /etc/full.conf}\nspec:\n  hosts: all\n  content: "x\\n"\n'
        "  onChange: dd if=/dev/zero of=/var/lib/trueup/filler bs=1k 2>/dev/null; echo ran >> /root/full\n"
    )
    try:
        fleet.observe(text)
        report = fleet.act(text, (host.name,))[host.name]
        assert report.trouble is not None and report.trouble.code == "disk-full"
        assert {outcome.key.name: outcome.result for outcome in report.outcomes} == {
            "/etc/full.conf": Result.OK, "/etc/goes.conf": Result.OK,
        }  # fmt: skip
        assert report.readings and report.owned is None
        assert host.read("/etc/full.conf") == "x\n" and not host.exists("/etc/goes.conf")
        host.run("rm /var/lib/trueup/filler")
        fleet.observe(text)
        assert not [change for change in fleet.plan(text).changes if change.key.host == host.name]
        fleet.apply(text.replace("x\\n", "y\\n").replace("dd if", "true dd if"))
        (entry,) = [entry for entry in own(host)["owned"] if entry["name"] == "/etc/full.conf"]
        assert entry["origin"] == "created" and "pending" not in entry
    finally:
        host.run("umount /var/lib/trueup")


def test_a_host_without_a_machine_id_is_known_by_its_own_file(fleet):
    host, text = fleet.lab[1], FILE.replace("NAME", "known")
    host.run("mv /etc/machine-id /root/machine-id; rm -rf /var/lib/trueup")
    try:
        fleet.observe(text)
        assert host.name not in fleet.past
        assert fleet.act(text, (host.name,))[host.name].trouble is None
        made_up = fleet.past[host.name].machine_id
        assert made_up.startswith("trueup") and own(host)["machineId"] == made_up
        assert fleet.observe(text)[host.name].trouble is None
        # It gets one: the same machine still, by its own file.
        host.write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
        assert fleet.observe(text)[host.name].trouble is None and fleet.past[host.name].machine_id == made_up
        # Another machine under its name, with neither: nothing is sent.
        host.run("rm /etc/machine-id; mv /var/lib/trueup /root/away")
        (report,) = [fleet.act(text.replace("x\\n", "y\\n"), (host.name,))[host.name]]
        assert report.trouble.code == "reborn" and not report.outcomes
        assert host.read("/etc/known.conf") == "x\n"
        host.run("rm -rf /var/lib/trueup; mv /root/away /var/lib/trueup")
    finally:
        host.run("mv /root/machine-id /etc/machine-id")


def test_a_host_that_loses_its_machine_id_is_known_by_its_own_file(fleet):
    host, text = fleet.lab[0], FILE.replace("NAME", "lost")
    fleet.apply(text)
    host.run("mv /etc/machine-id /root/machine-id; echo uninitialized > /etc/machine-id")
    try:
        assert fleet.observe(text)[host.name].trouble is None
        host.run("mv /var/lib/trueup/test.json /root/test.json")
        assert fleet.observe(text)[host.name].trouble.code == "reborn"
        host.run("mv /root/test.json /var/lib/trueup/test.json")
    finally:
        host.run("mv /root/machine-id /etc/machine-id")


def test_a_file_that_moves_takes_nothing_of_others_with_it(fleet):
    """What stands at the old path and at the new one by now is kept, and what trueup didn't make stays."""
    one, two = fleet.lab
    text = 'kind: File\nmetadata: {name: moving}\nspec: {hosts: all, path: /etc/old.conf, content: "x\\n"}\n'
    fleet.apply(text)
    moved = text.replace("/etc/old", "/etc/new")
    fleet.observe(moved)
    one.write("/etc/old.conf", "edited by hand\n")
    two.run("rm /etc/old.conf; mkdir /etc/old.conf")
    reports = fleet.act(moved)
    assert reports[one.name].outcomes[0].result is Result.OK
    assert one.read("/etc/new.conf") == "x\n" and not one.exists("/etc/old.conf")
    assert one.read("/var/lib/trueup/backup/%2Fetc%2Fold.conf") == "edited by hand\n"
    (failed,) = reports[two.name].outcomes
    assert failed.result is Result.FAILED and "is now a directory, not the file" in failed.message
    assert two.run("ls -d /etc/old.conf").stdout
    assert Origin.CREATED in {mine.origin for mine in fleet.owned.values()}
