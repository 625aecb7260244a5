"""Over HTTP(S): redirects, private addresses, servers that cut, drip, lie or send too much."""

from __future__ import annotations

import http.server
import socket
import time
from collections.abc import Callable

import pytest

from reconciler.outside.keeper import Sources
from reconciler.outside.trust import Trust, public
from tests.webs import Web

from .conftest import PAGES, contents, refusal, sha256, tarred

Make = Callable[..., Sources]
DATA = tarred(PAGES)
Handler = http.server.BaseHTTPRequestHandler


def archive(url: str, data: bytes = DATA) -> dict[str, str]:
    return {"archive": url, "sha256": sha256(data)}


def test_over_tls_the_certificate_must_be_the_servers(
    tls_web: Web, make_sources: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls_web.pages["/a.tgz"] = DATA
    sources = make_sources(tls_web.url)
    assert contents(sources, sources.resolve(archive(f"{tls_web.url}/a.tgz")).files) == PAGES
    monkeypatch.delenv("SSL_CERT_FILE")
    told = refusal(lambda: sources.resolve({**archive(f"{tls_web.url}/a.tgz"), "folder": "css"}))
    assert told.code == "source-unreachable" and "certificate" in told.message
    assert tls_web.asked == ["/a.tgz"]


# ---------------------------------------------------------------- where it may lead


def test_a_redirect_is_followed_as_far_as_the_settings_name_it(web: Web, tls_web: Web, make_sources: Make) -> None:
    web.pages["/a.tgz"] = DATA
    for status in (301, 302, 303, 307, 308):
        web.leads(f"/moved{status}", "a.tgz", status)
        assert make_sources(web.url).resolve({**archive(f"{web.url}/moved{status}")}).files
    web.leads("/out", f"{tls_web.url}/a.tgz")
    tls_web.pages["/a.tgz"] = DATA
    told = refusal(lambda: make_sources(web.url).resolve(archive(f"{web.url}/out")))
    assert told.code == "source-not-allowed" and "not a public address" in told.message and tls_web.asked == []
    assert make_sources(web.url, tls_web.url).resolve(archive(f"{web.url}/out")).files


@pytest.mark.parametrize(
    "to",
    [
        "https://169.254.169.254/latest/meta-data/", "https://10.0.0.1/", "https://[::1]/", "http://example.org/a.tgz",
        "file:///etc/passwd", "ftp://example.org/a", "gopher://x/", "https://[fe80::1%25lo]/", "https://0/", "https://127.1/",
        "//127.0.0.2/x",
    ],
)  # fmt: skip
def test_a_redirect_never_leads_into_a_private_network_or_off_tls(to: str, web: Web, make_sources: Make) -> None:
    web.leads("/a.tgz", to)
    told = refusal(lambda: make_sources(web.url).resolve(archive(f"{web.url}/a.tgz")))
    assert told.code in ("source-not-allowed", "source-unreachable") and len(web.asked) == 1


@pytest.mark.parametrize("to", ["http://[::1/", "http://localhost:99999999/x", "/\xfc", "//[/", "/a b"])
def test_what_is_no_address_is_not_followed(to: str, web: Web, make_sources: Make) -> None:
    web.leads("/a.tgz", to)
    web.pages["/b.tgz"] = DATA
    sources = make_sources(web.url)
    assert refusal(lambda: sources.resolve(archive(f"{web.url}/a.tgz"))).code == "source-unreachable"
    problems = sources.refresh([archive(f"{web.url}/a.tgz"), archive(f"{web.url}/b.tgz")])
    assert [problem.code for problem in problems] == ["source-unreachable"]
    assert sources.known(archive(f"{web.url}/b.tgz"))


def test_redirects_without_end_end(web: Web, make_sources: Make) -> None:
    web.leads("/a", "/b")
    web.leads("/b", "/a")
    told = refusal(lambda: make_sources(web.url).resolve(archive(f"{web.url}/a")))
    assert "more than 5 redirects" in told.message and len(web.asked) == 6


def test_a_name_with_one_private_address_is_no_public_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(*_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, 1, 6, "", (address, 443)) for address in ("93.184.216.34", "192.168.1.1")]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    told = refusal(lambda: Trust().addresses("https://rebind.example/a.tgz"))
    assert told.code == "source-not-allowed" and "192.168.1.1" in told.message
    assert len(Trust(("https://rebind.example/",)).addresses("https://rebind.example/a.tgz")) == 2


@pytest.mark.parametrize(
    ("address", "yes"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("127.0.0.1", False), ("0.0.0.0", False),
        ("10.1.2.3", False), ("172.16.0.1", False), ("192.168.0.1", False), ("169.254.169.254", False),
        ("100.64.0.1", False), ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False), ("::", False),
        ("fe80::1%eth0", False), ("fc00::1", False), ("ff02::1", False), ("::ffff:127.0.0.1", False),
        ("::127.0.0.1", False), ("64:ff9b::7f00:1", False), ("64:ff9b::5db8:d822", True), ("2002:7f00:1::", False),
        ("nonsense", False), ("2001:db8::1", False),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address: str, yes: bool) -> None:
    assert public(address) is yes


