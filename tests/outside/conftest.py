"""Sources on this machine: real repositories, and web servers on loopback that the settings name, or don't."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from reconciler.core.problem import Problem, Refused
from reconciler.outside.keeper import Sources
from reconciler.outside.names import Limits
from reconciler.outside.trust import Trust
from tests.gits import own_git_world as own_git_world
from tests.webs import Web, certificate

PAGES = {"index.html": b"<h1>Hello</h1>\n", "css/site.css": b"h1 { color: red }\n", "about/index.html": b"about\n"}


def refusal(call: Callable[[], object]) -> Problem:
    with pytest.raises(Refused) as refused:
        call()
    [told] = refused.value.problems
    assert told.hint
    return told


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tarred(files: Mapping[str, bytes], how: str = "gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{how}") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return out.getvalue()


def contents(sources: Sources, files: Mapping[str, str]) -> dict[str, bytes]:
    return {path: sources.blob(id) for path, id in files.items()}


@pytest.fixture
def make_sources(tmp_path: Path) -> Callable[..., Sources]:
    def make(*prefixes: str, **limits: float) -> Sources:
        return Sources(tmp_path / "state", Trust(prefixes), Limits(**{"spare": 0, **limits}))  # type: ignore[arg-type]

    return make


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    yield server
    server.close()


@pytest.fixture
def tls_web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """Over TLS, with a certificate of an authority that this process trusts."""
    server = Web(signed := certificate(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(signed[0]))
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _no_buckets_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
