"""A site from a commit to its pages: served, edited, put back, altered by hand, taken off, on real nginx."""

from __future__ import annotations

import json

from lab import Fleet, LabHost

SITE = """\
kind: Site
metadata: {name: docs}
spec:
  hosts: all
  domains: [docs.example.com]
  from: {folder: public}
"""


def asked(host: LabHost, path: str, *more: str, domain: str = "docs.example.com") -> str:
    """Status, location and the body's first line, as curl on the host tells them."""
    form = "%{http_code} %{redirect_url}"
    words = " ".join(
        ["curl -s -o /tmp/body -w", f"'{form}'", f"-H 'Host: {domain}'", *more, f"'http://127.0.0.1{path}'"]
    )
    return host.run(f"{words}; echo; head -n1 /tmp/body").stdout.strip()


def release(host: LabHost) -> str:
    return host.run("readlink /srv/trueup/sites/docs/current").stdout.strip().rpartition("/")[2]


def test_a_site_lives(fleet: Fleet) -> None:
    fleet.write("public/index.html", "<h1>one</h1>\n")
    fleet.write("public/guide.html", "<h1>guide</h1>\n")
    fleet.write("public/app.js", "let x = 1; " * 200)
    fleet.write("public/film.txt", "a long film " * 40_000)
    fleet.write("public/_redirects", "/old/* /guide 301\n")
    fleet.write("docs.yaml", SITE)
    fleet.land()
    fleet.apply()
    for host in fleet.hosts:
        assert asked(host, "/") == "200 \n<h1>one</h1>"
        assert asked(host, "/guide") == "200 \n<h1>guide</h1>"
        assert asked(host, "/old/x").startswith("301 http://127.0.0.1/guide")
        assert asked(host, "/_redirects").startswith("404")
        assert (
            "gzip"
            in host.run(
                "curl -sI -H 'Host: docs.example.com' -H 'Accept-Encoding: gzip' http://127.0.0.1/app.js"
            ).stdout
        )
    host = fleet.hosts[0]
    first = release(host)
    assert fleet.trueup("plan").stdout.startswith("Nothing to do")

    # An edit is a new release; going back to the one before uploads nothing, and is the same release.
    fleet.write("public/index.html", "<h1>two</h1>\n")
    edit = fleet.land("Two")
    shown = fleet.trueup("plan", expect=2).stdout
    assert "changed: /" in shown, shown
    fleet.apply()
    assert asked(host, "/") == "200 \n<h1>two</h1>"
    assert release(host) != first
    fleet.git("revert", "--no-edit", edit)
    fleet.git("push", "-q")
    fleet.apply()
    assert release(host) == first
    assert asked(host, "/") == "200 \n<h1>one</h1>"

    # What is altered by hand is found and healed.
    host.run("echo hacked > /srv/trueup/sites/docs/current/files/guide.html")
    fleet.trueup("observe", "all", expect=None)
    assert "guide.html" in fleet.trueup("plan", expect=2).stdout
    fleet.apply()
    assert asked(host, "/guide") == "200 \n<h1>guide</h1>"

    # What keeps its size and time is found where the sample reads it; of a large file, when somebody asks for all.
    def alter(name: str) -> None:
        at = f"/srv/trueup/sites/docs/current/files/{name}"
        host.run(f"touch -r {at} /tmp/t && printf X | dd of={at} conv=notrunc status=none && touch -r /tmp/t {at}")

    alter("guide.html")
    fleet.trueup("observe", "all")
    assert "guide.html" in fleet.trueup("plan", expect=2).stdout
    fleet.apply()
    assert asked(host, "/guide") == "200 \n<h1>guide</h1>"
    alter("film.txt")
    fleet.trueup("observe", "all")
    assert fleet.trueup("plan").stdout.startswith("Nothing to do")
    fleet.trueup("observe", "all", "--whole")
    assert "film.txt" in fleet.trueup("plan", expect=2).stdout
    fleet.apply()
    assert asked(host, "/film.txt").startswith("200 \na long film")
    alter("film.txt")
    with fleet.serve():
        fleet.trueup("observe", "all", "--whole")
        fleet.trueup("wait")
        assert asked(host, "/film.txt").startswith("200 \na long film"), "a daemon heals it before it looks again"

    # A configuration that somebody broke elsewhere keeps the old release on the air.
    host.write("/etc/nginx/conf.d/broken.conf", "server { listen 80\n")
    fleet.write("public/index.html", "<h1>three</h1>\n")
    fleet.land("Three")
    told = fleet.apply(expect=1)
    assert "broken.conf" in told.stdout + told.stderr, told.stdout + told.stderr
    assert asked(host, "/") == "200 \n<h1>one</h1>"
    assert asked(fleet.hosts[1], "/") == "200 \n<h1>three</h1>"
    host.run("rm /etc/nginx/conf.d/broken.conf")

    # What leaves Git is taken off the air, and with it what only it needed.
    fleet.remove("docs.yaml")
    fleet.land("No more docs")
    fleet.apply(expect=None)
    for one in fleet.hosts:
        assert not one.exists("/srv/trueup/sites/docs")
        assert "one</h1>" not in asked(one, "/")
    owned = json.loads(fleet.hosts[1].run("cat /var/lib/trueup/*.json").stdout)["owned"]
    assert not [one for one in owned if one["kind"] == "Site"]
