"""`trueup site preview`, run as people run it: what it serves, what it says, what it refuses, and how it ends."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

import pytest

from lab.fleet import TRUEUP
from tests.systems.sites.preview.running import previewing, refused
from tests.systems.sites.rules.server import ask

SITE = """\
apiVersion: trueup.dev/v1
kind: Site
metadata: {name: docs}
spec:
  hosts: all
  domains: [docs.example.com, old.example.com]
  from: {folder: public}
"""
FLEET = "apiVersion: trueup.dev/v1\nkind: Fleet\nmetadata: {name: lab}\nspec: {}\n"
HOST = "apiVersion: trueup.dev/v1\nkind: Host\nmetadata: {name: web-1}\nspec: {address: 192.0.2.1}\n"
SHA = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="
"""Of `secret`."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "server.yaml").write_text("# Nothing is set.\n")
    made = tmp_path / "fleet"
    write(made, "public/index.html", "<h1>one</h1>\n")
    write(made, "public/app.js", "let x = 1; " * 200)
    return made


@pytest.fixture
def repository(folder: Path) -> Path:
    write(folder, "trueup.yaml", FLEET)
    write(folder, "hosts/web-1.yaml", HOST)
    write(folder, "docs.yaml", SITE)
    return folder


def write(folder: Path, path: str, text: str) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text)


def test_a_folder_is_served_and_read_anew(folder: Path) -> None:
    with previewing(folder, "public", "--no-live") as site:
        assert site.get("/").body == b"<h1>one</h1>\n"
        assert site.get("/index.html").header("location") == "/"
        write(folder, "public/index.html", "<h1>two</h1>\n")
        write(folder, "public/_redirects", "/old / 302\n")
        site.wait("changed: no problems")
        assert site.comes("/", b"<h1>two</h1>\n")
        assert (site.get("/old").status, site.get("/_redirects").status) == (302, 404)
        site.wait(r"\d\d:\d\d:\d\d 302 GET  /old  /\n")


def test_text_comes_packed_as_on_hosts_and_ranges_of_the_plain_form(folder: Path) -> None:
    with previewing(folder, "public") as site:
        packed = site.get("/app.js", accept_encoding="gzip")
        assert (packed.header("content-encoding"), packed.header("vary")) == ("gzip", "Accept-Encoding")
        plain = site.get("/app.js")
        assert plain.header("etag") != packed.header("etag") and plain.header("vary") == "Accept-Encoding"
        part = site.get("/app.js", range="bytes=4-7", if_range=plain.header("etag") or "")
        assert (part.status, part.body) == (206, b"x = ")
        assert site.get("/app.js", if_none_match=plain.header("etag") or "").status == 304
        assert ask(site.port, "HEAD", "/app.js", "localhost", {}).header("content-length") == "2200"


def test_what_is_wrong_is_said_at_the_start_and_at_each_change(folder: Path) -> None:
    write(folder, "public/index.html", '<h1>one</h1>\n<a href="/none">none</a>\n')
    with previewing(folder, "public") as site:
        assert "index.html:2: warning[dead-link]" in site.said
        write(folder, "public/_redirects", "/a /b 999\n")
        site.wait(r"_redirects:1: error\[bad-redirect\]")
        write(folder, "public/_redirects", "/none / 301\n")
        site.wait("changed: no problems")


def test_a_site_of_a_repository_has_its_own_rules_and_the_problems_of_check(repository: Path) -> None:
    write(repository, "docs.yaml", SITE + "  redirects: [{from: /a, to: /nowhere}]\n  noindex: true\n")
    told = subprocess.run([str(TRUEUP), "check", str(repository)], capture_output=True, text=True).stdout
    with previewing(repository, "docs") as site:
        assert site.get("/").header("x-robots-tag") == "noindex"
        lines = [line for line in told.splitlines() if "rule-leads-nowhere" in line]
        assert lines and all(line in site.said for line in lines), (told, site.said)
        write(repository, "docs.yaml", SITE + "  custom404: 12\n")
        site.wait("the state before it stays")
        assert "docs.yaml:8" in site.said and site.get("/").header("x-robots-tag") == "noindex"
        write(repository, "docs.yaml", SITE)
        site.wait("changed: no problems")
        assert site.get("/").header("x-robots-tag") is None


def test_each_domain_can_be_asked_for_and_no_other_name(repository: Path) -> None:
    write(repository, "public/_redirects", "http://old.example.com/* https://docs.example.com/:splat 301!\n")
    with previewing(repository, "docs.yaml") as site:
        assert site.get("/").status == 200
        assert site.get("/", "docs.example.com.localhost").status == 200
        assert site.get("/", "old.example.com.localhost").status == 301
        assert site.get("/", "docs.example.com").status == 421
        assert "old.example.com.localhost" in site.said


