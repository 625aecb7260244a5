"""nginx itself: missing, unable to start, its port taken; and reloads and kills that no visitor notices."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.systems.sites.host.places import HERE, SITE, Place, install, under_load

pytestmark = pytest.mark.hosts
LISTENER = "python3 -I -c 'import socket,time; s=socket.create_server((\"0.0.0.0\", {port})); time.sleep(600)'"


def staged(place: Place, release: str, text: str) -> None:
    files = place.files(index_html=text)
    place.send(files)
    assert not place.stage(release, files)["failed"]


def test_a_host_without_nginx_says_so(place: Place) -> None:
    place.host.run("mv /usr/sbin/nginx /usr/sbin/nginx.away")
    try:
        staged(place, "r1", "one")
        done = place.switch("r1")
        assert done["failed"] and "nginx is not installed on this host" in done["msg"]
        assert place.current() == "" and place.left() == []
        assert place.op(do="remove") == {"changed": True, "failed": False, "msg": ""}
    finally:
        place.host.run("mv /usr/sbin/nginx.away /usr/sbin/nginx")


@pytest.mark.parametrize("script", [True, False], ids=["init script", "nginx alone"])
def test_nginx_is_started_where_it_does_not_run(place: Place, script: bool) -> None:
    if not script:
        place.host.run("chmod a-x /etc/init.d/nginx")
    try:
        staged(place, "r1", "one")
        assert not place.switch("r1")["failed"] and place.get() == "200 one"
        place.host.run("kill -9 $(pgrep -x nginx); while pgrep -x nginx; do sleep 0.05; done; : > /run/nginx.pid")
        assert place.switch("r1") == {"changed": True, "failed": False, "msg": ""}
        assert place.get() == "200 one"
    finally:
        place.host.run("chmod a+x /etc/init.d/nginx")


@pytest.mark.parametrize("script", [True, False], ids=["init script", "nginx alone"])
def test_an_nginx_that_does_not_start_tells_why(place: Place, script: bool) -> None:
    """A port of another server, that no question of ours is about: only the start itself finds it."""
    host = place.host
    host.write("/etc/nginx/conf.d/hand.conf", "server { listen 8099; }\n")
    host.run(f"{LISTENER.format(port=8099)} >/dev/null 2>&1 & echo $! > /run/listener; sleep 0.4")
    if not script:
        host.run("chmod a-x /etc/init.d/nginx")
    try:
        staged(place, "r1", "one")
        done = place.switch("r1")
        assert done["failed"] and "nginx does not start" in done["msg"]
        assert "bind() to 0.0.0.0:8099 failed (98: " in done["msg"] and "Nothing was served before" in done["msg"]
        assert f"; port 8099 is taken by python3 (process {host.read('/run/listener').strip()})" in done["msg"]
        assert place.current() == "" and place.left() == []
    finally:
        host.run("kill $(cat /run/listener); chmod a+x /etc/init.d/nginx")


@pytest.mark.parametrize("running", [True, False])
def test_a_port_that_is_taken_is_said_with_who_has_it(place: Place, running: bool) -> None:
    host = place.host
    if running:
        place.serve("r1", place.files(index_html="one"))
    host.run(f"{LISTENER.format(port=8080)} >/dev/null 2>&1 & echo $! > /run/listener; sleep 0.4")
    try:
        before, place.port = place.port, 8080
        staged(place, "r2", "two")
        done = place.switch("r2")
        pid = host.read("/run/listener").strip()
        assert done["failed"] and f"port 8080 is taken by python3 (process {pid})" in done["msg"]
        assert place.current() == ("releases/r1" if running else "") and place.left() == []
        place.port = before
        assert place.get().startswith("200 one" if running else "000")
    finally:
        host.run("kill $(cat /run/listener)")
    place.port = 8080
    assert not place.switch("r2")["failed"] and place.get() == "200 two"


def test_a_reload_that_fails_is_told_and_undone(place: Place) -> None:
    """Taken between the test and the reload, by what no question of ours is about: nginx tries for 2.5 s."""
    host = place.host
    place.serve("r1", place.files(index_html="one"))
    host.run(f"{LISTENER.format(port=8098)} >/dev/null 2>&1 & echo $! > /run/listener; sleep 0.4")
    try:
        files = place.files(index_html="two")
        place.send(files)
        place.stage("r2", files, config=place.config("r2") + "server { listen 8098; }\n")
        done = place.switch("r2")
        assert (
            done["failed"] and "nginx did not take the new configuration: bind() to 0.0.0.0:8098 failed" in done["msg"]
        )
        assert f"; port 8098 is taken by python3 (process {host.read('/run/listener').strip()})" in done["msg"]
        assert "Switched back to release r1" in done["msg"]
        assert place.get() == "200 one" and place.current() == "releases/r1" and place.left() == []
    finally:
        host.run("kill $(cat /run/listener)")


def test_an_nginx_without_its_pid_file_is_told_with_its_process(place: Place) -> None:
    """As systemd leaves one that somebody started by hand: it takes the pid file away when its own doesn't start."""
    place.serve("r1", place.files(index_html="one"))
    staged(place, "r2", "two")
    pid = place.host.run("cat /run/nginx.pid; rm /run/nginx.pid").stdout.strip()
    done = place.switch("r2")
    named = f"port 80 is taken by an nginx that /run/nginx.pid doesn't name (process {pid}; kill -QUIT {pid} ends it)"
    assert done["failed"] and named in done["msg"] and place.get() == "200 one" and place.left() == []
    place.host.run(f"kill -QUIT {pid}; while pgrep -x nginx >/dev/null; do sleep 0.05; done")
    assert not place.switch("r2")["failed"] and place.get() == "200 two"


