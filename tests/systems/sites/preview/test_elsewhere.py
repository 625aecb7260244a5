"""`trueup site preview` of a Site whose files come from outside the repository: what is fetched, by whose rules, and when."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.buckets import bucket as bucket
from tests.gits import Git
from tests.outside.conftest import sha256, tarred
from tests.outside.conftest import web as web
from tests.webs import Web

from .running import previewing, refused
from .test_preview import FLEET, HOST, SITE, write

FILES = {"index.html": b"<h1>one</h1>\n", "app.js": b"let x = 1; " * 200, "_redirects": b"/old / 302\n"}


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fleet's repository; the settings name loopback, this folder and a bucket."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    write(tmp_path, "server.yaml", f"contentFrom: ['http://localhost:PORT/', '{tmp_path}/docs', 's3://sites']\n")
    made = tmp_path / "fleet"
    write(made, "trueup.yaml", FLEET)
    write(made, "hosts/web-1.yaml", HOST)
    return made


@pytest.fixture
def docs(tmp_path: Path) -> Git:
    git = Git(tmp_path / "docs")
    git.folder.mkdir()
    git("init", "-q", "-b", "main")
    git("config", "user.name", "Ada")
    git("config", "user.email", "ada@example.org")
    git.commit("one", **{f"public__{name}": data.decode() for name, data in FILES.items()})
    return git


def site(fleet: Path, told: str, more: str = "") -> None:
    write(fleet, "docs.yaml", SITE.replace("{folder: public}", told) + more)


def test_another_repository_is_fetched_once_and_anew_at_the_next_start(fleet: Path, docs: Git) -> None:
    site(fleet, f"{{git: {docs.folder}, folder: public}}", "  noindex: true\n")
    first = docs("rev-parse", "HEAD")
    size = sum(map(len, FILES.values()))
    with previewing(fleet, "docs") as shown:
        assert f"asking {docs.folder}, folder public\n" in shown.said
        assert f"git:{first}, fetched now: 3 files, {size:,} bytes. It is not asked again" in shown.said
        page = shown.get("/")
        assert page.body.startswith(b"<h1>one</h1>") and page.header("x-robots-tag") == "noindex"
        assert (shown.get("/old").status, shown.get("/_redirects").status) == (302, 404)
        assert shown.get("/app.js", accept_encoding="gzip").header("content-encoding") == "gzip"
        assert shown.get("/app.js", range="bytes=4-7").body == b"x = "
        second = docs.commit("two", public__index_dot_html="<h1>two</h1>\n")
        site(fleet, f"{{git: {docs.folder}, folder: public}}", "  redirects: [{from: /a, to: /app.js, status: 301}]\n")
        shown.wait("changed: no problems")
        # The manifest's rules are read anew, the content is not.
        assert shown.get("/a").status == 301 and b"one" in shown.get("/").body and second not in shown.said
    with previewing(fleet, "docs") as shown:
        assert f"git:{second}, fetched now: " in shown.said and b"two" in shown.get("/").body
    with previewing(fleet, "docs") as shown:
        assert f"git:{second}, fetched at 20" in shown.said


def test_what_is_wrong_with_it_is_told_at_the_manifest_as_check_does(fleet: Path, docs: Git) -> None:
    docs.commit("links", public__index_dot_html='<a href="/none">none</a>\n')
    site(fleet, f"{{git: {docs.folder}, folder: public}}")
    with previewing(fleet, "docs.yaml") as shown:
        shown.wait(r"docs.yaml:7\S*: warning\[dead-link\]")
        assert "no-outside" not in shown.said


def test_another_source_named_meanwhile_waits_for_the_next_start(fleet: Path, docs: Git) -> None:
    told = f"{{git: {docs.folder}, folder: public}}"
    site(fleet, told)
    docs("branch", "next")
    with previewing(fleet, "docs") as shown:
        site(fleet, f"{{git: {docs.folder}, folder: public, ref: next}}")
        shown.wait(r"docs.yaml:7: error\[preview-elsewhere\]")
        shown.wait("next: End the preview and start it again")
        assert shown.get("/").status == 200 and shown.said.count("asking ") == 1
        site(fleet, told)
        shown.wait("changed: no problems")
        write(fleet, "own/index.html", "own")
        site(fleet, "{folder: own}")
        while shown.get("/").body[:3] != b"own":
            pass


def test_an_archive_by_its_sum_and_one_that_is_another(fleet: Path, web: Web) -> None:
    port = str(web.server.server_port)
    config = fleet.parent / "server.yaml"
    config.write_text(config.read_text().replace("PORT", port))
    web.pages["/a.tgz"] = data = tarred({f"dist/{name}": body for name, body in FILES.items()})
    told = f"{{archive: '{web.url}/a.tgz', sha256: {sha256(data)}, folder: dist}}"
    site(fleet, told)
    with previewing(fleet, "docs") as shown:
        assert f"sha256:{sha256(data)}, fetched now: 3 files" in shown.said
        assert shown.get("/app.js").body == FILES["app.js"]
    assert web.asked == ["/a.tgz"]
    with previewing(fleet, "docs") as shown:  # what has that sum is what is here
        assert shown.get("/").status == 200
    assert web.asked == ["/a.tgz"]
    site(fleet, told.replace(sha256(data), "0" * 64))
    said = refused(fleet, "docs")
    assert "docs.yaml:7: error[source-changed]" in said and sha256(data) in said
    assert "or preview a checkout or a build of them: trueup site preview FOLDER" in said


def test_a_bucket_and_what_it_was_once_it_is_gone(fleet: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, data in FILES.items():
        bucket.put_object(Bucket="sites", Key=f"shop/{name}", Body=data)
    site(fleet, "{bucket: 's3://sites/shop'}")
    with previewing(fleet, "docs") as shown:
        assert "listing:" in shown.said and shown.get("/old").status == 302
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:9")
    with previewing(fleet, "docs") as shown:
        assert "warning[source-unreachable]" in shown.said and "holds)" in shown.said
        assert "next: Start the preview again when it answers" in shown.said
        assert shown.get("/").status == 200 and "fetched at 20" in shown.said


def test_this_repository_at_another_branch(fleet: Path) -> None:
    git = Git(fleet)
    git("init", "-q", "-b", "main")
    git("checkout", "-q", "-b", "next")
    git.commit("next", public__index_dot_html="next")
    git("checkout", "-q", "-b", "work")
    write(fleet, "public/index.html", "work")
    site(fleet, "{folder: public, ref: next}")
    with previewing(fleet, "docs") as shown:
        assert "asking this repository at next, folder public" in shown.said
        assert shown.get("/").body.startswith(b"next")
    git("branch", "-D", "next")
    with previewing(fleet, "docs") as shown:
        assert "warning[repo-rev]" in shown.said and "holds)" in shown.said
        assert shown.get("/").body.startswith(b"next")


def test_the_places_that_the_daemon_would_not_ask_are_not_asked(fleet: Path, web: Web) -> None:
    web.pages["/a.tgz"] = data = tarred(FILES)
    for told, why in [
        (f"{{archive: '{web.url}/a.tgz', sha256: {sha256(data)}}}", "not encrypted"),
        (f"{{archive: /etc/hostname, sha256: {sha256(data)}}}", "a place on the controller itself"),
        ("{git: /etc}", "a place on the controller itself"),
        ("{bucket: 's3://others/x'}", "own login"),
    ]:
        site(fleet, told)
        said = refused(fleet, "docs")
        assert "docs.yaml:7: error[source-not-allowed]" in said and why in said, said
        assert "contentFrom in /etc/trueup/server.yaml; or preview a checkout" in said
    assert web.asked == []


def test_more_than_contentlimit_is_refused_and_nothing_is_kept(fleet: Path, docs: Git) -> None:
    docs.commit("big", public__big_dot_bin=os.urandom(700_000).hex())
    config = fleet.parent / "server.yaml"
    config.write_text(config.read_text() + "contentLimit: 1\n")
    site(fleet, f"{{git: {docs.folder}, folder: public}}")
    assert "docs.yaml:7: error[repo-too-big]" in refused(fleet, "docs")


def test_a_big_file_is_sent_by_ranges_and_leaves_nothing(fleet: Path, docs: Git, tmp_path: Path) -> None:
    film = os.urandom(3_000_000).hex()
    docs.commit("big", public__film_dot_bin=film)
    site(fleet, f"{{git: {docs.folder}, folder: public}}")
    with previewing(fleet, "docs", TMPDIR=str(tmp_path)) as shown:
        before = set(tmp_path.iterdir())
        for start in (5_000_000, 17, 3):
            reply = shown.get("/film.bin", range=f"bytes={start}-{start + 9}")
            assert (reply.status, reply.body.decode()) == (206, film[start : start + 10])
        assert shown.get("/film.bin").body.decode() == film
        assert set(tmp_path.iterdir()) == before
