"""Sites whose content isn't in the fleet's repository: another repository, an archive and a bucket, served, followed, and kept
on the air when their source is gone; and previews, which come and go with branches."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from lab import Fleet, LabHost
from tests.buckets import bucket as bucket
from tests.gits import Git

from .test_site import asked

SITE = """\
kind: Site
metadata: {{name: {name}}}
spec:
  hosts: all
  domains: [{name}.example.com]
  from: {told}
"""


def archive(place: Path, page: str) -> str:
    """A tar.gz with one page in `dist/`; its sha256."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        member = tarfile.TarInfo("dist/index.html")
        member.size = len(page)
        tar.addfile(member, io.BytesIO(page.encode()))
    place.write_bytes(out.getvalue())
    return hashlib.sha256(out.getvalue()).hexdigest()


def page(host: LabHost, site: str, path: str = "/") -> str:
    return asked(host, path, domain=f"{site}.example.com").partition("\n")[2]


@contextmanager
def fleet_branch(fleet: Fleet, name: str) -> Iterator[None]:
    fleet.git("checkout", "-q", "-b", name)
    yield
    fleet.git("checkout", "-q", "main")


def words_of(push: subprocess.CompletedProcess[str]) -> str:
    """What a push was told, in one line."""
    return " ".join(push.stderr.replace("remote:", "").split())


def until(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.1)


def test_sites_from_elsewhere(make_fleet: Callable[..., Fleet], tmp_path: Path, bucket: Any) -> None:
    docs = Git(tmp_path / "docs")
    docs.folder.mkdir()
    docs("init", "-q", "-b", "main")
    docs("config", "user.name", "Ada")
    docs("config", "user.email", "ada@example.com")
    first = docs.commit("one", public__index_dot_html="one", public___redirects="/old / 301\n")
    packed = tmp_path / "app.tgz"
    sha256 = archive(packed, "app one")
    bucket.put_object(Bucket="sites", Key="shop/index.html", Body=b"shop one")
    bucket.put_object(Bucket="sites", Key="shop/big.html", Body=b"x" * 100_000)

    fleet = make_fleet(1, content_from=f"{tmp_path} s3://sites", content_every="1")
    [host] = fleet.hosts

    def site(name: str, told: str) -> None:
        fleet.write(f"{name}.yaml", SITE.format(name=name, told=told))

    def status() -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(fleet.trueup("status", "--format", "json", expect=None).stdout)
        return answer

    def log() -> str:
        return fleet.log.read_text()

    site("docs", f"{{git: {docs.folder}, folder: public}}\n  previews: {{branches: [feature/*]}}")
    site("app", f"{{archive: {packed}, sha256: {sha256}, folder: dist}}")
    site("shop", "{bucket: s3://sites/shop}")
    with fleet.serve(observe_every="3600"):
        fleet.land("Sites", "-o", "wait")
        assert [page(host, name) for name in ("docs", "app", "shop")] == ["one", "app one", "shop one"]
        assert asked(host, "/old", domain="docs.example.com").startswith("301")
        assert len(page(host, "shop", "/big")) == 100_000

        # What changes there is served without a push, and the plan names the version.
        docs.commit("two", public__index_dot_html="two")
        until(lambda: page(host, "docs") == "two", log)
        bucket.put_object(Bucket="sites", Key="shop/index.html", Body=b"shop two")
        bucket.delete_object(Bucket="sites", Key="shop/big.html")
        until(lambda: page(host, "shop") == "shop two", log)
        assert asked(host, "/big", domain="shop.example.com").startswith("404")

        # A branch there has a preview for as long as it is there, and so has one of the fleet's own repository, at once.
        docs("checkout", "-q", "-b", "feature/login")
        docs.commit("login", public__index_dot_html="login")
        docs("checkout", "-q", "main")
        shown = "feature-login.docs"
        until(lambda: page(host, shown) == "login", log)
        assert "noindex" in asked(host, "/", "-D -", domain=f"{shown}.example.com")
        assert page(host, "docs") == "two"
        fleet.write("own/index.html", "own one\n")
        site("own", "{folder: own}\n  previews: {}")
        fleet.land("A site of the fleet's own", "-o", "wait")
        assert page(host, "own") == "own one"
        with fleet_branch(fleet, "new-look"):
            fleet.write("own/index.html", "own new\n")
            fleet.commit("A new look")
            fleet.git("push", "-q", "origin", "new-look")
        until(lambda: page(host, "new-look.own") == "own new", log)
        docs("branch", "-q", "-D", "feature/login")
        fleet.git("push", "-q", "origin", ":new-look")
        until(lambda: page(host, shown) != "login" and page(host, "new-look.own") != "own new", log)
        assert not host.exists("/srv/trueup/sites/docs--feature-login")
        assert [page(host, name) for name in ("docs", "own")] == ["two", "own one"]

        # What can't be had refuses the push, at its line; an archive is the one that somebody reviewed.
        site("app", f"{{archive: {packed}, sha256: {'f' * 64}, folder: dist}}")
        site("docs", f"{{git: {docs.folder}, ref: nowhere, folder: public}}")
        fleet.commit("Two that can't be had")
        refused = fleet.push(check=False)
        assert refused.returncode == 1
        said = words_of(refused)
        for words in (
            "app.yaml:7:9 ",
            f"its sha256 is {sha256}",
            "docs.yaml:7:9 ",
            "'nowhere' is no branch, tag or commit",
        ):
            assert words in said, said
        fleet.git("reset", "-q", "--hard", "origin/main")

        # A source that is gone keeps what it was, and everybody is told since when.
        docs.folder.rename(tmp_path / "away")
        until(lambda: bool(status()["content"]), log)
        [trouble] = status()["content"]
        assert trouble["severity"] == "warning" and trouble["code"] == "repo-missing"
        assert "(since 2" in trouble["message"] and "holds)" in trouble["message"]
        assert "! Content from outside: " in fleet.trueup("status", expect=None).stdout
        page_of = fleet.settings["TRUEUP_LISTEN"]
        [problem] = httpx.get(f"http://{page_of}/problems.json").json()["problems"]
        assert problem["message"] == trouble["message"]
        host.run("echo hacked > /srv/trueup/sites/docs/current/files/index.html")
        fleet.trueup("sync", "--wait", expect=None)
        until(lambda: page(host, "docs") == "two", log)
        site("docs", f"{{git: {docs.folder}, folder: public}}\n  noindex: true")
        fleet.land("Not for search engines", "-o", "wait")
        assert "noindex" in asked(host, "/", "-D -", domain="docs.example.com")
        (tmp_path / "away").rename(docs.folder)
        until(lambda: not status()["content"], log)

    # Without a daemon a plan is of what is known, and `apply` asks first; a commit's id says which version is meant.
    docs.commit("three", public__index_dot_html="three")
    assert fleet.trueup("plan").stdout.startswith("Nothing to do")
    fleet.apply()
    assert page(host, "docs") == "three"
    site("docs", f"{{git: {docs.folder}, ref: {first}, folder: public}}")
    fleet.land("Back to the first")
    told = fleet.trueup("plan", expect=2).stdout
    assert f"content git:{docs('rev-parse', 'main')[:7]} → git:{first[:7]}" in told, told
    assert "changed: /" in told
    fleet.apply()
    assert page(host, "docs") == "one"

    # What could not be had is asked again by who pushes once more.
    late = archive(packed, "app two")
    packed.rename(tmp_path / "away")
    site("app", f"{{archive: {packed}, sha256: {late}, folder: dist}}")
    fleet.commit("Two of the app")
    assert "app.tgz: No such file" in words_of(fleet.push(check=False))
    (tmp_path / "away").rename(packed)
    assert "0 errors" in words_of(fleet.push())
    fleet.apply()
    assert page(host, "app") == "app two"


