"""The quick yes is never a wrong yes, and says yes to what people write."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler.core.kind import Kinds
from reconciler.manifests import kinds as kinds_room
from reconciler.manifests import load_kinds, reader, schema
from reconciler.manifests.accept import compile_schema

from .test_fuzz import VALUES, documents

KINDS = load_kinds()
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.0, 1.0, 1.5]),
    st.sampled_from(["", "a", "ab", "b"]),
)
ANY = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)),
    max_leaves=5,
)
PLAIN = st.one_of(
    st.builds(lambda t: {"type": t}, st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null"])),
    st.builds(lambda a, b: {"type": [a, b]}, st.sampled_from(["string", "integer"]), st.sampled_from(["null", "number", "array"])),
    st.builds(lambda v: {"enum": v}, st.lists(LEAVES, min_size=1, max_size=3)),
    st.builds(lambda v: {"const": v}, ANY),
    st.builds(lambda k, n: {k: n}, st.sampled_from(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]), st.integers(-1, 2)),
    st.builds(lambda k, n: {k: n}, st.sampled_from(["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"]),
              st.integers(0, 2)),
    st.just({"pattern": "^a"}), st.just({"uniqueItems": True}), st.just({"multipleOf": 2}), st.just({"format": "date"}), st.just({"x-why": 1}),
    st.just(True), st.just(False), st.just({}),
)  # fmt: skip


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(lambda word, branches: {word: branches}, st.sampled_from(["anyOf", "oneOf", "allOf"]), st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda one: {"not": one}, inner),
        st.builds(lambda one: {"items": one}, inner),
        st.builds(lambda one: {"propertyNames": one}, inner),
        st.builds(
            lambda fields, other, required: {"properties": fields, "additionalProperties": other, "required": required},
            st.dictionaries(st.sampled_from("abc"), inner, max_size=2), inner, st.lists(st.sampled_from("abc"), unique=True, max_size=2),
        ),
        st.builds(lambda one, other: {**one, **other} if isinstance(one, dict) and isinstance(other, dict) else one, inner, inner),
    )  # fmt: skip


@settings(max_examples=800)
@given(st.recursive(PLAIN, _larger, max_leaves=5), ANY)
def test_a_yes_is_a_yes_and_an_exact_no_is_a_no(said: Any, value: Any) -> None:
    quick = compile_schema(said)
    right = Draft202012Validator(said).is_valid(value)
    if quick.accepts(value):
        assert right
    elif quick.exact:
        assert not right


@settings(max_examples=200, deadline=20_000)
@given(documents(), VALUES)
def test_of_our_own_schemas(document: dict[str, Any], value: Any) -> None:
    for name in schema.all_kinds(KINDS):
        said = schema.envelope(KINDS, name)
        for candidate in (document, {**document, "kind": name, "metadata": {"name": "x"}}, value):
            if compile_schema(said).accepts(candidate):
                assert Draft202012Validator(said).is_valid(candidate)


def test_right_documents_need_no_jsonschema(kinds: Kinds) -> None:
    for name in schema.all_kinds(kinds):
        quick = compile_schema(schema.envelope(kinds, name))
        for doc in reader.load(kinds_room.example(name).encode(), "a.yaml")[0]:
            assert quick.accepts(doc.value) or doc.value["kind"] != name, name
