"""A release is staged beside the others, tested, served, proved; or everything stays as it was."""

from __future__ import annotations

import pytest
from places import Place

pytestmark = pytest.mark.hosts


def test_a_site_is_served_and_read_back(place: Place) -> None:
    assert place.probe() == {"absent": True}
    files = place.files(index_html="<h1>one", css__site_css="a{}")
    place.send(files)
    assert place.stage("r1", files) == {"changed": True, "failed": False, "msg": ""}
    assert place.stage("r1", files) == {"changed": False, "failed": False, "msg": ""}
    assert place.probe() == {"state": {"release": "", "altered": [], "kept": ["r1"]}}
    assert place.get().startswith("000"), "nothing is served before the switch"
    done = place.switch("r1", (place.expect("/css/site.css", body="a{}"),))
    assert done == {"changed": True, "failed": False, "msg": ""}
    assert place.get() == "200 <h1>one" and place.get("/nothing").startswith("404")
    assert place.probe(whole=True) == {"state": {"release": "r1", "altered": [], "kept": ["r1"]}}
    assert place.switch("r1") == {"changed": False, "failed": False, "msg": ""}
    assert place.left() == []


def test_the_next_release_takes_its_place_and_the_one_before_stays(place: Place) -> None:
    for number in range(6):
        place.serve(f"r{number}", place.files(index_html=f"page {number}", same_txt="the same"))
    assert place.get() == "200 page 5"
    assert place.probe()["state"] == {"release": "r5", "altered": [], "kept": ["r3", "r4", "r5"]}
    place.switch("r3", keep=1)
    assert place.get() == "200 page 3", "going back needs nothing from elsewhere"
    assert place.probe()["state"]["kept"] == ["r3", "r5"], "what is served, and what was served before"
