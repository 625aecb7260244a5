"""A site takes brotli up, loses a form, and lets brotli go, on real nginx."""

from __future__ import annotations

from lab import Fleet, LabHost

from .test_site import SITE

BOTH = "  precompress: [gzip, brotli]\n"
FILES = "/srv/trueup/sites/docs/current/files"


def encoding(host: LabHost, accept: str) -> str:
    told = host.run(
        f"curl -sI -H 'Host: docs.example.com' -H 'Accept-Encoding: {accept}' http://127.0.0.1/app.js"
    ).stdout.lower()
    assert "vary: accept-encoding\n" in told
    return told.partition("content-encoding: ")[2].partition("\n")[0]


def test_a_site_takes_brotli_up_and_lets_it_go(fleet: Fleet) -> None:
    fleet.write("public/index.html", "<h1>one</h1>\n")
    fleet.write("public/app.js", "".join(f"export const x{n} = {n} * {n};\n" for n in range(500)))
    fleet.write("docs.yaml", SITE)
    fleet.land()
    fleet.apply()
    assert {encoding(host, "gzip, br") for host in fleet.hosts} == {"gzip"}
    inodes = [host.run(f"stat -c %i {FILES}/app.js {FILES}/app.js.gz").stdout for host in fleet.hosts]

    fleet.write("docs.yaml", SITE + BOTH)
    fleet.land("Brotli too")
    fleet.apply()
    assert fleet.trueup("plan").stdout.startswith("Nothing to do")
    for host, known in zip(fleet.hosts, inodes, strict=True):
        assert [encoding(host, said) for said in ("gzip, br", "br", "gzip", "br;q=0")] == ["br", "br", "gzip", ""]
        assert host.run(f"stat -c %i {FILES}/app.js {FILES}/app.js.gz").stdout == known, "they came once"

    host = fleet.hosts[0]
    at = f"{FILES}/app.js.br"
    whole = host.run(f"sha256sum {at}").stdout
    alter = f"touch -r {at} /tmp/t && printf X | dd of={at} conv=notrunc status=none && touch -r /tmp/t {at}"
    for damage in (f"rm {at}", f"echo more >> {at}", alter):
        host.run(damage)
        fleet.trueup("observe", "all")
        assert "app.js.br" in fleet.trueup("plan", expect=2).stdout, damage
        fleet.apply()
        assert host.run(f"sha256sum {at}").stdout == whole, damage
        assert encoding(host, "br") == "br"

    fleet.write("docs.yaml", SITE)
    fleet.land("No brotli")
    fleet.apply()
    for host in fleet.hosts:
        assert encoding(host, "gzip, br") == "gzip"
        assert not host.exists(at)
