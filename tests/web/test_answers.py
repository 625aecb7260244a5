"""Every page as JSON, held strictly against the OpenAPI document; and names that are hard to write."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import simulated

from reconciler.web import serve
from reconciler.web.page import app, openapi
from reconciler.web.page.paths import PAGES


def strict(schema: Any) -> Any:
    """`schema` with no field beyond those that it names: an answer with an undocumented field must fail here."""
    if isinstance(schema, dict):
        made = {name: strict(part) for name, part in schema.items()}
        if "properties" in made and "additionalProperties" not in made:
            made["additionalProperties"] = False
        return made
    return [strict(part) for part in schema] if isinstance(schema, list) else schema


def validator(path: str) -> jsonschema.Draft202012Validator:
    document = strict(copy.deepcopy(openapi.document()))
    schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    return jsonschema.Draft202012Validator({**schema, "components": document["components"]})


def template_of(path: str) -> str:
    parts = path.partition("?")[0].strip("/").split("/")
    for page in PAGES:
        wanted = page.path.replace(":path}", "}").strip("/").split("/")
        if len(wanted) == len(parts) and all(w.startswith("{") or w == p for w, p in zip(wanted, parts, strict=True)):
            return "/" + "/".join(wanted)
    raise AssertionError(path)


@pytest.fixture(scope="module", params=["full", "empty", "stale", "stopped"])
def any_page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    fleet = simulated.STORIES[request.param](tmp_path_factory.mktemp("any") / request.param)
    served = serve.run(app(fleet.world), "127.0.0.1:0")
    with httpx.Client(base_url=served.url, timeout=20) as client:
        yield client, fleet
    served.close()
    fleet.close()


def test_every_answer_is_as_the_document_says(any_page: tuple[httpx.Client, simulated.Fleet]) -> None:
    client, fleet = any_page
    seen = set()
    for path in fleet.pages:
        answer = client.get(path, headers={"accept": "application/json"})
        assert answer.status_code == 200, (path, answer.text)
        assert answer.headers["content-type"] == "application/json"
        errors = [f"{e.json_path}: {e.message[:200]}" for e in validator(template_of(path)).iter_errors(answer.json())]
        assert not errors, (path, errors)
        seen.add(template_of(path))
    if len(fleet.commits) > 2:
        assert seen == {page.path.replace(":path}", "}") for page in PAGES}


def test_the_suffix_and_the_header_give_the_same(page: httpx.Client, fleet: simulated.Fleet) -> None:
    for path in fleet.pages:
        before, mark, query = path.partition("?")
        suffixed = f"{'/index' if before == '/' else before}.json{mark}{query}"
        one, other = page.get(suffixed), page.get(path, headers={"accept": "application/json;q=0.9, text/html;q=0.1"})
        assert one.status_code == 200, suffixed
        assert one.headers["content-type"] == "application/json"
        assert one.json().keys() == other.json().keys()


def test_a_browser_gets_a_page(page: httpx.Client, fleet: simulated.Fleet) -> None:
    chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
    for path in fleet.pages:
        answer = page.get(path, headers={"accept": chrome})
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].startswith("text/html")


def test_the_document_is_sound(page: httpx.Client) -> None:
    document = page.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    text = json.dumps(document)
    for name in (part.split('"')[0] for part in text.split("#/components/schemas/")[1:]):
        assert name in document["components"]["schemas"]
    for path, methods in document["paths"].items():
        assert set(methods) == {"get"}
        named = {part[1:-1] for part in path.split("/") if part.startswith("{")}
        assert named == {p["name"] for p in methods["get"].get("parameters", ()) if p["in"] == "path"}


def test_a_validator_that_can_fail(page: httpx.Client) -> None:
    answer = page.get("/index.json").json()
    checked = validator("/")
    assert checked.is_valid(answer)
    assert not checked.is_valid({**answer, "surprise": 1})
    assert not checked.is_valid({name: part for name, part in answer.items() if name != "counts"})
    assert not checked.is_valid({**answer, "counts": {"Broken": 1}})


def test_counts_of_a_page_add_up(page: httpx.Client) -> None:
    for path in ("/index.json", "/hosts.json"):
        answer = page.get(path).json()
        assert sum(answer["counts"].values()) == answer["total"]
    every = page.get("/hosts.json").json()
    for word, count in every["counts"].items():
        assert page.get("/hosts.json", params={"verdict": word.lower()}).json()["matching"] == count


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nowhere", 404),
        ("/hosts/nobody", 404),
        ("/hosts/web-1/User/nobody", 404),
        ("/hosts/web-1/Nothing/ada", 404),
        ("/kinds/Nothing", 404),
        ("/kinds/User/nobody", 404),
        ("/commits/ffffffff", 404),
        ("/reports/nothing", 404),
        ("/hosts?verdict=broken", 400),
        ("/hosts?where=(", 400),
        ("/hosts?find=" + "x" * 5000, 400),
        ("/hosts/%00", 400),
        ("/", 200),
    ],
)
def test_what_can_not_be_answered_is_said_as_a_problem(page: httpx.Client, path: str, status: int) -> None:
    assert page.get(path).status_code == status
    before, mark, query = path.partition("?")
    for answer in (
        page.get(path, headers={"accept": "application/json"}),
        page.get(f"{'/index' if before == '/' else before}.json{mark}{query}"),
    ):
        assert answer.status_code == status
        if status != 200:
            document = openapi.document()
            problems = document["components"]["schemas"]["Problems"]
            jsonschema.validate(answer.json(), {**problems, "components": document["components"]})
            assert answer.json()["problems"][0]["message"]


def test_names_with_slashes_and_json_at_their_end(page: httpx.Client) -> None:
    for path in ("/kinds/File/%2Fetc%2Fmotd", "/kinds/File//etc/motd"):
        assert page.get(path, headers={"accept": "application/json"}).json()["name"] == "/etc/motd"
        assert page.get(path + ".json").json()["name"] == "/etc/motd"


def test_paging_by_key_loses_nobody(page: httpx.Client) -> None:
    seen: list[str] = []
    after = ""
    while True:
        answer = page.get("/hosts.json", params={"after": after, "limit": "3"}).json()
        seen += [row["host"] for row in answer["hosts"]]
        after = answer["next"]
        if not after:
            break
    assert len(seen) == len(set(seen)) == 8


def test_a_commit_that_a_guard_stops_shows_the_numbers_and_both_ways_on(tmp_path: Path) -> None:
    fleet = simulated.stopped(tmp_path / "fleet")
    served = serve.run(app(fleet.world), "127.0.0.1:0")
    try:
        with httpx.Client(base_url=served.url, timeout=20) as client:
            commit = fleet.commits[1]
            plan = client.get(f"/commits/{commit}.json").json()["plan"]
            assert plan["summary"]["delete"] == 12
            assert [group["hosts"] for group in plan["groups"]] == [12]
            text = client.get(f"/commits/{commit}").text
            assert f"trueup apply {plan['id'][:8]} --accept {plan['guards'][0]['rule']}" in text
            assert f"git revert {commit[:7]}" in text
            assert "is stopped by a guard" in client.get("/").text
    finally:
        served.close()
        fleet.close()
