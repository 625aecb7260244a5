"""How `trueup explain` reads: a kind with its fields, or one field with all that is known of it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from ..core.model import Json

WIDTH = 100


class FieldFacts(Protocol):
    """What manifests/explain.py knows of a field."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> tuple[str, ...]: ...
    @property
    def type(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def required(self) -> bool: ...
    @property
    def default(self) -> str: ...
    @property
    def left_out(self) -> str: ...
    @property
    def examples(self) -> tuple[Json, ...]: ...
    @property
    def limits(self) -> str: ...
    @property
    def common(self) -> bool: ...
    @property
    def secret(self) -> bool: ...


def kind(name: str, description: str, fields: Sequence[FieldFacts], example: str, width: int = WIDTH) -> str:
    """A kind: what it is, its fields with their types and first sentences, an example."""
    lines = [name, "", *textwrap.wrap(description, width), ""]
    own = [field for field in fields if not field.common and len(field.path) == 1]
    common = [field for field in fields if field.common and len(field.path) == 1]
    for title, group in (("FIELDS", own), ("FIELDS OF EVERY KIND", common)):
        if group:
            lines += [title, *_table(group, width), ""]
    if example:
        lines += ["EXAMPLE", *textwrap.indent(example.rstrip(), "  ").splitlines(), ""]
    lines.append(f"One field in full: trueup explain {name}.{(own or common)[0].name}" if fields else "")
    return "\n".join(lines).rstrip() + "\n"


def _table(fields: Iterable[FieldFacts], width: int) -> Iterator[str]:
    rows = [(field.name, _type(field), _first(field.description)) for field in fields]
    name_width = max(len(name) for name, _, _ in rows)
    indent = " " * (name_width + 4)
    for name, type_words, said in rows:
        yield f"  {name:<{name_width}}  {type_words}"
        yield from textwrap.wrap(said, width, initial_indent=indent, subsequent_indent=indent)


def _type(field: FieldFacts) -> str:
    return field.type.replace("`", "") + (", required" if field.required else "")


def _first(text: str) -> str:
    return text.split(". ")[0].rstrip(".")


def field(kind_name: str, fields: Sequence[FieldFacts], width: int = WIDTH) -> str:
    """One field in full, and the names of those within it."""
    facts, *inner = fields
    lines = [f"{kind_name}.{facts.name}", "", *textwrap.wrap(facts.description, width), ""]
    lines.append(f"  type      {_type(facts)}")
    for title, value in (("must be", facts.limits), ("default", facts.default), ("left out", facts.left_out)):
        if value:
            lines += textwrap.wrap(value, width, initial_indent=f"  {title:<8}  ", subsequent_indent=" " * 12)
    if facts.secret:
        lines.append("  secret    its value never reaches a plan, a log or a page")
    for index, example in enumerate(facts.examples):
        shown = json.dumps(example, ensure_ascii=False)
        lines.append(f"  {'example' if not index else '':<8}  {facts.path[-1]}: {shown}")
    if inner:
        lines += ["", "FIELDS WITHIN", *_table(inner, width)]
    return "\n".join(lines).rstrip() + "\n"
