"""The manual's pages that are made from the kinds: each kind's README, the fields of all kinds, the problem codes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from ..core.kind import Code, Kinds
from . import explain, schema
from .explain import FieldFacts
from .kinds import example

HEAD = "<!-- Made by `make gen` from {made_from}: edit that. -->\n\n"


def kind_page(kinds: Kinds, name: str) -> str:
    """A kind on one page: what it is, an example, every field, what becomes of it, its problems."""
    facts = explain.kind(kinds, name)
    inventory = facts.on == "inventory"
    made_from = f"manifests/schemas/{name.lower()}.yaml" if inventory else "schema.yaml, example.yaml and kind.py"
    parts = [HEAD.format(made_from=made_from), f"# {name}\n\n{facts.description}\n\n"]
    shown = example(name)
    if shown:
        parts.append(f"```yaml\n{shown.rstrip()}\n```\n\n")
    own = [field for field in facts.fields if not field.common]
    parts += ["## Fields\n\n", *(_field(field) for field in own)]
    if not inventory:
        parts.append(
            f"Every kind also has {_names(schema.COMMON)}: `trueup explain {name}.hosts` and so on tell them.\n\n"
        )
        removal = schema.on_remove(kinds, name)
        said = " ".join(str(removal.get("description", "")).split())
        parts.append(
            f"## When it leaves Git\n\n`onRemove` is {_names(removal['values'], 'or')}, `{removal['default']}` by default. {said}".rstrip()
            + "\n\n"
        )
        if kinds[name].codes:
            parts.append("## Problems\n\n" + codes(kinds[name].codes, level=3))
    return "".join(parts).rstrip() + "\n"


def fields_page(kinds: Kinds) -> str:
    """The fields that every kind has."""
    some = next(iter(sorted(kinds.by_name)))
    common = [field for field in explain.kind(kinds, some).fields if field.common]
    head = HEAD.format(made_from="reconciler/manifests/schemas/common.yaml")
    text = "".join(_field(field) for field in common if field.name != "onRemove")
    removal = "### `onRemove`\n\nWhat becomes of the resource on the hosts when its manifest leaves Git. Each kind has its own words:\n\n"
    rows = [
        f"- {name}: {_names(said['values'], 'or')}, `{said['default']}` by default\n"
        for name in sorted(kinds.by_name)
        for said in (schema.on_remove(kinds, name),)
    ]
    return f"{head}# Fields of every kind\n\nAll of them stand in `spec`, beside the kind's own.\n\n## Fields\n\n{text}{removal}{''.join(rows)}"


def codes(table: Mapping[str, Code], level: int = 2) -> str:
    """Problem codes with severity, meaning and cure, in alphabetical order."""
    return "".join(
        f"{'#' * level} `{code}`\n\n{said.severity}. {said.meaning}\n\nCure: {said.cure}\n\n"
        for code, said in sorted(table.items())
    )


def kinds_page(kinds: Kinds) -> str:
    """The list of all kinds and of the inventory, each with its first sentence and its page."""
    head = HEAD.format(made_from="the kinds' schemas")
    rows = [
        f"- [{name}](kinds/{name.lower()}.md): {schema.description(kinds, name).split('. ')[0].rstrip('.')}\n".replace(
            "\n", " "
        ).rstrip()
        + "\n"
        for name in schema.all_kinds(kinds)
    ]
    return f"{head}# Kinds\n\n{''.join(rows)}\nFields that all kinds have: [fields.md](fields.md).\n"


def _field(field: FieldFacts) -> str:
    rows = [f"### `{field.name}`\n", field.description + ("" if field.description.endswith((".", ")")) else ".")]
    told = [f"Type: {field.type}" + (", required" if field.required else "")]
    if field.limits:
        told.append(f"Must be: `{field.limits}`" if "matches" in field.limits else f"Must be: {field.limits}")
    if field.default:
        told.append(f"Default: {field.default.rstrip('.')}")
    if field.left_out:
        told.append(f"Left out: {field.left_out.rstrip('.')}")
    if field.secret:
        told.append("Secret: its value never reaches a plan, a log or a page")
    for shown in field.examples:
        told.append(f"Example: `{field.path[-1]}: {json.dumps(shown, ensure_ascii=False)}`")
    rows.append("\n" + "\n".join(f"- {line}" for line in told) + "\n")
    return "\n".join(rows) + "\n"


def _names(names: Iterable[str], last: str = "and") -> str:
    shown = [f"`{name}`" for name in names]
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + f" {last} {shown[-1]}"
