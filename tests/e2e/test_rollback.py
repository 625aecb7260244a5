"""A site put back to the release before, on lab hosts with real nginx: at once, with nothing sent, until a commit ends it."""

from __future__ import annotations

import json
import shutil

import pytest

from lab import Fleet, LabHost

SITE = """\
kind: Site
metadata: {name: docs}
spec:
  hosts: all
  domains: [docs.example.com]
  from: {folder: public}
"""


def shown(host: LabHost) -> str:
    return host.run("curl -s -H 'Host: docs.example.com' http://127.0.0.1/").stdout.strip()


def release(host: LabHost) -> str:
    return host.run("readlink /srv/trueup/sites/docs/current").stdout.strip().rpartition("/")[2]


def blobs(host: LabHost) -> str:
    """Every content that the host has, with its inode: what is sent again is another file."""
    return host.run("find /srv/trueup/blobs -type f -printf '%i %p\\n' | sort").stdout


@pytest.fixture
def site(fleet: Fleet) -> Fleet:
    """Release `one`, then `two`, on both hosts, beside another site."""
    fleet.write("docs.yaml", SITE)
    fleet.write("wiki.yaml", SITE.replace("docs", "wiki").replace("public", "wiki"))
    fleet.write("wiki/index.html", "<h1>wiki</h1>\n")
    fleet.write("public/guide.html", "<h1>guide</h1>\n")
    for words in ("one", "two"):
        fleet.write("public/index.html", f"<h1>{words}</h1>\n")
        fleet.land(words)
        fleet.apply()
    return fleet


def test_a_site_goes_back_at_once_and_stays_there_until_a_commit_ends_it(site: Fleet) -> None:
    fleet, hosts = site, site.hosts
    two = release(hosts[0])
    kept = [blobs(host) for host in hosts]
    told = fleet.trueup("rollback", "docs", "--why", "the menu is broken").stdout
    assert "Site docs goes back to" in told and "on 2 hosts" in told
    assert [shown(host) for host in hosts] == ["<h1>one</h1>"] * 2
    one = release(hosts[0])
    assert one != two and [blobs(host) for host in hosts] == kept

    # It stands in plan, status and history, with who and why; the next round keeps it.
    for words in (("plan",), ("status",)):
        assert f"is put back to {one}" in fleet.trueup(*words).stdout
        assert f"the menu is broken; Git says {two}" in fleet.trueup(*words).stdout
    history = json.loads(fleet.trueup("history", "Site/docs", "--format", "json").stdout)["events"]
    assert [(event["reason"], event["result"]) for event in history[:2]] == [("RolledBack", "ok")] * 2
    assert history[0]["why"].endswith(": the menu is broken")
    assert ": the menu is broken)" in fleet.trueup("history", "Site/docs").stdout
    fleet.apply()
    assert [release(host) for host in hosts] == [one] * 2

    # What is altered by hand heals to the release that was put back.
    hosts[0].run("echo hacked > /srv/trueup/sites/docs/current/files/guide.html")
    fleet.trueup("observe", "all", expect=None)
    assert "Drifted" in fleet.trueup("plan", expect=2).stdout
    fleet.apply()
    assert "guide</h1>" in hosts[0].run("cat /srv/trueup/sites/docs/current/files/guide.html").stdout
    assert release(hosts[0]) == one

    # A commit that is about something else leaves it; one that changes the site ends it, for good.
    fleet.write("README.txt", "Something else.\n")
    fleet.land("Something else")
    fleet.apply()
    assert [release(host) for host in hosts] == [one] * 2
    fleet.write("public/index.html", "<h1>three</h1>\n")
    fleet.land("Three")
    assert "EditedInGit" in fleet.trueup("plan", expect=2).stdout
    fleet.apply()
    assert [shown(host) for host in hosts] == ["<h1>three</h1>"] * 2
    assert "put back" not in fleet.trueup("status").stdout
    fleet.write("public/index.html", "<h1>two</h1>\n")
    fleet.land("Two again")
    fleet.apply()
    assert [release(host) for host in hosts] == [two] * 2