@pytest.mark.parametrize(
    ("prefix", "place", "yes"),
    [
        ("https://a.example/web/", "https://a.example/web/x", True), ("https://a.example/web", "https://a.example/web", True),
        ("https://a.example/web", "https://a.example/website", False), ("https://a.example", "https://a.example.evil/", False),
        ("https://a.example", "https://a.example:444/", False), ("https://a.example", "https://A.example:443/x", True),
        ("https://a.example", "http://a.example/", False), ("https://a.example/web/", "https://a.example/web/../x", False),
        ("https://a.example/web/", "https://a.example/web/%2e%2e/x", False), ("https://a.example/web/", "https://a.example/web/..%2fx", False),
        ("https://a.example/", "https://a.example@evil/", False), ("/srv/a", "/srv/a/b", True), ("/srv/a", "/srv/ab", False),
        ("/srv/a", "/srv/a/../b", False), ("/srv/a", "file:///srv/a/b", True), ("file:///srv/a", "/srv/a/b", True),
        ("ssh://git@h/x", "ssh://git@h/x/y.git", True), ("s3://sites", "s3://sites/a", True), ("s3://sites", "s3://sites-b/a", False),
        ("s3://sites/a", "s3://sites/a/../b", False),
    ],
)  # fmt: skip
def test_what_a_prefix_names(prefix: str, place: str, yes: bool) -> None:
    assert Trust((prefix,)).named(place) is yes


def test_a_login_has_no_place_in_a_manifest(make_sources: Make) -> None:
    for told in ({"git": "https://bot:t0ken@git.example.org/a.git"}, archive("https://u@example.org/a.tgz")):
        problem = refusal(lambda told=told: make_sources().resolve(told))  # type: ignore[misc]
        assert problem.code == "source-spec" and "login" in problem.message and "t0ken" not in problem.message


@pytest.mark.parametrize(
    "place", ["https://a.example?@10.0.0.1:8443/x", "https://a.example#@10.0.0.1/x", "https://a.example\\@10.0.0.1/x"]
)
def test_a_repositorys_url_names_one_server_whoever_reads_it(place: str, make_sources: Make) -> None:
    """Python's urllib takes a.example for the server, libgit2 10.0.0.1."""
    told = refusal(lambda: make_sources("https://a.example").resolve({"git": place, "folder": "x"}))
    assert told.code == "source-spec"
    assert refusal(lambda: make_sources("s3://sites/a").resolve({"bucket": "s3://sites/a?b"})).code == "source-spec"


# ---------------------------------------------------------------- servers that misbehave


def test_what_a_server_says_instead_is_told(web: Web, make_sources: Make) -> None:
    sources = make_sources(web.url)
    told = refusal(lambda: sources.resolve(archive(f"{web.url}/nothing")))
    assert told.code == "source-unreachable" and "404" in told.message

    def packed(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()

    def cut(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(DATA)))
        handler.end_headers()
        handler.wfile.write(DATA[:50])

    def large(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(10**12))
        handler.end_headers()

    def digits(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "9" * 5000)
        handler.end_headers()
        handler.wfile.write(bytes(1_100_000))

    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(bytes(65536))
        except OSError:
            return

    def nonsense(handler: Handler) -> None:
        handler.wfile.write(b"\x00\x01 what\r\n\r\n")

    def headers(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000)

    for page, code, words in [
        (packed, "source-unreachable", "packed"), (cut, "source-unreachable", "cut after 50"), (large, "source-too-big", "1,000,000,000,000"),
        (digits, "source-too-big", "more than 1,000,000"), (endless, "source-too-big", "more than 1,000,000"), (nonsense, "source-unreachable", ""), (headers, "source-unreachable", ""),
    ]:  # fmt: skip
        web.pages["/a.tgz"] = page
        told = refusal(lambda: make_sources(web.url, size=1_000_000).resolve(archive(f"{web.url}/a.tgz")))
        assert told.code == code and words in told.message, (page, told)


def test_a_server_that_drips_a_byte_at_a_time_ends_in_time(web: Web, make_sources: Make) -> None:
    """Each byte comes well before any single wait would end; only the limit of the whole can end it."""

    def drip(handler: Handler) -> None:
        try:
            for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 600:
                handler.wfile.write(bytes([byte]))
                time.sleep(0.05)
        except OSError:
            return

    web.pages["/a.tgz"] = drip
    told = refusal(lambda: make_sources(web.url, seconds=1.0).resolve(archive(f"{web.url}/a.tgz")))
    assert told.code == "source-unreachable" and "not done within 1 s" in told.message


def test_a_server_that_is_not_there(make_sources: Make) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a.tgz"
        told = refusal(lambda: make_sources(url).resolve(archive(url)))
    assert told.code == "source-unreachable" and "refused" in told.message
    told = refusal(lambda: make_sources().resolve(archive("https://nowhere.invalid/a.tgz")))
    assert told.code == "source-unreachable" and "no address" in told.message
