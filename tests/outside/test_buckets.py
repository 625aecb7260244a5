"""Buckets: a real S3 server on loopback, folders and memory through the same door."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import fsspec
import pytest
from moto.server import ThreadedMotoServer

from reconciler.outside import bucket as bucketing
from reconciler.outside.keeper import Sources

from .conftest import PAGES, contents, refusal, sha256, tarred

Make = Callable[..., Sources]


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


class S3:
    """One bucket, and how many objects were read of it."""

    def __init__(self, url: str) -> None:
        self.client: Any = boto3.client("s3", endpoint_url=url)
        self.client.create_bucket(Bucket="sites")
        self.read: list[str] = []

    def put(self, **objects: bytes) -> None:
        for key, data in objects.items():
            self.client.put_object(Bucket="sites", Key=key, Body=data)

    def drop(self, key: str) -> None:
        self.client.delete_object(Bucket="sites", Key=key)


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """The login and the endpoint are the controller's environment, as AWS's own tools have it."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3_server, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    bucket = S3(s3_server)
    real = bucketing.Bucket._fetched

    def watched(self: Any, paths: Any, listing: Any) -> Any:
        bucket.read += paths
        return real(self, paths, listing)

    monkeypatch.setattr(bucketing.Bucket, "_fetched", watched)
    yield bucket
    for item in bucket.client.list_objects_v2(Bucket="sites").get("Contents", []):
        bucket.drop(item["Key"])
    bucket.client.delete_bucket(Bucket="sites")


def test_a_prefix_of_a_bucket_is_the_tree_that_an_archive_would_be(s3: S3, make_sources: Make, tmp_path: Path) -> None:
    s3.put(
        **{f"docs/{path}": data for path, data in PAGES.items()}, **{"docs/": b"", "docs-old/x": b"no", "other": b"no"}
    )
    sources = make_sources("s3://sites", str(tmp_path))
    found = sources.resolve({"bucket": "s3://sites/docs"})
    assert contents(sources, found.files) == PAGES and found.digest.startswith("listing:")
    (tmp_path / "a.tgz").write_bytes(data := tarred(PAGES))
    assert sources.resolve({"archive": f"{tmp_path}/a.tgz", "sha256": sha256(data)}).tree == found.tree
    assert list(sources.resolve({"bucket": "s3://sites/docs/", "folder": "css"}).files) == ["site.css"]


def test_only_what_changed_is_read_again(s3: S3, make_sources: Make) -> None:
    large = os.urandom(3_000_000)
    s3.put(**{f"f{number}": b"%d" % number for number in range(70)}, large=large)
    sources = make_sources("s3://sites")
    told = {"bucket": "s3://sites"}
    first = sources.resolve(told)
    assert sources.blob(first.files["large"]) == large and len(s3.read) == 71
    s3.read.clear()
    assert sources.refresh([told]) == () and s3.read == [] and sources.known(told) == first
    s3.put(f3=b"edited", new=b"new")
    s3.drop("f4")
    assert sources.refresh([told]) == ()
    second = sources.known(told)
    assert second is not None and s3.read == ["f3", "new"]
    assert second.digest != first.digest and "f4" not in second.files and sources.blob(second.files["f3"]) == b"edited"
    assert make_sources().known(told) == second


