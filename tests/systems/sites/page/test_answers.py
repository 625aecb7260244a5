"""What the pages of sites answer: which releases, on which hosts, and what came of them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import simulated

from reconciler.core.model import Key, Present, Trouble
from reconciler.core.problem import Refused
from reconciler.door.asks import LOOKS


def ask(fleet: simulated.Fleet, question: str, /, **args: Any) -> Any:
    return LOOKS[question](fleet.world, args)


def say(fleet: simulated.Fleet, host: str, site: str = "blog", **fields: Any) -> None:
    """What the host's probe finds beyond what was applied."""
    fleet.drift(host, "Site", site, **fields)


def traffic(requests: int, **more: Any) -> dict[str, Any]:
    status = {"2xx": requests, "3xx": 0, "4xx": 0, "5xx": 0}
    day = {
        "from": 1,
        "whole": True,
        "bytes": 10 * requests,
        "status": status,
        "hours": [requests, *[0] * 23],
        "missing": [],
    }
    return {**day, "requests": requests, **more}


# ---------------------------------------------------------------- all


def test_each_site_has_its_row(fleet: simulated.Fleet) -> None:
    answer = ask(fleet, "sites")
    assert [row["site"] for row in answer["sites"]] == ["blog", "shop"]
    blog, shop = answer["sites"]
    assert blog["domains"] == [
        {"domain": "blog.example.org", "url": "http://blog.example.org/"},
        {"domain": "www.blog.example.org", "url": "http://www.blog.example.org/"},
    ]
    assert shop["domains"][0]["url"] == "http://shop.example.org:8080/"
    assert (blog["hosts"], blog["serving"], blog["counts"]["Converged"]) == (3, 3, 3)
    assert (shop["hosts"], shop["serving"]) == (1, 1)
    assert blog["commit"] == fleet.commits[0] and blog["since"] == "2026-11-24T14:10:01Z"
    assert blog["traffic"] is None and blog["certificate"] is None and blog["files"] is None


def test_sites_are_found_by_name_and_domain_and_come_page_by_page(fleet: simulated.Fleet) -> None:
    assert [row["site"] for row in ask(fleet, "sites", find="SHOP.example")["sites"]] == ["shop"]
    assert ask(fleet, "sites", find="nothing")["sites"] == []
    first = ask(fleet, "sites", limit=1)
    assert ([row["site"] for row in first["sites"]], first["next"], first["total"]) == (["blog"], "blog", 2)
    rest = ask(fleet, "sites", limit=1, after=first["next"])
    assert ([row["site"] for row in rest["sites"]], rest["next"]) == (["shop"], "")


def test_traffic_is_of_all_hosts_and_says_where_it_is_cut(fleet: simulated.Fleet) -> None:
    say(fleet, "web-1", traffic=traffic(100))
    say(fleet, "web-2", traffic=traffic(20, **{"from": int(fleet.now) - 600, "whole": False}))
    fleet.look_at("web-1", "web-2", "web-3")
    found = ask(fleet, "sites")["sites"][0]["traffic"]
    assert (found["hosts"], found["cut"], found["requests"], found["bytes"]) == (2, 1, 120, 1200)
    assert (found["status"]["2xx"], found["hours"][0], sum(found["hours"])) == (120, 120, 120)
    assert found["since"] == "2026-11-24T14:10:02Z", "since then all of it is known"


def test_traffic_makes_no_plan_and_no_history(fleet: simulated.Fleet) -> None:
    db = fleet.world.store.db  # type: ignore[attr-defined]
    fleet.look_at("web-1")
    before = db.rows("SELECT count(*) FROM observed_past")
    for number in range(5):
        say(fleet, "web-1", traffic=traffic(number))
        fleet.later(600)
        assert fleet.walk().plan.changes == ()
    assert db.rows("SELECT count(*) FROM observed_past") == before
    assert ask(fleet, "at", host="web-1", time=fleet.now)["resources"][-1]["state"].keys() >= {"release"}
    assert not any("traffic" in one["state"] for one in ask(fleet, "at", host="web-1", time=fleet.now)["resources"])


