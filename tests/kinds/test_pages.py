"""Each kind's page fragment shows every state that its examples and cases tell of, with everything escaped."""

from __future__ import annotations

from typing import Any

import pytest
from jinja2 import Environment

from reconciler.core.model import Absent, Action, Change, Key, Meaning, Present, Reason, digest
from reconciler.manifests import reader
from reconciler.manifests.kinds import folder_of, load_kinds

KINDS = load_kinds()
EVIL = "<script>alert(1)</script>"


def render(kind: str, name: str, state: Any) -> str:
    environment = Environment(autoescape=True)
    return environment.from_string((folder_of(kind) / "page.html").read_text("utf-8")).render(state=state, name=name)


def examples(kind: str) -> list[tuple[str, dict[str, Any]]]:
    documents, problems = reader.load((folder_of(kind) / "example.yaml").read_bytes(), "example.yaml")
    assert not problems
    found = [doc.value for doc in documents if isinstance(doc.value, dict)]
    return [(each["metadata"]["name"], each["spec"]) for each in found if each["kind"] == kind]


@pytest.mark.parametrize("kind", sorted(KINDS.by_name))
def test_the_page_of_what_an_example_leaves_on_a_host(kind: str) -> None:
    known = KINDS[kind]
    for name, spec in examples(kind):
        own = {field: value for field, value in spec.items() if field in KINDS.schemas[kind]["spec"]["properties"]}
        normal = known.normal(name, own)
        if known.wants_absence(normal):
            continue
        want = Meaning(spec=normal, digest=digest(normal))
        key = Key("h", kind, name)
        change = Change(key=key, action=Action.CREATE, reason=Reason.NEW_IN_GIT, fields=(), want=want, have=Absent())
        after = known.after(change)
        assert isinstance(after, Present)
        html = render(kind, name, dict(after.state))
        assert 'class="summary"' in html and "<dl" in html
        assert "style=" not in html and "<script" not in html and " on" not in html.split(">")[0]


@pytest.mark.parametrize("kind", sorted(KINDS.by_name))
def test_what_a_hostile_host_says_is_escaped(kind: str) -> None:
    properties = KINDS.schemas[kind]["state"]["properties"]
    evil: dict[str, Any] = {}
    for field, said in properties.items():
        type_of = said.get("type")
        evil[field] = [EVIL] if type_of == "array" else {EVIL: EVIL} if type_of == "object" else EVIL
    assert "<script" not in render(kind, EVIL, evil)


@pytest.mark.parametrize("kind", sorted(KINDS.by_name))
def test_an_empty_state_breaks_no_page(kind: str) -> None:
    assert render(kind, "x", {}).strip()
