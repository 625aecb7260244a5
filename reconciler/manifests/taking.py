"""Where a schema lets a secret stand in place of a value: `x-takes-secret: text`, or another form that it must have there
(secrets/forms.py), in a kind's schema.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..core.model import Json
from ..core.reference import NAME

MARK = "x-takes-secret"
REFERENCE: Mapping[str, Json] = {
    "type": "object",
    "x-reference": True,
    "description": "A secret: the value stays out of the repository, or stands in it encrypted.",
    "properties": {
        "secret": {
            "type": "string",
            "pattern": NAME,
            "description": "The name of a secret: of secrets/NAME.age or secrets/NAME.vault in the repository, or one "
            "that the controller's own settings give.",
        },
        "vault": {
            "type": "string",
            "minLength": 1,
            "description": "Encrypted by Ansible Vault; `!vault` says the same.",
        },
        "age": {"type": "string", "minLength": 1, "description": "Encrypted with age, armored."},
    },
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
_WORDS = frozenset(("description", "examples", "title"))


def taking_secrets(schema: Json) -> Json:
    """`schema` in which each value that is marked may also be a reference to a secret."""
    if not isinstance(schema, Mapping):
        return schema
    made = {
        key: {name: taking_secrets(one) for name, one in value.items()}
        if key == "properties"
        else taking_secrets(value)
        if key in ("additionalProperties", "items")
        else value
        for key, value in schema.items()
    }
    if MARK not in made:
        return made
    words = {key: value for key, value in made.items() if key in _WORDS or key.startswith("x-")}
    return {**words, "anyOf": [{key: value for key, value in made.items() if key not in words}, dict(REFERENCE)]}


def forms(schema: Json, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where a secret may stand, `*` for any name or place of a list, and in which form."""
    if not isinstance(schema, Mapping):
        return
    if MARK in schema:
        yield at, schema[MARK]
    for name, inner in schema.get("properties", {}).items():
        yield from forms(inner, (*at, name))
    for key in ("additionalProperties", "items"):
        yield from forms(schema.get(key), (*at, "*"))


def form_at(known: tuple[tuple[tuple[str, ...], str], ...], way: tuple[str | int, ...]) -> str:
    """The form that a secret at `way` of a spec must have; `text` where none is said."""
    for pattern, form in known:
        if len(pattern) == len(way) and all(part in ("*", here) for part, here in zip(pattern, way, strict=True)):
            return form
    return "text"


def sealed_within(schema: Json, sealed: Json) -> Json:
    """`schema` in which each value that is marked may also be what became of a secret: for states."""
    if not isinstance(schema, Mapping):
        return schema
    if MARK in schema:
        return {**schema, "anyOf": [*schema["anyOf"], sealed]}
    return {
        key: sealed_within(value, sealed) if key in ("additionalProperties", "items") else value
        for key, value in schema.items()
    }
