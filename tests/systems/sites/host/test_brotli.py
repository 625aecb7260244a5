"""Brotli's forms in a release: made beside, found when they are missing or altered, and what is said without the module."""

from __future__ import annotations

import json

from reconciler.core.model import PACKINGS
from tests.systems.sites.host.places import HOME, Place

TEXT = "p { color: red } /* the same again */\n" * 500
ON = "brotli_static on;"


def headers(place: Place, url: str, accept: str, *options: str) -> str:
    flags = " ".join(options)
    return place.host.run(
        f"curl -s -D - -o /run/b {flags} -H 'Host: {place.domain}' -H 'Accept-Encoding: {accept}' http://127.0.0.1{url}"
    ).stdout.replace("\r", "")


def served(place: Place) -> dict[str, str]:
    """A release with brotli in it, on the air; its files."""
    place.extra = ON
    files = place.files(index_html="short", site_css=TEXT) | place.given(
        {"own.txt": b"mine " * 99, "own.txt.br": b"no brotli at all"}
    )
    place.send(files, packed=PACKINGS)
    for done in (place.stage("r1", files, packed=PACKINGS), place.switch("r1")):
        assert not done["failed"], done
    return files


def beside(place: Place, release: str = "r1") -> list[str]:
    return sorted(place.host.run(f"ls {place.at}/releases/{release}/files").stdout.split())


def test_both_forms_lie_beside_what_they_save_on_and_over_nothing_of_the_site(place: Place) -> None:
    files = served(place)
    assert beside(place) == [
        "index.html",
        "own.txt",
        "own.txt.br",
        "own.txt.gz",
        "site.css",
        "site.css.br",
        "site.css.gz",
    ]
    assert place.get("/own.txt.br") == "200 no brotli at all"
    for accept, encoding, form in (("gzip, br", "br", 2), ("br", "br", 2), ("gzip, br;q=0", "gzip", 1)):
        told = headers(place, "/site.css", accept)
        assert f"Content-Encoding: {encoding}\n" in told
        etag = f'"{int(files["site.css"][8 * form : 8 * form + 8], 16) & 0x7FFFFFFF:x}-'
        assert f"ETag: {etag}" in told, "of the content's id, so that it is the same on every host"
        tag = next(line.partition(" ")[2] for line in told.splitlines() if line.startswith("ETag"))
        assert " 304 " in headers(place, "/site.css", accept, f"-H 'If-None-Match: {tag}'").splitlines()[0]
    assert "Content-Encoding" not in headers(place, "/site.css", "br;q=0")
    assert place.probe(whole=True)["state"]["altered"] == []


def test_a_form_that_is_missing_or_altered_is_found_and_made_anew(place: Place) -> None:
    files = served(place)
    at = f"{place.at}/releases/r1/files/site.css.br"
    content = {"site.css": files["site.css"]}
    whole = place.host.run(f"sha256sum {at}").stdout
    altered = f"touch -r {at} /run/t; printf X | dd of={at} bs=1 seek=5 conv=notrunc status=none; touch -r /run/t {at}"
    for damage, seen in (
        (f"rm {at}", {}), (f"echo more >> {at}", {}), (f"touch {at}", {}),
        (altered, {"whole": True}), (altered, {"sample": content}), (altered, {"files": {"site.css.br": files["site.css"]}}),
    ):  # fmt: skip
        place.host.run(damage)
        assert place.probe(**seen)["state"]["altered"] == ["site.css.br"], damage
        # As a visit does for what is doubted: what isn't right comes anew (tests/trip/test_cargo_faults.py).
        place.host.run(f"rm -f {HOME}/blobs/*/{files['site.css'][2:]}.*.br")
        place.send(files, packed=PACKINGS)
        done = place.stage("r1", files, packed=PACKINGS)
        assert not done["failed"], done
        assert place.host.run(f"sha256sum {at}").stdout == whole
        assert place.probe(whole=True)["state"]["altered"] == []


def test_a_site_that_turns_brotli_on_later_gets_the_forms_of_what_is_there(place: Place) -> None:
    files = place.files(index_html="short", site_css=TEXT)
    place.send(files, packed=["gzip"])
    place.stage("r1", files, packed=["gzip"])
    place.switch("r1")
    assert "Content-Encoding: gzip" in headers(place, "/site.css", "gzip, br")
    place.extra = ON
    place.send(files, packed=PACKINGS)
    place.stage("r2", files, packed=PACKINGS)
    assert not place.switch("r2")["failed"]
    assert "Content-Encoding: br" in headers(place, "/site.css", "gzip, br")
    assert beside(place) == ["index.html", "site.css", "site.css.gz"]
    assert "brotli" not in json.loads(place.host.read(f"{place.at}/releases/r1/release.json"))
    inodes = place.host.run(f"stat -c %i {place.at}/releases/r?/files/site.css").stdout.split()
    assert inodes[0] == inodes[1]


def test_without_the_module_nothing_is_switched_and_the_package_is_named(place: Place) -> None:
    place.serve("r1", place.files(index_html="one"))
    enabled = "/etc/nginx/modules-enabled/50-mod-http-brotli-static.conf"
    place.host.run(f"mv {enabled} /run/away")
    try:
        place.extra = ON
        files = place.files(index_html="two")
        place.send(files)
        place.stage("r2", files, packed=PACKINGS)
        done = place.switch("r2")
        assert done["failed"] and 'unknown directive "brotli_static"' in done["msg"]
        assert "The package libnginx-mod-http-brotli-static brings it" in done["msg"]
        assert place.get() == "200 one" and place.current() == "releases/r1" and place.left() == []
    finally:
        place.host.run(f"mv /run/away {enabled}")
    assert not place.switch("r2")["failed"], "nginx loads it at the reload"
    assert place.get() == "200 two"
