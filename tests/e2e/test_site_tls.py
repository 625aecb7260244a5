"""A site by TLS on real nginx: its certificate by secrets, by files of the host and of the host's own making; rotated under
load, wrong, and soon to end."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lab import Fleet, LabHost
from reconciler.secrets import age

from .traces import Hunter

SITE = """\
kind: Site
metadata: {{name: {name}}}
spec:
  hosts: all
  domains: [{name}.example.com]
  from: {{folder: public}}
  tls: {tls}
"""
PROBE = Path(__file__).parents[2] / "reconciler/systems/sites/kinds/site/probe.py"
LOAD = Path(__file__).parents[1] / "systems/sites/host/load.py"
YEAR = timedelta(days=365)


def pair(folder: Path, domain: str, *, rsa_key: bool = False, left: timedelta = YEAR / 2) -> tuple[str, str]:
    """A new certificate of a year for a domain, with so much left of it, and its key; in files as well."""
    key = rsa.generate_private_key(65537, 2048) if rsa_key else ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, domain)])
    end = datetime.now(UTC) + left
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - YEAR)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "crt").write_bytes(made.public_bytes(pem))
    (folder / "key").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return (folder / "crt").read_text(), (folder / "key").read_text()


def shown(host: LabHost, domain: str, *more: str, port: int = 443) -> str:
    """What openssl tells of a handshake with the host's nginx."""
    words = " ".join(("openssl s_client -connect", f"127.0.0.1:{port}", "-servername", domain, *more))
    return host.run(f"{words} </dev/null 2>&1", check=False).stdout


def serial(host: LabHost, domain: str) -> str:
    """The number of the certificate that the host shows."""
    words = f"openssl s_client -connect 127.0.0.1:443 -servername {domain} </dev/null 2>/dev/null"
    return host.run(f"{words} | openssl x509 -noout -serial").stdout.strip()


def number(folder: Path) -> str:
    done = subprocess.run(
        ["openssl", "x509", "-noout", "-serial", "-in", f"{folder}/crt"], capture_output=True, text=True
    )
    return done.stdout.strip()


def get(host: LabHost, url: str, *more: str) -> str:
    """Status, protocol, where to, and the body's first line."""
    form = "'%{http_code} %{http_version} %{redirect_url} '"
    domain = url.split("/")[2]
    there = " ".join(f"--resolve {domain}:{port}:127.0.0.1" for port in (80, 443))
    return host.run(
        f"curl -sk {there} -o /tmp/body -w {form} {' '.join(more)} '{url}'; head -n1 /tmp/body"
    ).stdout.strip()


class Secrets:
    """Puts secrets into the repository of a fleet, encrypted for its controller."""

    def __init__(self, fleet: Fleet, keys: Path) -> None:
        self.fleet = fleet
        identity, recipient = age.generated()
        keys.mkdir(mode=0o700)
        (keys / "identity").write_text(identity + "\n")
        (keys / "identity").chmod(0o600)
        (fleet.folder / "server.yaml").write_text(f"ageIdentityFile: {keys}/identity\n")
        (fleet.clone / "secrets").mkdir()
        self.to = age.recipients(recipient, "test")

    def put(self, name: str, value: str) -> None:
        (self.fleet.clone / f"secrets/{name}.age").write_bytes(age.encrypt(value.encode(), self.to))


def marks(key: str) -> list[str]:
    """Lines of a key in PEM that nothing else holds."""
    return [line for line in key.splitlines() if not line.startswith("-----") and len(line) > 40]


def problem(fleet: Fleet) -> str:
    told = fleet.apply(expect=1)
    return told.stdout + told.stderr


