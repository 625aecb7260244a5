"""A site on a host that systemd runs and that has neither nginx nor certbot: their units come with the packages, and what
trueup does with them is what systemd knows of."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from lab import Fleet, LabHost, Spec, debian
from tests.systems.sites.host.places import Place

from .test_site import release
from .test_site_acme import Authority
from .test_site_tls import problem, serial

SITE = """\
kind: Site
metadata: {name: docs}
spec:
  hosts: role=web
  domains: [docs.example.com]
  from: {folder: public}
"""
ROOT = """\
kind: File
metadata: {name: /usr/local/share/ca-certificates/authority.crt}
spec: {hosts: role=web, source: files/authority.crt, onChange: update-ca-certificates}
"""
GET = "import urllib.request as u; print(u.urlopen(u.Request('http://127.0.0.1/', headers={'Host': 'docs.example.com'})).read().decode())"


def stock_up(host: LabHost, suite: str) -> None:
    """The host's apt has nginx, certbot and what they need to install, and no other source."""
    tar = ["tar", "-C", str(debian.archive(suite, "nginx,certbot")), "-c", "."]
    with subprocess.Popen(tar, stdout=subprocess.PIPE) as sent:
        subprocess.run(
            [*host.enter(), "tar", "-C", "/srv", "--one-top-level=debs", "-x"], stdin=sent.stdout, check=True
        )
    host.run("rm -rf /etc/apt/sources.list.d/*")
    host.write("/etc/apt/sources.list", "deb [trusted=yes] file:/srv/debs ./\n")


def get(host: LabHost) -> str:
    return host.run(f'python3 -Ic "{GET}"').stdout.strip()


def unit(host: LabHost) -> tuple[str, str]:
    """Whether nginx.service is active, and its main process, which is in its control group and in nginx's pid file."""
    active, pid = host.run("systemctl show --value -p ActiveState -p MainPID nginx | sort -r").stdout.split()
    if pid != "0":
        assert host.read("/run/nginx.pid").strip() == pid
        assert host.read(f"/proc/{pid}/cgroup").splitlines()[-1].endswith("/system.slice/nginx.service")
    return active, pid


def test_a_site_under_systemd(make_fleet: Callable[..., Fleet]) -> None:
    # A name of its own: systemd-nspawn has one container of a name on a machine.
    web = Spec(name="unit-1", root="bookworm", systemd=True)
    fleet = make_fleet(web, Spec(name="unit-2"), labels={"unit-1": "role: web"})
    host, other = fleet.hosts
    stock_up(host, web.root)

    def put(text: str, manifest: str = SITE) -> None:
        fleet.write("public/index.html", text + "\n")
        fleet.write("docs.yaml", manifest)
        fleet.land(text)

    # One walk of the line, from nothing: nginx is its unit's, not a child of the visit.
    put("one")
    fleet.apply()
    active, pid = unit(host)
    assert (active, get(host)) == ("active", "one")
    assert host.run("systemctl is-enabled nginx").stdout == "enabled\n"
    assert fleet.trueup("plan").stdout.startswith("Nothing to do")
    put("two")
    fleet.apply()
    assert (unit(host), get(host)) == (("active", pid), "two")

    # A test has mounts of its own here; where they are forbidden it does without, and says so.
    place = Place(host, name="tried", domain="tried.test")
    files = place.files(index_html="tried")
    place.send(files)
    assert not place.stage("r1", files)["failed"]
    assert place.switch("r1") == {"changed": True, "failed": False, "msg": ""}
    assert not place.stage("r2", files, config="server {\n")["failed"]
    refused = place.switch("r2")
    assert refused["failed"] and "unexpected end of file" in refused["msg"] and place.current() == "releases/r1"
    assert not place.stage("r3", files)["failed"]
    without = "setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin"
    assert "no mounts of its own" in place.op(under=without, do="switch", release="r3", keep=3, expect=[])["msg"]
    assert not place.op(do="remove")["failed"]
    assert "/srv" not in host.read("/proc/self/mounts")
    assert unit(host) == ("active", pid)

    # Killed, and its port taken meanwhile: who has it is told, and the release of before stays until it is free again.
    host.run("pkill -KILL -x nginx; while pgrep -x nginx >/dev/null; do sleep 0.05; done")
    host.run("systemd-run -q --unit=squat python3 -m http.server 80")
    host.run("until ss -Hltn 'sport = :80' | grep -q .; do sleep 0.05; done")
    before = release(host)
    put("three")
    squatter = host.run("systemctl show --value -p MainPID squat").stdout.strip()
    squat = f"port 80 is taken by python3 (process {squatter})"
    told = problem(fleet)
    assert f"Site docs: failed before: {squat}, so nginx can't serve on it: nothing was switched" in told, told
    told = problem(fleet)  # the site waits for its next try; that nginx is gone was seen by the visit
    failed = f"Service nginx: failed before: systemctl start nginx.service: {squat}, which nginx.service did not start"
    assert f"{failed}: end it, or give one of the two another port; Job for nginx.service failed" in told, told
    assert release(host) == before and unit(host)[0] == "failed"
    host.run("systemctl stop squat")
    put("four")
    fleet.apply()
    assert (unit(host)[0], get(host)) == ("active", "four")

    # Stopped, and masked: somebody doesn't want it to run. That is told, and the release of before stays.
    host.run("systemctl stop nginx; systemctl mask -q nginx")
    before = release(host)
    put("five")
    told = problem(fleet)
    assert "nginx does not start: Failed to start nginx.service: Unit nginx.service is masked." in told, told
    assert "somebody decided that it never starts (systemctl unmask nginx)" in told, told
    assert release(host) == before and unit(host) == ("inactive", "0")
    host.run("systemctl unmask -q nginx")
    fleet.trueup("observe", "unit-1")
    authority = Authority(other)
    authority.start(host.address)
    fleet.write("files/authority.crt", authority.root)
    fleet.write("root.yaml", ROOT)
    put("six", f"{SITE}  tls: {{acme: {{server: '{authority.server}'}}}}\n")
    fleet.apply()
    active, pid = unit(host)
    first = serial(host, "docs.example.com")
    assert active == "active" and first.startswith("serial=")

    # certbot's own timer came with it. What it starts leaves a good certificate alone, renews one that is due, and has
    # nginx show it; the next look finds nothing to do.
    assert host.run("systemctl is-active certbot.timer").stdout == "active\n"
    host.run("systemctl start certbot.service")
    assert serial(host, "docs.example.com") == first
    host.run("sed -i '1i renew_before_expiry = 3000 days' /etc/letsencrypt/renewal/trueup-docs.conf")
    host.run("systemctl start certbot.service")
    end = time.monotonic() + 20  # certbot doesn't wait until nginx has read it
    while serial(host, "docs.example.com") in (first, ""):
        assert time.monotonic() < end, host.read("/var/log/letsencrypt/letsencrypt.log")[-3000:]
        time.sleep(0.1)
    assert unit(host) == ("active", pid)
    assert "0 changes to make" in fleet.trueup("observe", "unit-1").stdout
