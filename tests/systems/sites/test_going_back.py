"""What stands in the way of an earlier version of a site: what another one has by now, and what was taken away since."""

from __future__ import annotations

import pytest

from reconciler import manifests
from reconciler.core.back import Neighbours
from reconciler.core.model import Desired, GoneTo, Key
from reconciler.manifests import load_kinds
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
