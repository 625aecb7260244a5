"""Regular expressions of JSON Schemas, which are those of ECMA-262 (JSON Schema 2020-12, section 6.4), for Python.

There `$` is the end of the text. In Python it is that, or the place before a last line break: `^[a-z]+$` would let
"root\\n" pass, which ends a line of a file that we write. Editors and other validators read the schemas as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from ..core.model import Json


@cache
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """`pattern` as ECMA-262 means it."""
    made, in_class, escaped = [], False, False
    for sign in pattern:
        made.append(r"\Z" if sign == "$" and not in_class and not escaped else sign)
        if escaped:
            escaped = False
        elif sign == "\\":
            escaped = True
        elif sign == "[":
            in_class = True
        elif sign == "]":
            in_class = False
    return re.compile("".join(made))


def validator(schema: Mapping[str, Json]) -> Any:
    """jsonschema's validator for draft 2020-12, imported when it is needed, with ECMA's patterns."""
    return _class()(schema)


@cache
def _class() -> Any:
    from jsonschema import Draft202012Validator, ValidationError, validators

    def pattern(judge: Any, limit: str, value: Json, schema: Json) -> Iterator[Any]:
        if isinstance(value, str) and not compile_pattern(limit).search(value):
            yield ValidationError(f"{value!r} does not match {limit!r}")

    extend: Any = validators.extend  # it has no types of its own
    return extend(Draft202012Validator, {"pattern": pattern})