def test_a_revert_goes_on_working_and_an_end_gives_it_back_to_git(site: Fleet) -> None:
    fleet, host = site, site.hosts[0]
    two = release(host)
    fleet.trueup("rollback", "docs", "--why", "broken")
    one = release(host)
    listed = json.loads(fleet.trueup("rollback", "docs", "--list", "--format", "json").stdout)
    assert [(row["version"], row["inGit"], row["wanted"], row["back"]["how"]) for row in listed["versions"]] == [
        (one, False, True, "instant"),
        (two, True, False, "instant"),
    ]
    assert listed["rollback"]["why"] == "broken"
    fleet.hosts[1].run(f"rm -rf /srv/trueup/sites/docs/releases/{two}")
    fleet.trueup("observe", "all", expect=None)
    assert "  in Git, by upload to 1 of 2 hosts\n" in fleet.trueup("rollback", "docs", "--list").stdout
    fleet.trueup("rollback", "docs", "--end")
    assert release(host) == two and fleet.trueup("plan").stdout.startswith("Nothing to do")
    assert "is as Git says" in fleet.trueup("rollback", "docs", "--end", expect=1).stderr

    # Back again by name, then for good by a revert: the same release, so nothing is to be done.
    fleet.trueup("rollback", "docs", "--to", one[:8], "--why", "still broken")
    assert release(host) == one
    fleet.git("revert", "--no-edit", "HEAD")
    fleet.git("push", "-q")
    fleet.apply()
    assert release(host) == one and "put back" not in fleet.trueup("status").stdout
    assert fleet.trueup("plan").stdout.startswith("Nothing to do")


def test_a_lost_state_ends_it_with_gits_word(site: Fleet) -> None:
    fleet, hosts = site, site.hosts
    fleet.trueup("rollback", "docs", "--why", "broken")
    assert [shown(host) for host in hosts] == ["<h1>one</h1>"] * 2
    shutil.rmtree(fleet.state)
    fleet.apply()
    assert [shown(host) for host in hosts] == ["<h1>two</h1>"] * 2


def test_a_running_daemon_carries_it_out(site: Fleet) -> None:
    with site.serve():
        told = site.trueup("rollback", "docs", "--why", "broken").stdout
        assert "goes back to" in told
        assert [shown(host) for host in site.hosts] == ["<h1>one</h1>"] * 2
        assert all("is put back to" in site.trueup(words).stdout for words in ("plan", "status"))
        assert "  in Git, at once\n" in site.trueup("rollback", "docs", "--list").stdout
        site.trueup("rollback", "docs", "--end")
        assert [shown(host) for host in site.hosts] == ["<h1>two</h1>"] * 2


def test_what_cannot_go_back_is_refused_with_the_next_step(site: Fleet) -> None:
    fleet = site
    assert "--why" in fleet.trueup("rollback", "docs", expect=64).stderr
    assert "did you mean docs" in fleet.trueup("rollback", "doc", "--why", "x", expect=1).stderr
    assert "--list" in fleet.trueup("rollback", "docs", "--to", "0000", "--why", "x", expect=1).stderr
    fleet.trueup("rollback", "docs", "--why", "x")
    assert "git revert" in fleet.trueup("rollback", "docs", "--why", "further", expect=1).stderr

    # A release whose domain another site has by now can't come back alone.
    fleet.write("docs.yaml", SITE.replace("docs.example.com", "manual.example.com"))
    fleet.write("other.yaml", SITE.replace("name: docs", "name: other"))
    fleet.land("The domain moves")
    fleet.apply()
    assert "  no: Site other has domain" in fleet.trueup("rollback", "docs", "--list").stdout
    told = fleet.trueup("rollback", "docs", "--why", "x", expect=1).stderr
    assert "Site other has domain docs.example.com:80 now" in told and "git revert" in told
