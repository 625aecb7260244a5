"""A site's certificate of an authority, asked for by certbot on the host: pebble, on a lab host of its own, is the authority."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lab import Fleet, LabHost

from .test_site_tls import again, get, problem, serial, state

SITE = """\
kind: Site
metadata: {{name: {name}}}
spec:
  hosts: role=web
  domains: [{domains}]
  from: {{folder: public}}
  tls: {tls}
"""
RENEW = "certbot -q renew --no-random-sleep-on-renew --force-renewal --cert-name trueup-blog"
"""What certbot's own timer runs, as for a certificate whose time has come."""


class Authority:
    """pebble on a lab host, and a DNS that leads every name to one address."""

    def __init__(self, host: LabHost) -> None:
        self.host = host
        self.server = f"https://{host.address}:14000/dir"
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pebble's own server")])
        now = datetime.now(UTC)
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host.address))])
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number()).add_extension(names, critical=False)
        made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))
        pem = serialization.Encoding.PEM
        self.root = made.sign(key, hashes.SHA256()).public_bytes(pem).decode()
        form = serialization.PrivateFormat.PKCS8
        host.run("mkdir -p /srv/pebble")
        host.write("/srv/pebble/crt", self.root)
        host.write("/srv/pebble/key", key.private_bytes(pem, form, serialization.NoEncryption()).decode())
        settings = {
            "listenAddress": f"{host.address}:14000",
            "managementListenAddress": "127.0.0.1:15000",
            "certificate": "/srv/pebble/crt",
            "privateKey": "/srv/pebble/key",
            "httpPort": 80,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
        }
        host.write("/srv/pebble/config.json", json.dumps({"pebble": settings}))

    def start(self, everything: str) -> None:
        """From now on it answers, and finds every name at the address `everything`."""
        dns = f'pebble-challtestsrv -dns01 127.0.0.1:8053 -http01 "" -https01 "" -tlsalpn01 "" -defaultIPv6 "" -defaultIPv4 {everything}'
        ca = "PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 pebble -config /srv/pebble/config.json -dnsserver 127.0.0.1:8053"
        for command in (dns, ca):
            self.host.run(f"{command} >>/srv/pebble/log 2>&1 &")
        self.host.run("until curl -ks https://127.0.0.1:15000/roots/0 >/srv/pebble/root; do sleep 0.1; done")

    def leads(self, name: str, address: str) -> None:
        """The DNS gives this name another address."""
        told = json.dumps({"host": f"{name}.", "addresses": [address]})
        self.host.run(f"curl -s -d '{told}' http://127.0.0.1:8055/add-a")


def trusted(host: LabHost, domain: str) -> str:
    """What a visitor who trusts the authority gets."""
    there = f"--cacert /srv/pebble.root --resolve {domain}:443:127.0.0.1"
    return host.run(f"curl -sS {there} https://{domain}/", check=False).stdout


