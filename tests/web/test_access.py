"""Who may read the page: by token, by a trusted proxy's word, by TLS; and nobody beyond this machine without."""

from __future__ import annotations

import base64
import logging
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import simulated

from reconciler.core.problem import Refused
from reconciler.repo.hooks import make_bare
from reconciler.settings import Settings
from reconciler.web import serve, tls
from reconciler.web.access import TRIES, WINDOW, Access, Attempts, Token, may_leave_loopback
from reconciler.web.page import app

TOKEN = "s3cr3t-of-the-page-0123456789"
Headers = list[tuple[bytes, bytes]]


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    place = tmp_path / "page.token"
    place.write_text(TOKEN + "\n")
    place.chmod(0o600)
    return place


def bearer(token: str) -> Headers:
    return [(b"authorization", b"Bearer " + token.encode())]


def status(access: Access, client: str = "192.0.2.1", headers: Headers | None = None, query: str = "") -> int:
    denied = access.denied(client, headers or [], query)
    return denied.status if denied else 200


# ---------------------------------------------------------------- the token


def test_the_token_opens_as_bearer_and_as_password(token_file: Path) -> None:
    access = Access(token=Token(token_file))
    basic = base64.b64encode(f"anyone:{TOKEN}".encode())
    assert status(access, headers=bearer(TOKEN)) == 200
    assert status(access, headers=[(b"authorization", b"bAsIc " + basic)]) == 200
    assert status(access) == 401
    for wrong in (b"Bearer", b"Bearer x", b"Basic !!!", b"Basic " + basic[:-8], b"Digest x", b"\xff", b""):
        assert status(access, client="192.0.2.2", headers=[(b"authorization", wrong)]) == 401, wrong
    assert status(access, headers=bearer(TOKEN) * 2) == 401, "two at once are none"


def test_a_token_in_the_address_is_refused_even_when_it_is_right(token_file: Path) -> None:
    assert status(Access(token=Token(token_file)), query=f"token={TOKEN}", headers=bearer(TOKEN)) == 400


def test_an_exchanged_token_counts_at_once_and_a_broken_file_leaves_the_old_one(token_file: Path) -> None:
    access = Access(token=Token(token_file))
    token_file.write_text("another-token-of-the-page-42\n")
    assert status(access, headers=bearer("another-token-of-the-page-42")) == 200
    assert status(access, headers=bearer(TOKEN)) == 401
    token_file.write_text("short")
    assert status(access, headers=bearer("short")) == 401
    token_file.unlink()
    assert status(access, headers=bearer("another-token-of-the-page-42")) == 200


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        (TOKEN, 0o644, "chmod 0600"),
        ("short", 0o600, "openssl rand"),
        ("two words that are long", 0o600, "openssl rand"),
    ],
)
def test_a_token_file_that_does_not_do(tmp_path: Path, text: str, mode: int, says: str) -> None:
    place = tmp_path / "token"
    place.write_text(text)
    place.chmod(mode)
    with pytest.raises(Refused) as refused:
        Token(place)
    assert says in refused.value.problems[0].hint and text not in str(refused.value)
    with pytest.raises(Refused):
        Token(tmp_path / "nowhere")


def test_who_tries_too_often_waits_even_with_the_right_one_and_others_do_not(token_file: Path) -> None:
    clock = [0.0]
    access = Access(token=Token(token_file), attempts=Attempts(lambda: clock[0]))
    for _ in range(TRIES):
        assert status(access, headers=bearer("wrong")) == 401
    denied = access.denied("192.0.2.1", bearer(TOKEN), "")
    assert denied is not None and denied.status == 429 and 0 < int(denied.headers["retry-after"]) <= WINDOW + 1
    assert status(access, client="192.0.2.9", headers=bearer(TOKEN)) == 200
    clock[0] = WINDOW + 1
    assert status(access, headers=bearer(TOKEN)) == 200


def test_an_ipv6_neighbourhood_counts_as_one_and_nobody_fills_the_memory(token_file: Path) -> None:
    access = Access(token=Token(token_file))
    for number in range(TRIES):
        status(access, client=f"2001:db8::{number:x}", headers=bearer("wrong"))
    assert status(access, client="2001:db8::ffff", headers=bearer(TOKEN)) == 429
    for number in range(5000):
        access.attempts.failed(f"10.0.{number // 250}.{number % 250}")
    assert len(access.attempts._failed) <= 4096