def test_what_changes_while_it_is_read_is_read_again(
    s3: S3, make_sources: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put(a=b"old a", b=b"old b")
    real = bucketing.Bucket._fetched
    left = [1]

    def deploying(self: Any, paths: Any, listing: Any) -> Any:
        yield from real(self, paths, listing)
        if left[0] > 0:
            left[0] -= 1
            s3.put(a=b"new a %d" % left[0], c=b"new")
            s3.drop("b")

    monkeypatch.setattr(bucketing.Bucket, "_fetched", deploying)
    sources = make_sources("s3://sites")
    found = sources.resolve({"bucket": "s3://sites"})
    assert contents(sources, found.files) == {"a": b"new a 0", "c": b"new"}
    left[0] = 10
    s3.put(a=b"once more")
    [problem] = sources.refresh([{"bucket": "s3://sites"}])
    assert "changes faster" in problem.message and sources.known({"bucket": "s3://sites"}) == found


def test_keys_that_no_site_can_have_are_refused_and_named(s3: S3, make_sources: Make) -> None:
    for key in ("C:evil", "a\\b", ".git/config"):
        s3.put(**{"ok": b"", key: b"x"})
        told = refusal(lambda: make_sources("s3://sites").resolve({"bucket": "s3://sites"}))
        assert told.code == "source-member", key
        s3.drop(key)
    s3.put(**{"a": b"file", "a/b": b"under a file"})
    told = refusal(lambda: make_sources("s3://sites").resolve({"bucket": "s3://sites"}))
    assert told.code == "source-member" and "is a file" in told.message


def test_limits_hold_before_anything_is_read(s3: S3, make_sources: Make) -> None:
    s3.put(a=bytes(1000), b=bytes(1000))
    for limits in ({"size": 1500}, {"files": 1}):
        told = refusal(lambda limits=limits: make_sources("s3://sites", **limits).resolve({"bucket": "s3://sites"}))  # type: ignore[misc]
        assert told.code == "source-too-big" and s3.read == []


def test_what_is_wrong_there_is_said(s3: S3, make_sources: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = make_sources("s3://sites", "s3://nowhere")
    told = refusal(lambda: sources.resolve({"bucket": "s3://sites/empty"}))
    assert told.code in ("source-folder", "source-unreachable")
    told = refusal(lambda: sources.resolve({"bucket": "s3://nowhere"}))
    assert told.code == "source-unreachable" and told.message.startswith("s3://nowhere")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    told = refusal(lambda: sources.resolve({"bucket": "s3://sites/x"}))
    assert told.code == "source-unreachable" and "127.0.0.1:1" in told.message


@pytest.mark.parametrize("url", ["s3://sites", "memory://a", "file:///srv", "gs://sites", "sftp://h/x"])
def test_a_bucket_is_never_read_unless_the_settings_name_it(url: str, make_sources: Make) -> None:
    told = refusal(lambda: make_sources("s3://sites/docs").resolve({"bucket": url}))
    assert told.code == "source-not-allowed" and "contentFrom" in told.message


def test_web_pages_are_no_bucket(make_sources: Make) -> None:
    told = refusal(lambda: make_sources("https://a.example").resolve({"bucket": "https://a.example/"}))
    assert told.code == "source-spec" and "archive" in told.message


# ---------------------------------------------------------------- without the network


def test_a_folder_and_its_links(tmp_path: Path, make_sources: Make) -> None:
    folder = tmp_path / "builds/site"
    for path, data in PAGES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    sources = make_sources(str(tmp_path / "builds"))
    told = {"bucket": f"file://{folder}"}
    assert contents(sources, sources.resolve(told).files) == PAGES
    (tmp_path / "private").mkdir()
    (tmp_path / "private/key").write_text("secret")
    for name, to in (("link", tmp_path / "private/key"), ("folder", tmp_path / "private")):
        (folder / name).symlink_to(to)
        [problem] = sources.refresh([told])
        assert problem.code == "source-member" and name in problem.message and "link" in problem.message
        (folder / name).unlink()
    (folder / "index.html").write_text("edited")
    assert sources.refresh([told]) == ()
    assert contents(sources, sources.known(told).files)["index.html"] == b"edited"  # type: ignore[union-attr]


def test_memory(make_sources: Make) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({f"/site/{path}": data for path, data in PAGES.items()})
    try:
        sources = make_sources("memory://site")
        assert contents(sources, sources.resolve({"bucket": "memory://site"}).files) == PAGES
    finally:
        memory.rm("/site", recursive=True)


def test_without_the_extra_it_is_said_what_to_install(make_sources: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    told = refusal(lambda: make_sources("gs://sites").resolve({"bucket": "gs://sites/a"}))
    assert told.code == "source-extra" and "gcsfs" in told.message
    told = refusal(lambda: make_sources("nonsense://a").resolve({"bucket": "nonsense://a/b"}))
    assert told.code == "source-extra" and "nonsense" in told.message
    monkeypatch.setitem(sys.modules, "fsspec", None)  # what an import finds where it isn't installed
    told = refusal(lambda: make_sources("s3://sites").resolve({"bucket": "s3://sites"}))
    assert told.code == "source-extra" and "trueup[s3]" in told.hint


@pytest.mark.parametrize("names", [("[slug].html", "index.html"), ("d/[x]/y", "d/x/y"), ("**", "a*", "b?", "ab")])
def test_names_are_no_patterns(names: tuple[str, ...], s3: S3, make_sources: Make, tmp_path: Path) -> None:
    """With one of Next.js's pages, `[slug].html`, a bucket could not be read; `**` brought all of it at once into memory."""
    pages = {name: f"{name}\n".encode() for name in names}
    s3.put(**{f"docs/{path}": data for path, data in pages.items()})
    for path, data in pages.items():
        (tmp_path / "docs" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "docs" / path).write_bytes(data)
    sources = make_sources("s3://sites", str(tmp_path))
    for place in ("s3://sites/docs", f"file://{tmp_path}/docs"):
        assert contents(sources, sources.resolve({"bucket": place}).files) == pages