def test_certificates_of_an_authority(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(2, labels={"lab-1": "role: web"})
    host, other = fleet.hosts
    authority = Authority(other)
    host.write("/etc/ssl/authority.pem", authority.root)
    asked = f"{{acme: {{email: ada@example.com, server: '{authority.server}', caFile: /etc/ssl/authority.pem}}}}"
    docs = SITE.format(name="docs", domains="docs.example.com", tls=asked)
    fleet.write("public/index.html", "one\n")
    fleet.write("docs.yaml", docs.replace(f"  tls: {asked}\n", ""))
    fleet.land("Plain HTTP")
    fleet.apply()

    # An authority that doesn't answer, and then isn't asked again at once: the site stays as it was.
    fleet.write("docs.yaml", docs)
    fleet.land("TLS")
    assert f"{authority.server} gives no certificate: " in problem(fleet)
    assert "is not asked again before" in again(fleet, 1)
    assert get(host, "http://docs.example.com/") == "200 1.1  one"
    assert host.run("ls /srv/trueup/asking").stdout == "docs.json\n"

    # One that answers gives a certificate, for a site that was served without all the while.
    authority.start(host.address)
    host.write("/srv/pebble.root", other.read("/srv/pebble/root"))
    host.run("rm /srv/trueup/asking/docs.json")
    again(fleet)
    assert trusted(host, "docs.example.com") == "one\n"
    assert get(host, "http://docs.example.com/a").startswith("301 1.1 https://docs.example.com/a")
    assert host.run("stat -Lc '%a %U' /etc/letsencrypt/live/trueup-docs/privkey.pem").stdout == "600 root\n"
    first = serial(host, "docs.example.com")
    assert fleet.trueup("plan").stdout.startswith("Nothing to do")
    (told,) = state(fleet, host)["certificates"]
    assert told["names"] == ["docs.example.com"] and "Pebble" in told["issuer"]

    # A further release asks nobody; a further domain does, while the site is served.
    fleet.write("public/index.html", "two\n")
    fleet.land("Two")
    fleet.apply()
    assert trusted(host, "docs.example.com") == "two\n" and serial(host, "docs.example.com") == first
    fleet.write("docs.yaml", docs.replace("docs.example.com", "docs.example.com, www.example.com"))
    fleet.land("Another domain")
    fleet.apply()
    assert trusted(host, "www.example.com") == "two\n"
    second = serial(host, "docs.example.com")
    assert second == serial(host, "www.example.com") != first

    # A domain that leads elsewhere: the authority's own reason, and nothing else of the host is touched.
    authority.leads("wiki.example.com", other.address)
    fleet.write("wiki.yaml", SITE.format(name="wiki", domains="wiki.example.com", tls=asked))
    fleet.land("A wiki elsewhere")
    told_of = problem(fleet)
    assert "wiki.example.com (connection): " in told_of, told_of
    assert trusted(host, "docs.example.com") == "two\n"
    assert host.run("ls /srv/trueup/asking").stdout == "docs.json\nwiki.json\n"
    fleet.remove("wiki.yaml")

    # Where the host itself trusts the authority certbot's timer renews, and nginx shows it at once; first served so, too.
    fleet.write("files/authority.crt", authority.root)
    fleet.write(
        "root.yaml",
        "kind: File\nmetadata: {name: /usr/local/share/ca-certificates/authority.crt}\n"
        "spec: {hosts: role=web, source: files/authority.crt, onChange: update-ca-certificates}\n",
    )
    blog = f"{{acme: {{server: '{authority.server}'}}, redirect: false}}"
    fleet.write("blog.yaml", SITE.format(name="blog", domains="blog.example.com", tls=blog))
    fleet.land("A blog")
    fleet.apply()
    third = serial(host, "blog.example.com")
    assert trusted(host, "blog.example.com") == "two\n" and get(host, "http://blog.example.com/") == "200 1.1  two"
    host.run(RENEW)
    until = time.monotonic() + 30  # certbot's hook only tells nginx to reload
    while serial(host, "blog.example.com") == third:
        assert time.monotonic() < until, "nginx shows the one before"
        time.sleep(0.1)
    # The other one is trueup's to renew: certbot's timer knows no caFile.
    assert "autorenew = False" in host.read("/etc/letsencrypt/renewal/trueup-docs.conf")
    assert "autorenew" not in host.read("/etc/letsencrypt/renewal/trueup-blog.conf")
    assert state(fleet, host, "blog")["renew"] == []

    # With the site its certificate goes, its key and its renewal.
    fleet.remove("blog.yaml")
    fleet.land("No more blog")
    fleet.apply()
    assert host.run("ls /etc/letsencrypt/renewal /srv/trueup/asking").stdout.split() == [
        "/etc/letsencrypt/renewal:", "trueup-docs.conf", "/srv/trueup/asking:", "docs.json",
    ]  # fmt: skip
    assert trusted(host, "docs.example.com") == "two\n"
