"""A quick yes to documents that are right: schemas compiled to plain functions, for the part of JSON Schema that kinds use.

Only a yes counts. Whatever isn't surely right goes to jsonschema, which judges and explains; so a keyword that is not
known here costs time and never lets a mistake through. A hundred times as fast as jsonschema, and a repository
without mistakes doesn't even import it (0.14 s of a command that should take less than a second).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ..core.model import Json, canonical
from . import ecma

Test: TypeAlias = Callable[[Json], bool]

_WORDS = frozenset(("description", "title", "default", "examples", "format", "$comment", "deprecated"))
"""Keywords that say nothing about validity (format neither, without a format checker)."""
_TYPES: dict[str, Test] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: type(value) is int,
    "number": lambda value: type(value) in (int, float),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


@dataclass(frozen=True, slots=True)
class Quick:
    """`accepts` is True only for what the schema allows; `exact`: and False only for what it refuses."""

    accepts: Test
    exact: bool


def compile_schema(schema: Json) -> Quick:
    """A quick test of `schema` (draft 2020-12)."""
    if schema is True or schema == {}:
        return Quick(lambda value: True, True)
    if not isinstance(schema, dict):
        return Quick(lambda value: False, schema is False)
    tests: list[Test] = []
    exact = True
    for keyword, limit in schema.items():
        if (
            keyword in _WORDS
            or keyword.startswith("x-")
            or keyword in ("additionalProperties", "required", "properties")
        ):
            continue
        made = _KEYWORDS[keyword](limit) if keyword in _KEYWORDS else Quick(lambda value: False, False)
        tests.append(made.accepts)
        exact = exact and made.exact
    if schema.keys() & {"additionalProperties", "required", "properties"}:
        made = _fields(schema)
        tests.append(made.accepts)
        exact = exact and made.exact
    if len(tests) == 1:
        return Quick(tests[0], exact)
    return Quick(lambda value: all(test(value) for test in tests), exact)


def _fields(schema: Mapping[str, Json]) -> Quick:
    known = {name: compile_schema(one) for name, one in schema.get("properties", {}).items()}
    other = compile_schema(schema.get("additionalProperties", True))
    required = tuple(schema.get("required", ()))
    tests = {name: one.accepts for name, one in known.items()}
    rest = other.accepts

    def accepts(value: Json) -> bool:
        if not isinstance(value, dict):
            return True
        for name in required:
            if name not in value:
                return False
        return all(tests.get(name, rest)(one) for name, one in value.items())

    # patternProperties would take names away from `additionalProperties`: it is unknown here, so never exact nor accepted.
    return Quick(accepts, other.exact and all(one.exact for one in known.values()))


def _type(limit: Json) -> Quick:
    names = [limit] if isinstance(limit, str) else list(limit)
    tests = [_TYPES[name] for name in names]
    # JSON Schema calls 1.0 an integer: not accepted here, so not exact.
    exact = "integer" not in names or "number" in names
    return Quick(tests[0] if len(tests) == 1 else lambda value: any(test(value) for test in tests), exact)


def _enum(limit: Json) -> Quick:
    options = [(type(option), option) for option in limit]
    simple = all(isinstance(option, str) for _, option in options)
    if any(kind in (list, dict) for kind, _ in options):
        # Python takes False for 0 at any depth, JSON Schema doesn't: their texts differ.
        texts = {canonical(option) for option in limit}
        return Quick(lambda value: canonical(value) in texts, exact=False)
    return Quick(lambda value: any(type(value) is kind and value == option for kind, option in options), simple)


def _items(limit: Json) -> Quick:
    made = compile_schema(limit)
    return Quick(lambda value: not isinstance(value, list) or all(made.accepts(item) for item in value), made.exact)


def _unique(limit: Json) -> Quick:
    def accepts(value: Json) -> bool:
        if not isinstance(value, list):
            return True
        return all(isinstance(item, str) for item in value) and len(set(value)) == len(value)

    return Quick(accepts if limit else lambda value: True, not limit)


def _number(compare: Callable[[float, float], bool]) -> Callable[[Json], Quick]:
    return lambda limit: Quick(lambda value: type(value) not in (int, float) or compare(value, limit), True)


def _length(
    kind: type[str] | type[list[Json]] | type[dict[str, Json]], compare: Callable[[int, int], bool]
) -> Callable[[Json], Quick]:
    return lambda limit: Quick(lambda value: not isinstance(value, kind) or compare(len(value), limit), True)


def _pattern(limit: Json) -> Quick:
    search = ecma.compile_pattern(limit).search
    return Quick(lambda value: not isinstance(value, str) or search(value) is not None, True)


def _property_names(limit: Json) -> Quick:
    made = compile_schema(limit)
    return Quick(lambda value: not isinstance(value, dict) or all(made.accepts(name) for name in value), made.exact)


def _any_of(limit: Json) -> Quick:
    made = [compile_schema(branch) for branch in limit]
    return Quick(lambda value: any(one.accepts(value) for one in made), all(one.exact for one in made))


def _all_of(limit: Json) -> Quick:
    made = [compile_schema(branch) for branch in limit]
    return Quick(lambda value: all(one.accepts(value) for one in made), all(one.exact for one in made))


def _one_of(limit: Json) -> Quick:
    made = [compile_schema(branch) for branch in limit]
    if not all(one.exact for one in made):  # a branch that isn't surely refused might be a second yes
        return Quick(lambda value: False, False)
    return Quick(lambda value: sum(one.accepts(value) for one in made) == 1, True)


def _not(limit: Json) -> Quick:
    made = compile_schema(limit)
    return Quick(lambda value: not made.accepts(value), True) if made.exact else Quick(lambda value: False, False)


_KEYWORDS: dict[str, Callable[[Json], Quick]] = {
    "type": _type,
    "enum": _enum,
    "const": lambda limit: _enum([limit]),
    "items": _items,
    "uniqueItems": _unique,
    "minimum": _number(lambda value, limit: value >= limit),
    "maximum": _number(lambda value, limit: value <= limit),
    "exclusiveMinimum": _number(lambda value, limit: value > limit),
    "exclusiveMaximum": _number(lambda value, limit: value < limit),
    "minLength": _length(str, lambda value, limit: value >= limit),
    "maxLength": _length(str, lambda value, limit: value <= limit),
    "minItems": _length(list, lambda value, limit: value >= limit),
    "maxItems": _length(list, lambda value, limit: value <= limit),
    "minProperties": _length(dict, lambda value, limit: value >= limit),
    "maxProperties": _length(dict, lambda value, limit: value <= limit),
    "pattern": _pattern,
    "propertyNames": _property_names,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "allOf": _all_of,
    "not": _not,
}
