"""What a host remembers of itself for trueup: who made what, what a service last loaded, what is still due."""

from __future__ import annotations

import json

import pytest

from reconciler.core.model import Result
from reconciler.trip.forget import leave

pytestmark = pytest.mark.hosts

SERVED = """\
kind: File
metadata: {name: /etc/cron.allow}
spec: {hosts: all, content: "ONE\\n"}
---
kind: Service
metadata: {name: cron}
spec: {hosts: all, running: true, restartOn: [File//etc/cron.allow]}
"""


def own(host):
    return json.loads(host.read("/var/lib/trueup/test.json"))


def put(host, **changes):
    host.write("/var/lib/trueup/test.json", json.dumps({**own(host), **changes}))


def ids(host):
    return host.run("pgrep -x cron | sort -n | head -1; cat /run/crond.pid", check=False).stdout


def test_a_service_is_restarted_after_its_file_even_when_a_kill_came_in_between(fleet):
    host = fleet.lab[0]
    fleet.apply(SERVED)
    fleet.observe(SERVED)
    assert not fleet.plan(SERVED).changes
    text = SERVED.replace("ONE", "TWO")
    before = ids(host)
    fleet.apply(text)
    assert ids(host) != before and "" not in own(host)["loaded"]["Service/cron"].values()
    # Killed after the file and before the restart: the host's file says that what runs has not loaded it.
    loaded = {"Service/cron": {ref: "" for ref in own(host)["loaded"]["Service/cron"]}}
    put(host, loaded=loaded)
    before = ids(host)
    fleet.observe(text)
    assert [change.key.kind for change in fleet.plan(text).changes] == ["Service"]
    fleet.apply(text)
    assert ids(host) != before and "" not in own(host)["loaded"]["Service/cron"].values()
    fleet.observe(text)
    assert not fleet.plan(text).changes


def test_what_was_cut_off_is_still_owned_as_made_and_its_command_still_runs_once(fleet):
    """The controller died after the op: nothing was heard, the host's own file has it."""
    text = 'kind: File\nmetadata: {name: /etc/cut}\nspec: {hosts: all, content: "x\\n", onChange: "echo ran >> /root/cut"}\n'
    fleet.apply(text)
    for host in fleet.lab:
        (entry,) = [entry for entry in own(host)["owned"] if entry["name"] == "/etc/cut"]
        others = [other for other in own(host)["owned"] if other["name"] != "/etc/cut"]
        put(host, owned=[*others, {**entry, "pending": True}], due={"File//etc/cut": "echo ran >> /root/cut"})
        host.run("rm /root/cut")
    fleet.owned = {key: mine for key, mine in fleet.owned.items() if key.name != "/etc/cut"}
    reports = fleet.observe(text)
    plan = fleet.plan(text)
    assert not plan.changes and len(plan.adopt) == 2
    assert {mine.origin.value for mine in reports[fleet.lab[0].name].owned if mine.key.name == "/etc/cut"} == {
        "created"
    }
    fleet.act(text)
    for host in fleet.lab:
        (entry,) = [entry for entry in own(host)["owned"] if entry["name"] == "/etc/cut"]
        assert entry["origin"] == "created" and "pending" not in entry
        assert host.read("/root/cut") == "ran\n" and own(host)["due"] == {}


def test_forget_removes_what_was_made_and_leaves_what_was_found(fleet):
    first, second = fleet.lab
    first.write("/etc/found.conf", "x\n")
    text = """\
kind: Group
metadata: {name: leavers}
spec: {hosts: all, gid: 4200}
---
kind: File
metadata: {name: /etc/found.conf}
spec: {hosts: all, content: "x\\n"}
---
kind: File
metadata: {name: /srv/gone}
spec: {hosts: all, state: directory}
---
kind: File
metadata: {name: /srv/gone/f}
spec: {hosts: all, content: "x\\n"}
"""
    fleet.apply(text)
    fleet.act(text)  # what was found is recorded as owned too
    host = fleet.desired(text).hosts[first.name]
    shown = leave(fleet.trip, host, "test", fleet.sealer.host_key(first.name), yes=False)
    how = {str(key.ref): word for key, word in shown.how.items()}
    assert how["File//etc/found.conf"] == "stays" and how["Group/leavers"] != "stays" and first.exists("/srv/gone/f")
    gone = leave(fleet.trip, host, "test", fleet.sealer.host_key(first.name), yes=True)
    assert gone.report.trouble is None and not gone.failed, gone
    assert not first.exists("/srv/gone") and "leavers" not in first.read("/etc/group")
    assert first.read("/etc/found.conf") == "x\n" and second.exists("/srv/gone/f")
    assert not first.exists("/var/lib/trueup/test.json") and not first.exists("/var/lib/trueup/test.lock")


def test_a_torn_file_of_the_host_owns_nothing_and_is_said_so(fleet):
    text = 'kind: File\nmetadata: {name: /etc/torn.conf}\nspec: {hosts: all, content: "x\\n"}\n'
    fleet.apply(text)
    host = fleet.lab[0]
    host.write("/var/lib/trueup/test.json", host.read("/var/lib/trueup/test.json")[:40])
    report = fleet.observe(text)[host.name]
    assert report.trouble is None and report.owned is None
    assert all(outcome.result is Result.OK for outcome in fleet.act(text)[host.name].outcomes)
