"""Going back to an earlier version of a site: what it takes, and what stands in its way."""

from __future__ import annotations

import pytest

from reconciler import manifests
from reconciler.core.back import Neighbours, way
from reconciler.core.model import Absent, Desired, GoneTo, Key, Observation, Present, Unknown
from reconciler.manifests import load_kinds
from reconciler.tell import rollback
from tests.manifests.repo import fleet, manifest

KINDS = load_kinds()
TLS = "tls: {certificate: /etc/ssl/docs.pem, key: /etc/ssl/docs.key}"
TAKEN = ("domains: [new.example.com]", "domains: [docs.example.com]")


def git(**sites: str) -> Desired:
    """Sites with these further lines, each on web-1 and from its own folder."""
    files: dict[str, str] = {}
    for name, more in sites.items():
        said = more if "domains" in more else f"domains: [{name}.example.com]\n{more}"
        files[f"{name}.yaml"] = manifest("Site", name, f"from: {{folder: {name}}}\n{said}", "web-1")
        files[f"{name}/index.html"] = name
    reading = manifests.read(fleet(files), KINDS)
    assert reading.desired is not None, [str(one) for one in reading.problems]
    return reading.desired


def hinder(earlier: str, **now: str) -> str:
    """Of `docs` going back to what it was with `earlier`."""
    was = git(docs=earlier).get(Key("web-1", "Site", "docs"))
    assert was is not None
    back = {"web-1": GoneTo(spec=was.spec, digest=was.meaning.digest)}
    return Neighbours(KINDS, git(**now), "Site", "docs", back).hinder(back)


@pytest.mark.parametrize(
    ("earlier", "now", "why"),
    [
        ("", {"docs": "", "wiki": ""}, ""),
        (TLS, {"docs": TLS, "wiki": TLS}, ""),
        ("port: 443", {"docs": "", "wiki": TLS}, "Site wiki has port 443 now on web-1"),
        ("", {"docs": TAKEN[0], "wiki": TAKEN[1]}, "Site wiki has domain docs.example.com:80 now on web-1"),
        ("tls: {selfSigned: true}", {"docs": ""}, "Package openssl is no longer declared on web-1"),
    ],
)
def test_what_it_shares_is_no_hindrance_and_what_another_has_alone_is(
    earlier: str, now: dict[str, str], why: str
) -> None:
    assert hinder(earlier, **now) == why


HAS, OTHER, AWAY = Present({"kept": ["r1", "r2"]}), Present({"release": "r2", "kept": ["r2"]}), Unknown("no answer")


@pytest.mark.parametrize(
    ("seen", "gone", "how", "words"),
    [
        ((HAS, HAS), "", "instant", "at once"),
        ((HAS, HAS), "ab", "instant", "at once"),
        ((HAS, OTHER), "", "upload", "by upload to 1 of 2 hosts"),
        ((Absent(), OTHER), "c", "upload", "by upload"),
        ((HAS, OTHER), "a", "gone", "not on 1 of 2 hosts: 1 file is gone"),
        ((OTHER, OTHER), "abc", "gone", "no: 2 files are gone"),
        ((HAS, AWAY), "a", "instant", "at once; 1 host unknown"),
        ((OTHER, None), "", "upload", "by upload to 1 of 2 hosts; 1 host unknown"),
        ((AWAY, None), "", "unknown", "unknown: no host was read"),
        ((), "", "refused", "no: no host had it"),
    ],
)
def test_what_it_takes_is_said_by_what_hosts_keep_and_what_is_gone_here(
    seen: tuple[Observation | None, ...], gone: str, how: str, words: str
) -> None:
    back = GoneTo(spec={"release": "r1", "version": "git:c1", "tree": "a a.html\nb b.html\n"}, digest="d1")
    hosts = {f"web-{number}": back for number in range(len(seen))}
    found = way(KINDS["Site"], hosts, {host: one for host, one in zip(hosts, seen, strict=True) if one}, set(gone))
    assert found.how == how
    row = {"version": "r1", "commit": "c1", "at": None, "hosts": 0, "inGit": False, "wanted": False}
    said = {"kind": "Site", "name": "docs", "rollback": None, "versions": [{**row, "back": found.json()}]}
    lines = rollback.versions(said).splitlines()
    assert lines[1].endswith(f"  0      {words}") and (len(lines) > 2) is (how == "gone")