def test_the_certificate_that_ends_first_is_the_one_that_is_shown(fleet: simulated.Fleet) -> None:
    def key(path: str, **more: Any) -> dict[str, Any]:
        return {"path": path, **more}

    say(fleet, "web-1", certificates=[key("/a.pem", notAfter="2026-12-01T00:00:00Z", names=["a"], issuer="i")])
    say(fleet, "web-2", certificates=[key("/a.pem", notAfter="2026-11-30T00:00:00Z", names=["a"], issuer="i")])
    fleet.look_at("web-1", "web-2")
    found = ask(fleet, "sites")["sites"][0]["certificate"]
    assert (found["ends"], found["daysLeft"], found["hosts"], found["host"]) == ("2026-11-30T00:00:00Z", 5, 1, "web-2")
    say(fleet, "web-3", certificates=[key("/a.pem", trouble="no certificate in it")])
    fleet.look_at("web-3")
    found = ask(fleet, "sites")["sites"][0]["certificate"]
    assert (found["trouble"], found["daysLeft"]) == ("no certificate in it", None)


# ---------------------------------------------------------------- one


def test_its_releases_say_which_commit_and_what_it_did_to_addresses(fleet: simulated.Fleet) -> None:
    fleet.later(600)
    second = fleet.commit(
        "Rename the first post",
        {
            "blog/first.html": None,
            "blog/one.html": simulated.page("One"),
            "blog/index.html": simulated.page("Blog", "/one"),
        },
        author="Bo",
    )
    fleet.rounds(2)
    releases = ask(fleet, "site", site="blog")["releases"]
    assert [(one["commit"], one["author"], one["ok"]) for one in releases] == [
        (second, "Bo", 3),
        (fleet.commits[0], "Ada", 3),
    ]
    assert releases[0]["notes"] == [
        "new: /one",
        "changed: /",
        "gone: /first",
        "leads nowhere from then on, give it a redirect: /first",
    ]
    assert releases[0]["release"] == ask(fleet, "sites")["sites"][0]["release"] != releases[1]["release"]
    assert [one["commit"] for one in ask(fleet, "site", site="shop")["releases"]] == [fleet.commits[0]]


def test_the_way_back_is_a_release_of_its_own(fleet: simulated.Fleet) -> None:
    before = (fleet.git_dir / "blog/index.html").read_text()
    fleet.commit("Change", {"blog/index.html": simulated.page("Other", "/first")})
    fleet.rounds(1)
    fleet.commit("Change it back", {"blog/index.html": before})
    fleet.rounds(1)
    releases = ask(fleet, "site", site="blog")["releases"]
    assert [one["subject"] for one in releases] == ["Change it back", "Change", "Two sites"]
    assert releases[0]["release"] == releases[2]["release"] != releases[1]["release"]


def test_healing_altered_files_is_no_release(fleet: simulated.Fleet) -> None:
    say(fleet, "web-1", altered=["index.html"])
    fleet.rounds(2)
    assert len(ask(fleet, "site", site="blog")["releases"]) == 1


def test_a_host_that_is_brought_to_it_later_belongs_to_the_same_release(fleet: simulated.Fleet) -> None:
    fleet.trip.silent["web-3"] = Trouble(code="unreachable", why="no answer", next_step="")
    fleet.commit("Change", {"blog/index.html": simulated.page("Other", "/first")})
    fleet.rounds(1)
    answer = ask(fleet, "site", site="blog")
    assert (answer["serving"], answer["hosts"], answer["differ"]) == (2, 3, 1)
    assert answer["rows"][0]["host"] == "web-3" and answer["rows"][0]["release"] != answer["release"]
    began = answer["since"]
    del fleet.trip.silent["web-3"]
    fleet.rounds(3)
    answer = ask(fleet, "site", site="blog")
    assert (answer["serving"], answer["since"], len(answer["releases"])) == (3, began, 2)
    assert answer["releases"][0]["ok"] == 3


def test_what_check_finds_in_it_is_shown_and_what_it_finds_elsewhere_is_not(fleet: simulated.Fleet) -> None:
    found = ask(fleet, "site", site="blog")["problems"]
    assert [(one["path"], one["code"]) for one in found] == [("blog/first.html", "dead-link")]
    assert ask(fleet, "site", site="shop")["problems"] == []


def test_a_finding_in_its_own_part_of_a_shared_file_is_its_own(fleet: simulated.Fleet) -> None:
    text = (fleet.git_dir / "sites.yaml").read_text()
    fleet.commit(
        "A shop without a page", {"shop/index.html": None, "shop/a.html": simulated.page("A"), "sites.yaml": text}
    )
    fleet.rounds(1)
    assert [one["code"] for one in ask(fleet, "site", site="shop")["problems"]] == ["no-front-page"]
    assert {one["code"] for one in ask(fleet, "site", site="blog")["problems"]} == {"dead-link"}