def test_neither_links_nor_dot_files_are_served(folder: Path) -> None:
    (folder / "public/link.txt").symlink_to("/etc/passwd")
    (folder / "public/out").symlink_to("/etc")
    write(folder, "public/.env", "KEY=1")
    with previewing(folder, "public") as site:
        assert [site.get(path).status for path in ("/link.txt", "/out/passwd", "/.env", "/../../etc/passwd")] == [
            404,
            404,
            404,
            400,
        ]
        # A folder that becomes a link after the look leads nowhere either.
        write(folder, "public/real/passwd", "mine")
        assert site.comes("/real/passwd", b"mine")
        (folder / "public/real/passwd").unlink()
        (folder / "public/real").rmdir()
        (folder / "public/real").symlink_to("/etc")
        assert b"root:" not in site.get("/real/passwd").body


def test_the_password_that_is_at_hand_is_asked_for(repository: Path) -> None:
    write(repository, "docs.yaml", SITE + "  basicAuth: {users: [{name: ada, secret: site-ada}]}\n")
    write(repository.parent, "server.yaml", f"secrets: {{site-ada: {{file: {repository.parent}/ada}}}}\n")
    write(repository.parent, "ada", SHA + "\n")
    (repository.parent / "ada").chmod(0o600)
    with previewing(repository, "docs") as site:
        right, wrong = "Basic YWRhOnNlY3JldA==", "Basic YWRhOndyb25n"
        assert site.get("/").header("www-authenticate") == 'Basic realm="Restricted"'
        assert [site.get("/", authorization=words).status for words in (wrong, right)] == [401, 200]
        assert SHA not in site.said


def test_without_the_password_any_is_taken_of_its_users_and_it_is_said(repository: Path) -> None:
    write(
        repository,
        "docs.yaml",
        SITE + "  basicAuth: {users: [{name: ada, secret: site-ada}]}\n  allow: [192.0.2.0/24]\n",
    )
    with previewing(repository, "docs") as site:
        assert [site.get("/", authorization=words).status for words in ("Basic YWRhOng=", "Basic Ym86eA==")] == [
            200,
            401,
        ]
        assert "not as on a host: basicAuth: any password is taken for ada" in site.said
        assert "not as on a host: allow and deny" in site.said


def test_only_pages_carry_the_script_and_a_change_is_told_to_them(folder: Path) -> None:
    write(folder, "public/strict.html", "<h1>strict</h1>")
    write(folder, "public/_headers", "/strict\n  Content-Security-Policy: default-src 'none'\n")
    with previewing(folder, "public") as site:
        page = site.get("/", accept_encoding="gzip")
        script = rb'<script src="/\.well-known/trueup/live\.js\?[0-9a-f]+-1"></script>\n'
        assert re.fullmatch(rb"<h1>one</h1>\n" + script, page.body), page.body
        assert site.get("/", if_none_match=page.header("etag") or "").status == 200
        assert page.header("content-encoding") is None and b"live.js" in site.get("/none").body
        assert site.get("/strict").body == b"<h1>strict</h1>"
        assert site.get("/app.js").body == (folder / "public/app.js").read_bytes()
        assert b"EventSource" in site.get("/.well-known/trueup/live.js").body
        with socket.create_connection(("127.0.0.1", site.port), 10) as stream:
            stream.sendall(b"GET /.well-known/trueup/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            first = heard(stream)
            write(folder, "public/app.js", "let x = 2")
            assert heard(stream) != first
        assert ".well-known" not in site.said


def heard(stream: socket.socket) -> str:
    got = b""
    while not (found := re.search(rb"data: (\S+)\n\n", got)):
        piece = stream.recv(4096)
        assert piece, got
        got += piece
    return found[1].decode()


def test_what_is_not_there_is_refused_with_the_next_step(repository: Path) -> None:
    assert "it has docs" in refused(repository, "blog")
    assert "there is no folder and no file nowhere/at/all" in refused(repository, "nowhere/at/all")
    assert "trueup.yaml is no manifest of a Site" in refused(repository, "trueup.yaml")
    assert "no folder of a fleet's repository is around here" in refused(Path("/"), "blog")
    write(repository, "two.yaml", SITE.replace("docs}", "a}") + "---\n" + SITE.replace("docs}", "b}"))
    assert "next: name the one that is meant: trueup site preview a" in refused(repository, "two.yaml")
    for told in (refused(repository, "blog"), refused(repository, "trueup.yaml")):
        assert "error[no-such-site]" in told and "next: Name a folder of files" in told


def test_a_port_that_is_taken_is_refused_with_another(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = refused(folder, "public", "--port", str(port))
    assert "error[listen-failed]" in told and f"--port {port + 1}, or --port 0" in told
