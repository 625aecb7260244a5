"""The schemas that editors read: one a kind, one that picks by `kind`, and a catalog that says which files they are for.

Draft-07, the newest that yaml-language-server knows whole (its README, "Features"); the kinds' own schemas keep to
what it shares with 2020-12. What our marks say (x-default, x-left-out) becomes part of the descriptions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..core.kind import Kinds
from ..core.model import Json
from . import schema

DRAFT = "http://json-schema.org/draft-07/schema#"
BASE = "https://trueup.dev/schemas/v1"
"""Where the schemas would be published; `trueup gen --base URL` writes another address."""


def schemas(kinds: Kinds, base: str = BASE) -> dict[str, str]:
    """File name → text, for every kind, `all.json` and `catalog.json`."""
    names = schema.all_kinds(kinds)
    wholes = {name: _for_editors(schema.envelope(kinds, name)) for name in names}
    made = {f"{name}.json": _file(f"{base}/{name}.json", f"trueup {name}", wholes[name]) for name in names}
    made["all.json"] = _file(f"{base}/all.json", "trueup manifest", _picking(wholes))
    made["catalog.json"] = _json(_catalog(names, base))
    return made


def _picking(wholes: Mapping[str, Json]) -> dict[str, Json]:
    """Any document, judged by the schema of its own kind alone."""
    return {
        "type": "object",
        "required": ["apiVersion", "kind", "metadata"],
        "properties": {
            "apiVersion": {"const": schema.API_VERSION, "description": "The version of the form of this document."},
            "kind": {
                "enum": list(wholes),
                "description": "What the document declares.",
            },
        },
        "allOf": [
            {"if": {"properties": {"kind": {"const": name}}, "required": ["kind"]}, "then": {"$ref": f"#/definitions/{name}"}}
            for name in wholes
        ],
        "definitions": dict(wholes),
    }  # fmt: skip


def _catalog(names: tuple[str, ...], base: str) -> dict[str, Json]:
    """As schemastore.org's: editors pick a schema by a file's name. A folder may be named after a kind."""
    entries: list[dict[str, Json]] = [
        {"name": "trueup fleet", "description": "trueup.yaml, the policy of a fleet", "fileMatch": ["trueup.yaml"],
         "url": f"{base}/{schema.FLEET}.json"},
        {"name": "trueup manifests", "description": "Manifests of every kind", "fileMatch": ["*.trueup.yaml", "**/manifests/**/*.yaml"],
         "url": f"{base}/all.json"},
    ]  # fmt: skip
    for name in names:
        if name != schema.FLEET:
            entries.append(
                {"name": f"trueup {name}", "description": f"Documents of kind {name}", "fileMatch": [f"*.{name.lower()}.yaml"],
                 "url": f"{base}/{name}.json"}
            )  # fmt: skip
    return {"$schema": "https://json.schemastore.org/schema-catalog.json", "version": 1, "schemas": entries}


def _for_editors(said: Json) -> Json:
    """A schema without our own marks, which become words."""
    if isinstance(said, list):
        return [_for_editors(item) for item in said]
    if not isinstance(said, Mapping):
        return said
    made: dict[str, Any] = {}
    for key, value in said.items():
        if key.startswith("x-"):
            continue
        if key in ("examples", "enum", "const", "required", "default"):
            made[key] = value
        elif key in ("properties", "patternProperties"):
            made[key] = {name: _for_editors(one) for name, one in value.items()}
        else:
            made[key] = _for_editors(value)
    words = [" ".join(str(said["description"]).split())] if isinstance(said.get("description"), str) else []
    for title, mark in (("Default", "x-default"), ("Left out", "x-left-out")):
        if isinstance(said.get(mark), str):
            words.append(f"{title}: {' '.join(said[mark].split()).rstrip('.')}.")
    if words:
        made["description"] = "\n\n".join(words)
    return made


def _file(address: str, title: str, said: Json) -> str:
    return _json({"$schema": DRAFT, "$id": address, "title": title, **said})


def _json(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
