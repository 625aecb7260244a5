"""What a probe says of a site's certificate, whatever its file is: hostile content is a trouble, told in a line, and soon."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reconciler.systems.sites.kinds.site import op_acme, op_tls, probe, tls

CONFIG = """server {{
  listen 127.0.0.1:{port} ssl http2;
  # The certificate is for docs.example.com www.example.com
  ssl_certificate "{path}";
}}
"""
NAMES = ("docs.example.com", "www.example.com")
DAY = timedelta(days=1)


def pem(
    *names: str, left: timedelta = 100 * DAY, life: timedelta = 365 * DAY, issuer: tuple[str, ...] = ("Example CA",)
) -> bytes:
    """A certificate with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    end = datetime.now(UTC) + left
    common = x509.NameOID.COMMON_NAME
    made = x509.CertificateBuilder().subject_name(x509.Name([])).public_key(key.public_key())
    made = made.issuer_name(x509.Name([x509.NameAttribute(common, part) for part in issuer])).serial_number(
        x509.random_serial_number()
    )
    made = made.not_valid_before(end - life).not_valid_after(end)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=True)
    form, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    text = made.sign(key, hashes.SHA256()).public_bytes(form)
    return text + key.private_bytes(form, serialization.PrivateFormat.PKCS8, plain)


