"""What befalls a host in the middle of a release: what it served it goes on serving, the reason is told, and the next
walk of the line ends it."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Callable

from lab import Fleet, LabHost

from .test_site import SITE, asked, release

HANGS = "#!/bin/sh\ntouch /run/at-the-switch\nexec sleep 600\n"
"""In nginx's place: whoever tests a configuration, which the switch begins with, waits."""


def served(host: LabHost, text: str) -> bool:
    return asked(host, "/") == f"200 \n{text}"


def again(fleet: Fleet) -> subprocess.CompletedProcess[str]:
    """Without waiting until a host that didn't answer is due."""
    fleet.trueup("observe", "all", expect=None)
    return fleet.apply()


def test_a_power_cut_between_upload_and_switch(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(1)
    [host] = fleet.hosts
    fleet.write("public/index.html", "one\n")
    fleet.write("docs.yaml", SITE)
    fleet.land()
    fleet.apply()
    first = release(host)

    fleet.write("public/index.html", "two\n")
    fleet.land("Two")
    host.run("mv /usr/sbin/nginx /usr/sbin/nginx.real")
    host.write("/usr/sbin/nginx", HANGS)
    host.run("chmod 755 /usr/sbin/nginx")
    walk = threading.Thread(target=fleet.apply, kwargs={"expect": None})
    walk.start()
    end = time.monotonic() + 120
    while not host.exists("/run/at-the-switch"):
        assert time.monotonic() < end and walk.is_alive(), "the switch was not reached"
        time.sleep(0.05)
    host.crash()
    host.boot()
    walk.join()  # back again, the host ends the session: ssh need not find out by itself
    host.run("mv /usr/sbin/nginx.real /usr/sbin/nginx; rm -f /run/nginx.pid; nginx")
    assert release(host) == first and served(host, "one"), "nothing was switched"
    assert len(host.run("ls /srv/trueup/sites/docs/releases").stdout.split()) == 2, "the new one is whole beside it"
    told = again(fleet)
    assert "contents" not in told.stdout + told.stderr, "what was uploaded is not sent again"
    assert release(host) != first and served(host, "two")
    assert not host.exists("/srv/trueup/sites/docs/switching")


def test_a_disk_that_is_full_in_the_upload(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(2)
    small, other = fleet.hosts
    small.run("mount -t tmpfs -o size=20m,mode=755 none /srv")
    fleet.write("public/index.html", "one\n")
    fleet.write("docs.yaml", SITE)
    fleet.land()
    fleet.apply()
    made = random.Random(1)
    for number in range(40):
        (fleet.clone / f"public/{number}.png").write_bytes(made.randbytes(1_000_000))
    fleet.write("public/index.html", "two\n")
    fleet.land("Two")
    told = fleet.apply(expect=1)
    assert small.name in told.stdout + told.stderr and "space" in told.stdout + told.stderr, told
    assert served(small, "one") and served(other, "two"), "the others go on"
    assert "No space left" in fleet.trueup("status", small.name, expect=None).stdout
    small.run("mount -o remount,size=100m /srv")
    again(fleet)
    assert served(small, "two")
    assert small.run("sha256sum < /srv/trueup/sites/docs/current/files/39.png").stdout == (
        other.run("sha256sum < /srv/trueup/sites/docs/current/files/39.png").stdout
    )


def test_an_nginx_that_cannot_be_installed(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(2)
    poor, other = fleet.hosts
    poor.run(
        "dpkg --purge --force-depends $(dpkg-query -W -f '${Package} ' '*nginx*'); rm -rf /usr/sbin/nginx /var/lib/apt/lists/* "
        "/etc/apt/sources.list.d/*; echo 'deb http://127.0.0.1:9/ nowhere main' > /etc/apt/sources.list",
        check=False,
    )
    fleet.write("public/index.html", "one\n")
    fleet.write("docs.yaml", SITE)
    fleet.land()
    told = fleet.apply(expect=1)
    assert served(other, "one"), "the others go on"
    assert "Package nginx" in told.stdout + told.stderr, told
    said = fleet.trueup("status", poor.name, expect=None).stdout
    assert "Package nginx" in said and "nginx" in said.partition("Package nginx")[2], said
    assert not poor.exists("/srv/trueup/sites/docs/current"), "nothing is told as served"
