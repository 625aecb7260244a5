"""A release is staged beside the others, tested, served, proved; or everything stays as it was."""

from __future__ import annotations

import pytest

from tests.systems.sites.host.places import Place

pytestmark = pytest.mark.hosts


def test_a_site_is_served_and_read_back(place: Place) -> None:
    assert place.probe() == {"absent": True}
    files = place.files(index_html="<h1>one", css__site_css="a{}")
    place.send(files)
    assert place.stage("r1", files) == {"changed": True, "failed": False, "msg": ""}
    assert place.stage("r1", files) == {"changed": False, "failed": False, "msg": ""}
    assert place.served() == {"release": "", "altered": [], "kept": ["r1"]}
    assert place.get().startswith("000"), "nothing is served before the switch"
    done = place.switch("r1", (place.expect("/css/site.css", body="a{}"),))
    assert done == {"changed": True, "failed": False, "msg": ""}
    assert place.get() == "200 <h1>one" and place.get("/nothing").startswith("404")
    assert place.served(whole=True) == {"release": "r1", "altered": [], "kept": ["r1"]}
    assert place.switch("r1") == {"changed": False, "failed": False, "msg": ""}
    assert place.left() == []


def test_a_site_that_redirects_and_no_more_has_no_files(place: Place) -> None:
    place.extra = "location / { return 302 https://new.test$request_uri; }"
    place.serve("r1", {})
    assert place.get("/x").startswith("302")
    assert place.served(whole=True) == {"release": "r1", "altered": [], "kept": ["r1"]}
    assert place.stage("r1", {})["changed"] is False


def test_the_next_release_takes_its_place_and_the_one_before_stays(place: Place) -> None:
    for number in range(6):
        place.serve(f"r{number}", place.files(index_html=f"page {number}", same_txt="the same"))
    assert place.get() == "200 page 5"
    assert place.served() == {"release": "r5", "altered": [], "kept": ["r3", "r4", "r5"]}
    place.switch("r3", keep=1)
    assert place.get() == "200 page 3", "going back needs nothing from elsewhere"
    assert place.probe()["state"]["kept"] == ["r3", "r5"], "what is served, and what was served before"


def test_a_site_says_the_same_etag_on_every_host_and_packs_what_may_be_packed(place: Place) -> None:
    text = "p {}\n" * 500
    files = place.files(index_html="one", site_css=text) | place.given(
        {"own.txt": b"mine", "own.txt.gz": b"no gzip at all"}
    )
    place.send(files, packed=["gzip"])
    assert not place.stage("r1", files, packed=["gzip"])["failed"]
    etag = f'"{int(files["site.css"][:8], 16) & 0x7FFFFFFF:x}-{len(text):x}"'
    done = place.switch("r1", (place.expect("/site.css", etag=etag, body=text),))
    assert not done["failed"], done
    packed = place.host.run(
        f"curl -s -D - -o /run/b --compressed -H 'Host: {place.domain}' http://127.0.0.1/site.css; stat -c %s /run/b"
    ).stdout
    assert "Content-Encoding: gzip" in packed and f'ETag: "{int(files["site.css"][8:16], 16) & 0x7FFFFFFF:x}-' in packed
    assert packed.split()[-1] == str(len(text))
    assert place.get("/own.txt.gz") == "200 no gzip at all", "a file of the site itself is never packed over"
    assert place.probe(whole=True)["state"]["altered"] == []


def test_a_broken_candidate_is_refused_with_nginxs_own_words(place: Place) -> None:
    place.serve("r1", place.files(index_html="one"))
    files = place.files(index_html="two")
    place.send(files)
    place.stage("r2", files, config=place.config("r2").replace("gzip_static", "gzip_statik"))
    done = place.switch("r2")
    assert done["failed"] and not done["changed"]
    assert "refuses the configuration, so nothing was switched" in done["msg"], "found by a test, and not by a reload"
    assert 'unknown directive "gzip_statik" in /srv/trueup/sites/docs/current/site.conf:5' in done["msg"]
    assert place.get() == "200 one" and place.current() == "releases/r1" and place.left() == []
    assert place.served() == {"release": "r1", "altered": [], "kept": ["r1", "r2"]}


def test_what_is_broken_elsewhere_stops_the_switch_and_not_the_site(place: Place) -> None:
    place.serve("r1", place.files(index_html="one"))
    place.host.write("/etc/nginx/conf.d/hand.conf", "server {\n  listen 81;\n  rot 13;\n}\n")
    files = place.files(index_html="two")
    place.send(files)
    place.stage("r2", files)
    done = place.switch("r2")
    assert done["failed"] and 'unknown directive "rot" in /etc/nginx/conf.d/hand.conf:3' in done["msg"]
    assert place.get() == "200 one" and place.current() == "releases/r1"
    place.host.run("rm /etc/nginx/conf.d/hand.conf")
    assert not place.switch("r2")["failed"] and place.get() == "200 two"


