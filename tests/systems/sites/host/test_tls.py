"""Certificates that a host makes: once, whenever the power goes; and what a work that was cut short leaves to the next one."""

from __future__ import annotations

import pytest

from tests.systems.sites.host.places import HOME, Place

pytestmark = pytest.mark.hosts
PEM = f"{HOME}/certificates/docs.pem"
WANTED = {"do": "certificate", "by": "selfSigned", "domains": ["docs.test", "www.docs.test"], "days": 90, "soon": 21}
KILLS = {
    "before openssl": "import subprocess, signal; subprocess.run = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)",
    "after openssl": "import subprocess, signal; run = subprocess.run\n"
    "subprocess.run = lambda *a, **k: (run(*a, **k), os.kill(os.getpid(), signal.SIGKILL))",
    "before it is moved": "import signal; os.rename = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)",
    "before it lasts": "import signal; os.fsync = lambda *a: os.kill(os.getpid(), signal.SIGKILL)",
}


def test_a_certificate_is_made_once(place: Place) -> None:
    assert place.op(**WANTED) == {"changed": True, "failed": False, "msg": ""}
    first = place.host.read(PEM)
    assert place.host.run(f"stat -c '%a %U %G' {PEM}").stdout == "600 root root\n"
    told = place.host.run(
        f"openssl x509 -in {PEM} -noout -ext subjectAltName,extendedKeyUsage,keyUsage -checkend 7000000"
    )
    assert "DNS:docs.test, DNS:www.docs.test" in told.stdout and "Server Authentication" in told.stdout
    assert place.op(**WANTED) == {"changed": False, "failed": False, "msg": ""}
    assert place.host.read(PEM) == first
    place.host.run(f"chmod 644 {PEM}")  # it may have been read meanwhile
    assert place.op(**WANTED)["changed"] and place.host.read(PEM) != first
    assert place.host.run(f"stat -c '%a' {PEM}").stdout == "600\n"


@pytest.mark.parametrize("when", KILLS)
def test_a_power_cut_leaves_a_whole_one_or_none(place: Place, when: str) -> None:
    done = place.tried(KILLS[when], **WANTED)
    assert done.returncode != 0 and not done.stdout
    assert not place.host.exists(PEM)
    assert place.op(**WANTED) == {"changed": True, "failed": False, "msg": ""}
    assert place.host.run(f"ls -A {HOME}/certificates").stdout == "docs.pem\n"


def test_without_openssl_the_host_says_so(place: Place) -> None:
    place.host.run("mv /usr/bin/openssl /usr/bin/openssl.away")
    try:
        done = place.op(**WANTED)
        assert done["failed"] and "openssl is not installed on this host" in done["msg"]
    finally:
        place.host.run("mv /usr/bin/openssl.away /usr/bin/openssl")


def test_what_an_asking_that_was_cut_short_left_goes_at_the_next_switch(place: Place) -> None:
    files = place.files(index_html="one")
    place.serve("r1", files)
    place.host.run(f"mkdir -p {HOME}/asking")
    for name in ("docs.site", "docs.server", "docs.json", "other.json"):
        place.host.write(f"{HOME}/asking/{name}", "# cut short\n")
    assert not place.switch("r1", by="")["failed"]
    assert place.host.run(f"ls {HOME}/asking").stdout == "other.json\n"


def test_a_planted_link_is_not_written_through(place: Place) -> None:
    place.host.run(f"mkdir -p {HOME}/certificates; echo mine > /etc/victim; ln -sf /etc/victim {PEM}")
    assert place.op(**WANTED)["changed"]
    assert place.host.read("/etc/victim") == "mine\n" and not place.host.run(f"[ ! -L {PEM} ]").returncode
    place.host.run(f"rm -rf {HOME}/certificates; ln -s /etc {HOME}/certificates")
    done = place.op(**WANTED)
    assert done["failed"] and "nothing is written through a link" in done["msg"]


def test_a_certificate_that_is_not_shown_after_the_switch_switches_back(place: Place) -> None:
    """Another server block has the domain first: nginx shows its certificate, and the visitors of the site would be warned."""
    host = place.host
    for name in ("a", "b"):
        host.run(f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={name} -days 9 "
                 f"-keyout /etc/ssl/{name}.pem -out /etc/ssl/{name}.crt 2>/dev/null; cat /etc/ssl/{name}.crt >> /etc/ssl/{name}.pem")  # fmt: skip
    block = "listen 443 ssl; ssl_certificate /etc/ssl/{0}.pem; ssl_certificate_key /etc/ssl/{0}.pem;"
    place.serve("r1", place.files(index_html="one"))
    host.write("/etc/nginx/conf.d/aaa.conf", f"server {{ server_name docs.test; {block.format('a')} }}\n")
    place.extra = block.format("b")
    files = place.files(index_html="two")
    place.send(files)
    assert not place.stage("r2", files)["failed"]
    asked = {**place.mark("r2"), "tls": True, "port": 443}
    done = place.op(do="switch", release="r2", keep=3, expect=[asked], tls=["/etc/ssl/b.pem"] * 2, by="given")
    assert done["failed"] and "Switched back to release r1" in done["msg"], done
    assert place.current() == "releases/r1" and place.get() == "200 one"