def test_no_token_is_ever_logged(token_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    access = Access(token=Token(token_file))
    with caplog.at_level(logging.DEBUG):
        for given in ("guess-number-one", TOKEN + "x"):
            status(access, headers=bearer(given))
    assert "192.0.2.1" in caplog.text and "wrong token" in caplog.text
    assert "guess-number-one" not in caplog.text and TOKEN not in caplog.text


# ---------------------------------------------------------------- a proxy


def test_the_proxys_word_counts_and_nobody_elses() -> None:
    settings = Settings(page_proxies="10.0.0.7, fd00::/8", page_user_header="X-Forwarded-User")
    access = Access.of(settings)
    said = [(b"x-forwarded-user", b"ada")]
    assert (
        status(access, "10.0.0.7", said)
        == status(access, "fd00::1", said)
        == status(access, "::ffff:10.0.0.7", said)
        == 200
    )
    assert status(access, "10.0.0.8", said) == 403
    assert status(access, "", said) == 403
    assert status(access, "10.0.0.7") == status(access, "10.0.0.7", [(b"x-forwarded-user", b" ")]) == 403
    assert status(access, "10.0.0.7", said * 2) == 403, "one of the two is the reader's own"


def test_a_token_beside_a_proxy_opens_from_anywhere(token_file: Path) -> None:
    access = Access.of(Settings(page_proxies="10.0.0.7", page_user_header="Remote-User", page_token_file=token_file))
    assert status(access, "10.0.0.8", bearer(TOKEN)) == 200
    assert status(access, "10.0.0.8") == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"page_proxies": "10.0.0.7"},
        {"page_user_header": "Remote-User"},
        {"page_proxies": "proxy.example.org", "page_user_header": "Remote-User"},
        {"page_proxies": "10.0.0.7/8", "page_user_header": "Remote-User"},
        {"page_proxies": "10.0.0.7", "page_user_header": "Remote User"},
    ],
)
def test_half_a_proxy_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        Access.of(Settings(**wrong))
    assert refused.value.problems[0].code == "page-proxy"


def test_what_lets_the_page_leave_loopback(token_file: Path) -> None:
    assert not may_leave_loopback(Settings())
    assert not may_leave_loopback(Settings(page_token_file=token_file)), "a token in the clear is everybody's"
    assert not may_leave_loopback(Settings(tls_certificate=Path("c"), tls_key=Path("k"))), "TLS asks nobody"
    assert may_leave_loopback(Settings(page_token_file=token_file, tls_certificate=Path("c"), tls_key=Path("k")))
    assert may_leave_loopback(Settings(page_proxies="10.0.0.7", page_user_header="Remote-User"))


# ---------------------------------------------------------------- TLS