WRONG = (
    ({"status": 404}, "answers 200, not 404"),
    ({"body": "three"}, "answers 'two', not 'three'"),
    ({"etag": '"x"'}, "ETag is"),
    ({"location": "/there"}, "Location is missing, not '/there'"),
)


@pytest.mark.parametrize(("more", "words"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_a_wrong_answer_is_switched_back(place: Place, more: dict[str, object], words: str) -> None:
    place.serve("r1", place.files(index_html="one"))
    files = place.files(index_html="two")
    place.send(files)
    place.stage("r2", files)
    done = place.switch("r2", (place.expect("/", **more),))
    assert done["failed"] and words in done["msg"] and "http://docs.test/: " in done["msg"]
    assert "Switched back to release r1" in done["msg"]
    assert place.get() == "200 one" and place.current() == "releases/r1" and place.left() == []
    assert place.probe()["state"]["release"] == "r1"


def test_the_first_release_that_answers_wrongly_leaves_nothing_served(place: Place) -> None:
    files = place.files(index_html="one")
    place.send(files)
    place.stage("r1", files)
    done = place.switch("r1", (place.expect("/", status=500),))
    assert done["failed"] and "Nothing was served before, and nothing is" in done["msg"]
    assert place.current() == "" and place.left() == [] and place.probe()["state"]["release"] == ""
    assert not place.switch("r1")["failed"] and place.get() == "200 one"


def test_two_sites_share_contents_and_nothing_else(place: Place) -> None:
    other = Place(place.host, name="shop", domain="shop.test", contents=place.contents)
    place.serve("r1", place.files(index_html="docs", logo_svg="<svg/>"))
    other.serve("r1", other.files(index_html="shop", logo_svg="<svg/>"))
    assert (place.get(), other.get(), other.get("/logo.svg")) == ("200 docs", "200 shop", "200 <svg/>")
    inodes = place.host.run("stat -c '%i %h' /srv/trueup/sites/*/releases/r1/files/logo.svg").stdout.split("\n")
    assert inodes[0] == inodes[1] and inodes[0].endswith(" 3")
    assert place.op(do="remove") == {"changed": True, "failed": False, "msg": ""}
    assert place.probe() == {"absent": True} and not place.host.exists(place.at)
    assert other.get() == "200 shop" and "docs" not in place.get()
    assert place.op(do="remove") == {"changed": False, "failed": False, "msg": ""}


def test_a_domain_that_another_server_has_is_said(place: Place) -> None:
    place.serve("r1", place.files(index_html="one"))
    other = Place(place.host, name="later", domain=place.domain, contents=place.contents)
    files = other.files(index_html="other")
    other.send(files)
    other.stage("s1", files)
    done = other.switch("s1")
    assert done["failed"] and "release s1 is not served as it should be" in done["msg"], done
    assert 'conflicting server name "docs.test" on 0.0.0.0:80' in done["msg"]
    assert place.get() == "200 one" and other.current() == ""


def test_where_no_mounts_are_permitted_the_release_is_tested_in_its_place(place: Place) -> None:
    under = "setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin"
    place.serve("r1", place.files(index_html="one"))
    files = place.files(index_html="two")
    place.send(files)
    place.stage("r2", files, config=place.config("r2") + "}")
    done = place.switch("r2", under=under)
    assert done["failed"] and 'unexpected "}" in /srv/trueup/sites/docs/current/site.conf' in done["msg"]
    assert place.get() == "200 one" and place.current() == "releases/r1" and place.left() == []
    place.stage("r2", files)
    done = place.switch("r2", under=under)
    assert not done["failed"] and "no mounts of its own are permitted here" in done["msg"]
    assert place.get() == "200 two"


def test_contents_without_a_release_go_after_an_hour(place: Place) -> None:
    for number in range(3):
        place.serve(f"r{number}", place.files(index_html=f"page {number}"))
    blobs = "find /srv/trueup/blobs -type f | wc -l"
    place.switch("r1", keep=1)
    assert place.host.run(blobs).stdout.strip() == "3", "it may have come for a release that is being made"
    place.switch("r1", keep=1, first="site.disk.YOUNG = 0")
    assert place.probe()["state"]["kept"] == ["r1", "r2"]
    assert place.host.run(blobs).stdout.strip() == "2"