def test_certificates_by_secrets(make_fleet: Callable[..., Fleet], tmp_path: Path) -> None:
    fleet = make_fleet(2)
    host, domain = fleet.hosts[0], "docs.example.com"
    secrets = Secrets(fleet, tmp_path / "keys")
    crt, key = pair(tmp_path, domain)
    keys = [key]
    secrets.put("crt", crt)
    secrets.put("key", key)
    fleet.write("public/index.html", "one\n")
    fleet.write("docs.yaml", SITE.format(name="docs", tls="{certificate: {secret: crt}, key: {secret: key}, hsts: {}}"))
    fleet.land()
    planned = fleet.trueup("plan", expect=2)
    applied = fleet.apply()
    for one in fleet.hosts:
        assert get(one, f"https://{domain}/") == "200 2  one"  # by HTTP/2
        assert get(one, f"http://{domain}/a?b=c").startswith(f"301 1.1 https://{domain}/a?b=c")
        assert serial(one, domain) == number(tmp_path)
        assert one.run("stat -c '%a %U' /etc/nginx/trueup/docs.pem").stdout == "600 root\n"
    assert "strict-transport-security: max-age=31536000" in get(host, f"https://{domain}/", "-D -").lower()
    assert fleet.trueup("plan").stdout.startswith("Nothing to do")

    # Nothing older than TLS 1.2, and no cipher without forward secrecy or authentication, also for who would take any.
    assert re.search("Protocol *: TLSv1.3|TLSv1.3, Cipher is TLS_", shown(host, domain))
    assert re.search("TLSv1.2, Cipher is ECDHE-ECDSA-(AES|CHACHA20)", shown(host, domain, "-tls1_2"))
    for old in ("-tls1", "-tls1_1"):
        assert "Cipher is (NONE)" in shown(host, domain, old, "-cipher ALL:@SECLEVEL=0")
    for weak in ("AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "aNULL", "DHE"):
        assert "Cipher is (NONE)" in shown(host, domain, "-tls1_2", f"-cipher {weak}:@SECLEVEL=0"), weak

    # A new certificate with a new key is shown after one reload that no visitor notices.
    host.write("/run/load.py", LOAD.read_text("utf-8"))
    host.run(f"python3 -I /run/load.py {domain} 443 'one\n' 8 tls >/run/loaded 2>&1 & echo $! >/run/load.pid")
    for rsa_key in (True, False, True):
        crt, key = pair(tmp_path, domain, rsa_key=rsa_key)
        keys.append(key)
        secrets.put("crt", crt)
        secrets.put("key", key)
        fleet.land("A new certificate")
        fleet.apply()
        assert serial(host, domain) == number(tmp_path)
    host.run("touch /run/enough; while kill -0 $(cat /run/load.pid) 2>/dev/null; do sleep 0.1; done; rm /run/enough")
    counted = json.loads(host.read("/run/loaded"))
    assert counted["failed"] == 0 and counted["fresh"] > 50 and counted["kept"] > 50, counted
    assert "ECDHE-RSA-" in shown(host, domain, "-tls1_2")

    # A key that isn't the certificate's never goes live, and what nginx would start with stays whole.
    good = serial(host, domain)
    _, wrong = pair(tmp_path, domain, rsa_key=True)
    keys.append(wrong)
    secrets.put("key", wrong)
    fleet.land("The wrong key")
    refused = problem(fleet)
    assert "key values mismatch" in refused, refused
    assert serial(host, domain) == good and get(host, f"https://{domain}/") == "200 2  one"
    host.run("nginx -t")

    # Neither is what is no PEM at all; the check says so, and what it is stays unsaid.
    secrets.put("key", "-----BEGIN nothing " + marks(wrong)[0])
    fleet.land("No key")
    checked = fleet.trueup("secrets", "check", expect=1)
    assert "its value is no private key in PEM" in checked.stdout + checked.stderr
    fleet.apply(expect=None)
    assert serial(host, domain) == good
    secrets.put("key", keys[-2])
    fleet.land("The right key")
    fleet.apply()
    assert fleet.trueup("plan").stdout.startswith("Nothing to do")

    # No byte of a key is anywhere but where nginx reads it.
    said = planned.stdout + planned.stderr + applied.stdout + applied.stderr + refused + checked.stdout + checked.stderr
    hunter = Hunter([line for key in keys for line in marks(key)])
    assert hunter.hits(said.encode()) == []
    assert list(hunter.files(fleet.folder)) == []
    kept = host.run(
        f"grep -rlaF {' '.join(f'-e {mark}' for mark in hunter.marks)} /etc /srv /var/lib /var/log /tmp 2>/dev/null",
        check=False,
    )
    assert kept.stdout.split() in (["/etc/nginx/trueup/docs.pem"], []), kept.stdout


def again(fleet: Fleet, expect: int | None = 0) -> str:
    """The next try, which a new commit makes at once; what it tells."""
    fleet.write("tries.txt", str(time.monotonic()))
    fleet.land("Try again")
    told = fleet.apply(expect=expect)
    return told.stdout + told.stderr


def state(fleet: Fleet, host: LabHost, name: str = "docs") -> dict[str, Any]:
    """What a look at the host reads of a site; trueup looks as well."""
    fleet.trueup("observe", "all", expect=None)
    host.write("/run/probe.py", PROBE.read_text("utf-8"))
    (answer,) = json.loads(host.run("python3 -I /run/probe.py", input=json.dumps([{"name": name}])).stdout)
    return dict(answer["state"])


def test_certificates_of_the_host(make_fleet: Callable[..., Fleet], tmp_path: Path) -> None:
    fleet = make_fleet(1)
    (host,) = fleet.hosts
    domain = "docs.example.com"
    tls = "{certificate: /etc/ssl/docs.crt, key: /etc/ssl/private/docs.key}"

    def lay(crt: str, key: str) -> None:
        host.write("/etc/ssl/docs.crt", crt)
        host.write("/etc/ssl/private/docs.key", key)

    # A site that is served goes to TLS only when certificate and key are there and belong together.
    fleet.write("public/index.html", "one\n")
    fleet.write("docs.yaml", SITE.format(name="docs", tls=tls).replace(f"  tls: {tls}\n", ""))
    fleet.land("Plain HTTP")
    fleet.apply()
    fleet.write("docs.yaml", SITE.format(name="docs", tls=tls))
    fleet.land("TLS")
    assert "there is no file /etc/ssl/docs.crt: nothing was switched" in problem(fleet)
    crt, _ = pair(tmp_path, domain)
    _, other = pair(tmp_path, domain)
    lay(crt, other)
    assert "the key in /etc/ssl/private/docs.key is not the one of the certificate in /etc/ssl/docs.crt" in again(
        fleet, 1
    )
    assert get(host, f"http://{domain}/") == "200 1.1  one"
    lay(*pair(tmp_path, domain, left=timedelta(days=10)))
    again(fleet)
    assert get(host, f"https://{domain}/") == "200 2  one"
    assert serial(host, domain) == number(tmp_path)

    # It ends soon, which is told and is nobody's to change but those who brought it.
    (one,) = state(fleet, host)["certificates"]
    assert one["path"] == "/etc/ssl/docs.crt" and one["names"] == [domain] and one["issuer"] == domain
    assert state(fleet, host)["ending"] == [f"/etc/ssl/docs.crt ends {one['notAfter']}"]
    assert fleet.trueup("plan").stdout.startswith("Nothing to do")

    # Somebody else's renewal is found at the next look, and nginx is reloaded for it.
    lay(*pair(tmp_path, domain))
    assert serial(host, domain) != number(tmp_path)
    assert state(fleet, host)["renew"] == ["nginx shows another one"]
    fleet.apply()
    assert serial(host, domain) == number(tmp_path)
    assert state(fleet, host)["renew"] == state(fleet, host)["ending"] == []

    # One that can't be used is told by name, and what is served stays.
    lay(pair(tmp_path, domain)[0], other)
    good = serial(host, domain)
    fleet.trueup("observe", "all", expect=None)
    assert "is not the one of the certificate in /etc/ssl/docs.crt" in problem(fleet)
    assert serial(host, domain) == good and get(host, f"https://{domain}/") == "200 2  one"
    host.write("/etc/ssl/docs.crt", "garbage\n")
    assert "no certificate can be read" in state(fleet, host)["certificates"][0]["trouble"]


def test_certificates_that_hosts_make(make_fleet: Callable[..., Fleet], tmp_path: Path) -> None:
    fleet = make_fleet(2)
    host, other = fleet.hosts
    path = "/srv/trueup/certificates/docs.pem"
    fleet.write("public/index.html", "one\n")
    fleet.write("docs.yaml", SITE.format(name="docs", tls="{selfSigned: true}"))
    fleet.write("wiki.yaml", SITE.format(name="wiki", tls="{selfSigned: true, redirect: false}"))
    fleet.land()
    fleet.apply()
    for one in fleet.hosts:
        assert one.run(f"stat -c '%a %U' {path}").stdout == "600 root\n"
        trusted = f"curl -s --cacert {path} --resolve docs.example.com:443:127.0.0.1 https://docs.example.com/"
        assert one.run(trusted).stdout == "one\n"
        assert get(one, "https://wiki.example.com/") == get(one, "http://wiki.example.com/").replace(" 1.1 ", " 2 ")
    assert host.read(path) != other.read(path)
    first = serial(host, "docs.example.com")
    assert fleet.trueup("plan").stdout.startswith("Nothing to do")

    # A further name, and one that is about to end: both are made anew; a further release leaves it as it is.
    fleet.write("public/index.html", "two\n")
    fleet.land("Two")
    fleet.apply()
    assert serial(host, "docs.example.com") == first
    text = SITE.format(name="docs", tls="{selfSigned: true}")
    fleet.write("docs.yaml", text.replace("[docs.example.com]", "[docs.example.com, www.example.com]"))
    fleet.land("Another name")
    fleet.apply()
    assert state(fleet, host)["certificates"][0]["names"] == ["docs.example.com", "www.example.com"]
    second = serial(host, "www.example.com")
    assert second != first
    crt, key = pair(tmp_path, "docs.example.com", left=timedelta(days=3))
    host.write(path, crt + key)
    assert len(state(fleet, host)["renew"]) == 3
    assert "renew" in fleet.trueup("plan", expect=2).stdout
    fleet.apply()
    assert state(fleet, host)["renew"] == []
    assert serial(host, "docs.example.com") not in (first, second, number(tmp_path))
    host.run(f"rm {path}")
    assert state(fleet, host)["renew"] == ["there is no such file"]
    fleet.apply()
    assert state(fleet, host)["renew"] == []

    # The key goes with the site, and when the certificate comes from elsewhere.
    fleet.remove("docs.yaml")
    fleet.write("wiki.yaml", SITE.format(name="wiki", tls="{}").replace("  tls: {}\n", ""))
    fleet.land("No more docs")
    fleet.apply()
    for one in fleet.hosts:
        assert one.run("ls -A /srv/trueup/certificates").stdout == ""
        assert get(one, "http://wiki.example.com/") == "200 1.1  two"
