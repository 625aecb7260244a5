"""What visitors ask of a site on a real nginx shows up on its page, and in reports, and makes no plan."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx

from lab import Fleet
from tests.e2e.test_site import SITE, asked


def test_real_requests_show_up_on_the_page(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(2)
    fleet.write("public/index.html", '<!doctype html><h1>one</h1><a href="/nowhere">away</a>\n')
    fleet.write("public/guide.html", "<h1>guide</h1>\n")
    fleet.write("docs.yaml", SITE)
    fleet.land()
    fleet.apply()
    fleet.write("public/guide.html", "<h1>guide, again</h1>\n")
    fleet.write("public/news.html", "<h1>news</h1>\n")
    second = fleet.land("News")
    fleet.apply()

    first, other = fleet.hosts
    before = traffic(fleet)
    assert before["Requests"] == 0, "what a switch asks is nobody's visit"
    for _ in range(3):
        assert asked(first, "/").startswith("200")
    assert asked(first, "/lost?token=5up3r").startswith("404")
    assert asked(first, "/lost").startswith("404")
    assert asked(first, "/guide.html").startswith("301")
    assert asked(other, "/news").startswith("200")
    fleet.trueup("observe")
    assert fleet.trueup("plan").stdout.startswith("Nothing to do"), "counting changes nothing"

    now = traffic(fleet)
    assert now["Hosts"] == 2 and now["Cut"] == 0
    more = {word: now[word] - before[word] for word in ("Requests", "2xx", "3xx", "4xx", "5xx")}
    assert more == {"Requests": 7, "2xx": 4, "3xx": 1, "4xx": 2, "5xx": 0}

    page = httpx.HTTPTransport(retries=9)  # it may listen a moment after the daemon answers
    with fleet.serve(), httpx.Client(base_url=f"http://{fleet.settings['TRUEUP_LISTEN']}", transport=page) as client:
        (row,) = client.get("/sites.json").json()["sites"]
        assert (row["site"], row["serving"], row["hosts"], row["files"]) == ("docs", 2, 2, 3)
        assert row["commit"] == second and row["traffic"]["requests"] == now["Requests"]
        one = client.get("/sites/docs.json").json()
        assert one["missing"] == [{"path": "/lost", "count": 2, "hosts": 1}], "and not what stood in its query"
        assert sum(one["traffic"]["hours"]) == now["Requests"]
        assert one["releases"][0]["notes"] == ["new: /news", "changed: /guide"]
        assert [found["code"] for found in one["problems"]] == ["dead-link"]
        shown = client.get("/sites/docs").text
        assert "/lost" in shown and "5up3r" not in shown and "new: /news" in shown
        detail = client.get("/hosts/lab-1/Site/docs").text
        assert "docs.example.com" in detail and "requests" in detail
    links = json.loads(fleet.trueup("report", "broken-links", "--format", "json").stdout)
    assert [row[0] for row in links["rows"]] == ["public/index.html:1"]


def traffic(fleet: Fleet) -> dict[str, int]:
    """The row of the only site in the report, after a look."""
    fleet.trueup("observe")
    answer = json.loads(fleet.trueup("report", "traffic", "--format", "json").stdout)
    (row,) = answer["rows"]
    return dict(zip(answer["columns"], row, strict=True))
