"""Where a schema lets a secret stand in place of a value: `x-takes-secret: text` or `line` in a kind's schema.yaml."""

from __future__ import annotations

from collections.abc import Mapping

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


def in_one_line(schema: Json) -> bool:
    """Whether a secret within it has to fit into one line."""
    if not isinstance(schema, Mapping):
        return False
    inner = (*schema.get("properties", {}).values(), schema.get("additionalProperties"), schema.get("items"))
    return schema.get(MARK) == "line" or any(in_one_line(one) for one in inner)


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