def test_a_switch_that_was_cut_before_its_proof_is_not_told_as_served(place: Place) -> None:
    place.serve("r1", place.files(index_html="one"))
    staged(place, "r2", "two")
    cut = "plain = site.switches.ask.wrong\nsite.switches.ask.wrong = lambda *args: os.kill(os.getpid(), 9)"
    assert place.tried(first=cut, do="switch", release="r2", keep=3, expect=[place.mark("r2")]).returncode != 0
    assert place.get() == "200 two" and place.probe()["state"]["release"] == "r1", "it is served, but nobody proved it"
    done = place.switch("r2", (place.expect("/", body="three"),))
    assert done["failed"] and "Switched back to release r1" in done["msg"] and place.get() == "200 one"
    assert not place.switch("r2")["failed"] and place.probe()["state"]["release"] == "r2" and place.left() == []


def test_no_request_fails_while_releases_are_switched(place: Place) -> None:
    seen = under_load(place, switches=8)
    assert seen["failed"] == 0 and seen["fresh"] > 100 and seen["kept"] > 100, seen


# ---------------------------------------------------------------- kills


def kills(place: Place, jobs: list[dict[str, Any]], before: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """One line a kill, before each step in turn."""
    install(place.host)
    place.host.write("/run/probe.py", (SITE / "probe.py").read_text("utf-8"))
    place.host.write("/run/killing.py", (HERE / "killing.py").read_text("utf-8"))
    given = {"name": place.name, "domain": place.domain, "jobs": jobs, "before": before or []}
    done = place.host.run("python3 -I /run/killing.py", input=json.dumps(given), timeout=550, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def jobs_of(place: Place, release: str) -> list[dict[str, Any]]:
    files = {"index.html": "BLOB page", "sub/more.html": "BLOB second"}
    config = place.config(release)
    return [
        {"do": "stage", "name": place.name, "release": release, "files": files, "packed": False, "config": config},
        {"do": "switch", "name": place.name, "release": release, "keep": 2, "expect": [place.mark(release)]},
    ]


def test_killed_between_any_two_steps_a_whole_release_is_served_and_the_next_visit_ends_it(place: Place) -> None:
    place.serve("k0", place.files(index_html="page k0"))
    lines = kills(place, jobs_of(place, "RELEASE"))
    assert [line["killed"] for line in lines] == [True] * (len(lines) - 1) + [False]
    assert len(lines) > 25 and {"rename", "syncfs", "link", "kill", "run"} <= {line["step"] for line in lines}
    for number, line in enumerate(lines, 1):
        old, new = f"k{number - 1}", f"k{number}"
        assert line["before"]["body"] == f"200 page {old}"
        assert line["after"]["body"] in (f"200 page {old}", f"200 page {new}"), line
        assert line["after"]["release"] in (old, new) and line["after"]["altered"] == [], line
        if line["after"]["release"] == new:
            assert line["after"]["body"] == f"200 page {new}", "told as served, so no visit would mend it"
        assert (line["end"]["body"], line["end"]["release"]) == (f"200 page {new}", new), line
        assert line["end"]["altered"] == [] and line["left"] == [], line


def test_a_removal_that_is_killed_goes_on_and_harms_no_other_site(place: Place) -> None:
    other = Place(place.host, name="other", domain="other.test")
    other.serve("r1", other.files(index_html="other"))
    before = json.loads(json.dumps(jobs_of(place, "r1")).replace("BLOB second", "BLOB page"))
    lines = kills(place, [{"do": "remove", "name": place.name}], before)
    assert len(lines) > 12 and not lines[-1]["killed"]
    for line in lines:
        assert line["before"]["body"] == "200 page before"
        assert line["end"]["release"] is None and line["left"] == [], line
        if line["after"]["release"] is None:
            assert line["after"]["body"] != "200 page before"
    assert other.get() == "200 other"