def test_a_push_elsewhere_is_served_at_once_when_its_hook_says_so(
    make_fleet: Callable[..., Fleet], tmp_path: Path
) -> None:
    docs, bare = Git(tmp_path / "docs"), tmp_path / "docs.git"
    docs.folder.mkdir()
    docs("init", "-q", "-b", "main")
    docs("init", "-q", "--bare", "-b", "main", str(bare))
    docs.commit("one", index_dot_html="one")
    docs("push", "-q", str(bare), "main")
    fleet = make_fleet(1, content_from=str(bare), content_every="3600")
    said = "".join(f"export {name}='{value}'\n" for name, value in fleet.environment().items() if "TRUEUP" in name)
    hook = bare / "hooks/post-receive"
    hook.write_text(f"#!/bin/sh\n{said}exec {fleet.command} sync --content\n")
    hook.chmod(0o755)
    fleet.write("docs.yaml", SITE.format(name="docs", told=f"{{git: {bare}}}"))
    [host] = fleet.hosts
    with fleet.serve(observe_every="3600"):
        fleet.land("Docs", "-o", "wait")
        assert page(host, "docs") == "one"
        rounds = fleet.log.read_text().count("round-start")
        docs.commit("two", index_dot_html="two")
        docs("push", "-q", str(bare), "main")
        until(lambda: page(host, "docs") == "two", fleet.log.read_text)
        assert "why=content" in fleet.log.read_text() and fleet.log.read_text().count("round-start") == rounds + 1