def told(folder: Path, path: Path, site: str = "docs", port: int = 9) -> dict[str, Any]:
    (folder / "site.conf").write_text(CONFIG.format(port=port, path=path))
    fd = os.open(folder, os.O_RDONLY)
    try:
        return probe.tls(fd, site)
    finally:
        os.close(fd)


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a certificate is that the host made itself."""
    monkeypatch.setattr(probe, "MADE", str(tmp_path / "%s.pem"))
    return tmp_path / "docs.pem"


def test_a_certificate_is_read(tmp_path: Path, ours: Path) -> None:
    ours.write_bytes(pem(*NAMES))
    found = told(tmp_path, ours)
    (one,) = found["certificates"]
    assert one["names"] == sorted(NAMES) and one["issuer"] == "Example CA" and one["path"] == str(ours)
    assert datetime.fromisoformat(one["notAfter"]).tzinfo is not None
    assert found["renew"] == found["ending"] == [] and found["authority"] == ""


@pytest.mark.parametrize(
    ("left", "life", "soon"),
    [(22, 365, False), (20, 365, True), (-1, 365, True), (20, 90, True), (3, 6, False), (1, 6, True)],
)
def test_one_that_ends_is_told_in_time(tmp_path: Path, ours: Path, left: int, life: int, soon: bool) -> None:
    ours.write_bytes(pem(*NAMES, left=left * DAY, life=life * DAY))
    found = told(tmp_path, ours)
    assert bool(found["ending"]) is bool(found["renew"]) is soon
    other = tmp_path / "other.pem"
    ours.rename(other)
    found = told(tmp_path, other)
    assert bool(found["ending"]) is soon and found["renew"] == []  # that one is somebody else's to renew
    assert bool(op_tls.lacks(str(other), list(NAMES), 21.0)) is soon


def test_one_for_other_domains_has_to_go(tmp_path: Path, ours: Path) -> None:
    ours.write_bytes(pem("docs.example.com"))
    assert told(tmp_path, ours)["renew"] == ["it is not for www.example.com"]


HOSTILE = {
    "nothing": b"",
    "text": b"garbage\n" * 100,
    "zeros": b"\0" * 4096,
    "frame": b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "open": b"-----BEGIN CERTIFICATE-----\n" + b"A" * 1000,
    "noise": b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "key": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "large": b"x" * (2 << 20),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_certificate_is_a_trouble(tmp_path: Path, ours: Path, what: str) -> None:
    ours.write_bytes(HOSTILE[what])
    (one,) = told(tmp_path, ours)["certificates"]
    assert set(one) == {"path", "trouble"} and one["trouble"].isprintable() and len(one["trouble"]) < 300
    assert told(tmp_path, ours)["renew"] == [one["trouble"]]


def test_what_is_no_file_is_a_trouble_and_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    before = time.monotonic()
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero"), tmp_path / "loop", tmp_path / "none" / "x"):
        (one,) = told(tmp_path, path)["certificates"]
        assert one["trouble"].isprintable(), path
    assert time.monotonic() - before < 10


def test_names_that_would_do_something_on_a_terminal_are_made_harmless(tmp_path: Path, ours: Path) -> None:
    ours.write_bytes(pem(*NAMES, issuer=("\x1b[2Jevil\nline", *["x" * 64] * 9)))
    (one,) = told(tmp_path, ours)["certificates"]
    assert one["issuer"].startswith("?[2Jevil?line, xx") and len(one["issuer"]) == 253
    ours.write_bytes(pem(*(f"a{number}.example.com" for number in range(300))))
    assert len(told(tmp_path, ours)["certificates"][0]["names"]) == 100


@contextmanager
def listening(answer: bytes) -> Iterator[int]:
    """Somebody on a port who says this, and then nothing."""
    code = f"import socket,time\ns=socket.create_server(('127.0.0.1',0))\nprint(s.getsockname()[1],flush=True)\nwhile 1:\n c,_=s.accept()\n c.sendall({answer!r})\n k=c\n"
    with subprocess.Popen(["python3", "-Ic", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x03\xff\xff" + b"A" * 100])
def test_who_shows_no_certificate_is_no_reason_to_renew_one(tmp_path: Path, ours: Path, answer: bytes) -> None:
    ours.write_bytes(pem(*NAMES))
    with listening(answer) as port:
        before = time.monotonic()
        assert told(tmp_path, ours, port=port)["renew"] == []
        assert time.monotonic() - before < 30


def test_a_pair_that_does_not_belong_together_is_named(tmp_path: Path) -> None:
    certificate, key = tmp_path / "crt", tmp_path / "key"
    certificate.write_bytes(pem(*NAMES))
    assert op_tls.apart(str(certificate), str(certificate)) == ""
    key.write_bytes(pem(*NAMES))
    assert (
        op_tls.apart(str(certificate), str(key))
        == f"the key in {key} is not the one of the certificate in {certificate}"
    )
    rsa = ["openssl", "genrsa", "-out", str(key), "2048"]
    subprocess.run(rsa, check=True, capture_output=True)
    assert "is not the one of the certificate" in op_tls.apart(str(certificate), str(key))
    key.write_text("garbage")
    assert "can't be read" in op_tls.apart(str(certificate), str(key))
    assert op_tls.apart(str(certificate), str(tmp_path / "none")) == f"there is no file {tmp_path}/none"


SAID = """Saving debug log to /var/log/letsencrypt/letsencrypt.log
Account registered.
Requesting a certificate for a.example.com and b.example.com

Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported these problems:
  Domain: a.example.com
  Type:   dns
  Detail: no \x1b[31mrecord
  Domain: b.example.com
  Type:   unauthorized
  Detail: Invalid response: 404

Hint: The Certificate Authority failed to download the temporary challenge files.
Some challenges have failed.
Ask for help or search for solutions at https://community.letsencrypt.org. See the logfile.
"""


def test_certbots_words_are_what_the_authority_has_against_each_domain() -> None:
    assert (
        op_acme.words(SAID)
        == "a.example.com (dns): no ?[31mrecord; b.example.com (unauthorized): Invalid response: 404"
    )
    last = "Saving debug log to /x\nAn unexpected error occurred:\ntoo many certificates\nAsk for help or search\n"
    assert op_acme.words(last) == "An unexpected error occurred: too many certificates"
    assert op_acme.words("") == "certbot says nothing"


def test_an_authority_is_asked_later_and_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr(op_acme.time, "time", lambda: now)

    def waits(failures: int, ago: float, there: bool = False) -> bool:
        try:
            op_acme._wait({"at": now - ago, "failures": failures, "why": "no record"}, "docs", there)
        except op_acme.Failure as failure:
            assert "remove /srv/trueup/asking/docs.json" in str(failure)
            return True
        return False

    assert not waits(0, 0.0) and waits(0, 60.0, there=True) and not waits(0, 3700.0, there=True)
    for number, pause in enumerate(op_acme.WAITS, 1):
        assert waits(number, pause - 10) and not waits(number, pause + 10)
    assert waits(50, op_acme.WAITS[-1] - 10) and not waits(50, op_acme.WAITS[-1] + 10)
    assert not waits(3, -100_000.0)  # written by a clock that was wrong: nobody waits for that


def test_the_controller_and_the_host_mean_the_same_places() -> None:
    """A probe and an op import nothing of the kind's: what they share is said three times."""
    site = {"domains": ["docs.example.com"]}
    made, asked = ({**site, "tls": said} for said in ({"selfSigned": True}, {"acme": {}}))
    assert tls.paths("docs", made) == (probe.MADE % "docs",) * 2 == (f"/srv/trueup/{op_tls.FOLDER}/docs.pem",) * 2
    lineage = op_acme.LINEAGE % "docs"
    assert tls.paths("docs", asked)[0] == probe.ASKED % "docs" == op_acme.CERTIFICATE % lineage
    assert tls.SOON_DAYS * 86400 == probe.SOON


def test_the_probe_finds_its_words_in_a_configuration(tmp_path: Path) -> None:
    from reconciler.systems.sites.kinds.site import serving
    from reconciler.systems.sites.rules.nginx import config
    from reconciler.systems.sites.rules.site import Rules, Tree

    names = ["b.example.com", "*.a.example.com", "a-very-long-name-of-a-domain-that-is-a-pattern.example.com"]
    for extra in ({}, {"port": 8443}):
        spec = {"domains": names, "tls": {"certificate": "/etc/ssl/a.pem", "key": "/etc/ssl/a.key", **extra}}
        text = config(Rules(redirect_https=True), Tree({}), serving.place("docs", spec, "0" * 16))
        found = [re.search(pattern, text, re.MULTILINE) for pattern in probe.CONFIG]
        path, port, domains = (match.group(1) if match else "" for match in found)
        assert (path, int(port), domains.split()) == ("/etc/ssl/a.pem", extra.get("port", 443), sorted(names))


@pytest.mark.parametrize(
    "said", [{}, {"hsts": {}}, {"certificate": "/a"}, {"key": "/a"}, {"selfSigned": True, "acme": {}}]
)
def test_tls_without_one_source_is_told_and_breaks_nothing(said: dict[str, Any]) -> None:
    spec = {"domains": ["docs.example.com"], "tls": said}
    assert [finding.code for finding in tls.findings(spec)] == ["tls-source"]
    list(tls.parts("docs", spec)), list(tls.refs("docs", spec)), list(tls.claims(spec)), tls.make("docs", spec)
