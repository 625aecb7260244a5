"""Whatever a repository holds: an answer, no traceback, no hang, each problem with a file that is there."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.manifests import load_kinds, read, schema
from reconciler.manifests.codes import CODES
from reconciler.tell import problems as tell

from .bad_input import ROWS
from .repo import fleet

KINDS = load_kinds()
NAMES = ("Fleet", "Host", "Vars", "Group", "User", "CronJob", "File", "Package", "Service")
WORDS = st.sampled_from(["all", "web-1", "role=web", "File/motd", "Group/g", "/etc/motd", "../x", "files/x", "root", "0644", "motd", "{{ vars.x }}",
                         "{{ 1/0 }}", "{% for x in", "* * * * *", "@daily", "0 0 31 2 *", "ssh-ed25519 AAAA", "", "none", "lock", "x" * 300, "\x00", "é"])  # fmt: skip
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-5, 10**12), st.floats(allow_nan=False), WORDS, st.text(max_size=10)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A document that looks like ours: a real kind, mostly real fields, any values."""
    kind = draw(st.sampled_from(NAMES))
    fields = schema.spec_schema(KINDS, kind)["properties"]
    spec = draw(st.dictionaries(st.sampled_from([*fields, "nope"]), VALUES, max_size=6))
    if "hosts" in fields and draw(st.booleans()):
        spec["hosts"] = draw(st.sampled_from(["all", "role=web", "web-1"]))
    for name, said in fields.items():
        if name in spec and draw(st.booleans()) and said.get("examples"):
            spec[name] = draw(st.sampled_from(said["examples"]))
    document = {"apiVersion": "trueup.dev/v1", "kind": kind, "metadata": {"name": draw(WORDS)}, "spec": spec}
    if draw(st.integers(0, 5)) == 0:
        document[draw(st.sampled_from(["kind", "metadata", "spec", "nope"]))] = draw(VALUES)
    return document


def judged(files: dict[str, str | bytes]) -> None:
    repo = fleet(files)
    reading = read(repo, KINDS)
    known = {**CODES, **{code: said for kind in KINDS.by_name.values() for code, said in kind.codes.items()}}
    for found in reading.problems:
        assert found.code in known
        assert found.code != "kind-failed", found.message
        assert found.path in repo.paths() or found.path == "trueup.yaml"
        assert found.severity == known[found.code].severity
    assert (reading.desired is None) == any(found.severity == "error" for found in reading.problems)
    assert tell.text(reading.problems, repo).count("\n") >= len(reading.problems)


@settings(max_examples=250, deadline=50_000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_documents_that_look_like_ours(data: st.DataObject) -> None:
    made = data.draw(st.lists(documents(), min_size=1, max_size=4))
    text = "---\n".join(yaml.safe_dump(document, allow_unicode=True) for document in made)
    judged({"a.yaml": text, "files/x": "x\n"})


@settings(max_examples=150, deadline=50_000)
@given(st.data())
def test_right_and_wrong_texts_cut_and_joined(data: st.DataObject) -> None:
    """Texts of the table of bad input, cut anywhere and glued: mistakes on top of mistakes."""
    texts = [text for row in ROWS for text in row.files.values() if isinstance(text, str) and len(text) < 2000]
    pieces = []
    for _ in range(data.draw(st.integers(1, 3))):
        text = data.draw(st.sampled_from(texts))
        pieces.append(
            text[data.draw(st.integers(0, len(text))) :] + data.draw(st.sampled_from(["", "\n", "---\n", "\n---\n"]))
        )
    judged({"a.yaml": "".join(pieces)})