def test_what_was_asked_for_most_and_is_not_there(fleet: simulated.Fleet) -> None:
    lost = [{"path": "/favicon.ico", "count": 7}, {"path": "/a", "count": 2}]
    say(fleet, "web-1", traffic=traffic(9, missing=lost))
    say(fleet, "web-2", traffic=traffic(9, missing=[{"path": "/a", "count": 6}]))
    fleet.look_at("web-1", "web-2")
    assert ask(fleet, "site", site="blog")["missing"] == [
        {"path": "/a", "count": 8, "hosts": 2},
        {"path": "/favicon.ico", "count": 7, "hosts": 1},
    ]


def test_a_site_that_nobody_declares_is_not_found(fleet: simulated.Fleet, client: httpx.Client) -> None:
    with pytest.raises(Refused) as refused:
        ask(fleet, "site", site="blgo")
    assert refused.value.problems[0].hint == "did you mean blog? /sites lists them"
    assert client.get("/sites/blgo").status_code == 404


# ---------------------------------------------------------------- what hosts may say

ODD: list[Any] = [
    "text",
    7,
    None,
    [],
    {"requests": "many", "bytes": -5, "status": "all", "hours": "x", "missing": "y", "from": "then", "whole": "yes"},
    {
        "requests": 1e300,
        "bytes": 2**62,
        "status": {"2xx": [1], "4xx": 2**70},
        "hours": [None] * 99,
        "missing": [1, None],
    },
    {
        "requests": 2**53,
        "bytes": 2**53,
        "from": -(2**60),
        "hours": [2**53] * 24,
        "missing": [{"path": {}, "count": "3"}],
    },
    {"requests": True, "missing": [{"path": "x" * 9000, "count": 3}, {"path": simulated.EVIL, "count": 2**53}]},
]
KEYS: list[Any] = [
    "text",
    {},
    [1, "a", None, [], {}],
    [{"path": 7, "notAfter": "rubbish", "names": "n", "issuer": {"a": 1}}],
    [
        {
            "path": simulated.EVIL,
            "notAfter": "9999-12-31T23:59:59Z",
            "names": [simulated.EVIL, 7],
            "issuer": simulated.EVIL,
        }
    ],
    [{"path": "/a", "notAfter": "290000-01-01T00:00:00Z"}, {"path": "/b", "notAfter": "infinity"}],
    [{"path": "/a", "notAfter": "0001-01-01T00:00:00Z", "trouble": {"a": 1}}],
]


@pytest.mark.parametrize("odd", [*ODD, *KEYS], ids=lambda it: repr(it)[:40])
def test_whatever_a_host_says_the_pages_are_made(fleet: simulated.Fleet, client: httpx.Client, odd: Any) -> None:
    key = Key("web-1", "Site", "blog")
    state = fleet.trip.seen[key].state  # type: ignore[union-attr]
    told = {"traffic": odd} if odd in ODD else {"certificates": odd}
    strange = {"release": state["release"], "altered": [], "files": "many", "bytes": {"a": 1}, "kept": 7}
    fleet.trip.seen[key] = Present({**strange, **told})
    fleet.look_at("web-1")
    for path in ("/sites", "/sites/blog", "/hosts/web-1/Site/blog", "/reports/certificates", "/reports/traffic"):
        page = client.get(path)
        assert page.status_code == 200, (path, page.text[:300])
        assert "<script>alert" not in page.text and "\u202e" not in page.text
        assert client.get(f"{path}.json").status_code == 200


def test_what_was_read_anew_is_what_reading_all_would_give(fleet: simulated.Fleet) -> None:
    from reconciler.systems.sites.store import parsed

    ask(fleet, "sites")  # from here on only what is written is read anew
    for number, host in enumerate(("web-1", "web-2", "web-1", "web-3")):
        key = {"path": f"/{number}.pem", "notAfter": f"2026-12-0{number + 1}T00:00:00Z"}
        say(fleet, host, traffic=traffic(number), certificates=[key], files=number, bytes=number)
        fleet.later(60)
        fleet.look_at(host)
        little = ask(fleet, "sites"), ask(fleet, "site", site="blog")
        parsed._SEEN.clear()
        assert (ask(fleet, "sites"), ask(fleet, "site", site="blog")) == little
    assert little[0]["sites"][0]["traffic"]["requests"] == 2 + 1 + 3