def certificate(folder: Path, name: str) -> None:
    """A self-signed certificate for 127.0.0.1, in place of the one that is there."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.new", "-out", folder / "cert.new"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    (folder / "key.new").rename(folder / "key.pem")
    (folder / "cert.new").rename(folder / "cert.pem")


def files(folder: Path) -> tls.Files:
    return tls.Files(certificate=folder / "cert.pem", key=folder / "key.pem")


@contextmanager
def served(tmp_path: Path, token_file: Path, listen: str = "127.0.0.1:0") -> Iterator[serve.Served]:
    fleet = simulated.STORIES["empty"](tmp_path / "fleet")
    fleet.world.settings = replace(fleet.world.settings, page_token_file=token_file)
    running = serve.run(app(fleet.world), listen, beyond_loopback=True, tls=files(tmp_path))
    try:
        yield running
    finally:
        running.close()
        fleet.close()


def common_name(port: int) -> str:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain, context.wrap_socket(plain) as line:
        shown = line.getpeercert(binary_form=True)
    assert shown is not None
    done = subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-noout", "-subject", "-nameopt", "multiline"], input=shown, capture_output=True, timeout=60
    )  # fmt: skip
    return done.stdout.decode().rpartition("= ")[2].strip()


def test_the_page_by_tls_with_a_token_and_a_renewed_certificate(
    tmp_path: Path, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate(tmp_path, "first")
    monkeypatch.setattr(tls, "EVERY", 0.05)
    with served(tmp_path, token_file, "0.0.0.0:0") as page:
        context = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        with httpx.Client(base_url=f"https://127.0.0.1:{page.port}", verify=context, timeout=30) as client:
            assert page.url.startswith("https://")
            assert client.get("/").status_code == client.get("/static/page.css").status_code == 401
            assert client.get("/metrics").status_code == client.get("/readyz").status_code == 401
            assert client.get("/", headers={"authorization": "Bearer " + "x" * 30}).status_code == 401
            answer = client.get("/", auth=("ada", TOKEN))
            assert answer.status_code == 200 and answer.headers["strict-transport-security"] == "max-age=31536000"
            assert client.get("/healthz").json() == {"format": 1, "ok": True}
        assert common_name(page.port) == "first"
        certificate(tmp_path, "second")
        end = time.monotonic() + 60
        while common_name(page.port) != "second":
            assert time.monotonic() < end, "the renewed certificate was not taken"


def test_files_that_do_not_do_are_named(tmp_path: Path) -> None:
    certificate(tmp_path, "one")
    with pytest.raises(Refused, match="tlsKey"):
        tls.Files.of(Settings(tls_certificate=tmp_path / "cert.pem"))
    with pytest.raises(Refused, match="nowhere"):
        tls.Files.of(Settings(tls_certificate=tmp_path / "nowhere", tls_key=tmp_path / "key.pem"))
    first = (tmp_path / "cert.pem").read_bytes()
    certificate(tmp_path, "two")
    (tmp_path / "cert.pem").write_bytes(first)
    with pytest.raises(Refused, match="can't be used together"):
        tls.Files.of(Settings(tls_certificate=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem"))
    assert tls.Files.of(Settings()) is None


def test_a_half_renewed_pair_is_said_and_left_until_it_fits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    certificate(tmp_path, "first")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    watched = tls.Renewal(files(tmp_path), context, every=3600)
    certificate(tmp_path, "second")
    (tmp_path / "key.pem").write_text("half")
    watched.look()
    watched.look()
    assert caplog.text.count("the renewed certificate is not used") == 1
    certificate(tmp_path, "third")
    watched.look()
    watched.close()
    assert "the certificate was renewed" in caplog.text


# ---------------------------------------------------------------- the whole


def test_serve_keeps_to_its_settings(tmp_path: Path, token_file: Path) -> None:
    """Beyond loopback only with TLS and a token, both from server.yaml; the token is in no argument and no variable."""
    certificate(tmp_path, "page")
    config = tmp_path / "server.yaml"
    run = [sys.executable, "-c", "from reconciler.cli import main; main()", "serve", "--repo", str(make_bare(tmp_path / "r.git", environ={}))]  # fmt: skip
    env = {name: value for name, value in os.environ.items() if not name.startswith("TRUEUP_")}
    env |= {
        "TRUEUP_CONFIG": str(config),
        "TRUEUP_STATE_DIR": str(tmp_path / "s"),
        "TRUEUP_RUN_DIR": str(tmp_path / "r"),
    }
    config.write_text(f"listen: 0.0.0.0:0\npageTokenFile: {token_file}\n")
    refused = subprocess.run(run, env=env, capture_output=True, text=True, timeout=120)
    assert (
        refused.returncode == 1
        and "error[listen-not-loopback]" in refused.stderr
        and "tlsCertificate" in refused.stderr
    )
    config.write_text(
        f"listen: 0.0.0.0:0\npageTokenFile: {token_file}\ntlsCertificate: {tmp_path}/cert.pem\ntlsKey: {tmp_path}/key.pem\n"
    )
    with subprocess.Popen(
        run, env=env, stdout=subprocess.PIPE, stderr=(tmp_path / "log").open("w"), text=True
    ) as daemon:
        try:
            assert daemon.stdout is not None
            lines = [daemon.stdout.readline() for _ in range(2)]
            assert "page    https://0.0.0.0:" in lines[1], (tmp_path / "log").read_text()
            url = lines[1].split()[1].replace("0.0.0.0", "127.0.0.1")
            with httpx.Client(
                verify=ssl.create_default_context(cafile=str(tmp_path / "cert.pem")), timeout=60
            ) as client:
                assert client.get(url + "metrics").status_code == 401
                assert client.get(url, headers={"authorization": "Bearer wrong-wrong-wrong-wrong"}).status_code == 401
                answer = client.get(url + "metrics", headers={"authorization": f"Bearer {TOKEN}"})
                assert answer.status_code == 200 and "trueup_build_info" in answer.text
            shown = Path(f"/proc/{daemon.pid}/cmdline").read_bytes() + Path(f"/proc/{daemon.pid}/environ").read_bytes()
            assert TOKEN.encode() not in shown
        finally:
            daemon.terminate()
    log = (tmp_path / "log").read_text()
    assert "a wrong token, 1 of 10" in log and TOKEN not in log and "wrong-wrong" not in log
