"""The whole JSON Schema of each document: a kind's own fields, the common ones, and the envelope.

`spec_schema` is what a spec is validated against; `document_schema` adds the envelope and the words for editors.
Inventory (Fleet, Host, Vars) has its schemas here, beside `common.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from ..core.kind import Kinds
from ..core.model import Json
from .kinds import read_schema

API_VERSION = "trueup.dev/v1"
OWN_ACCESS = "trueup.dev/own-access"
FLEET, HOST, VARS = "Fleet", "Host", "Vars"
INVENTORY = (FLEET, HOST, VARS)
COMMON = ("hosts", "ignore", "onDrift", "dependsOn", "onChange", "onRemove")
NAME_MAX = 253
_FOLDER = Path(__file__).parent / "schemas"


@cache
def _read(name: str) -> dict[str, Json]:
    return read_schema(_FOLDER / f"{name}.yaml")


def description(kinds: Kinds, kind: str) -> str:
    """What the kind is, one paragraph."""
    said = _read(kind.lower()) if kind in INVENTORY else kinds.schemas[kind]
    return str(said.get("description", "")).strip()


def on_remove(kinds: Kinds, kind: str) -> Mapping[str, Json]:
    """`{values, default}` of a kind's onRemove."""
    said: Mapping[str, Json] = kinds.schemas[kind].get("onRemove") or {}
    default = kinds[kind].default_on_remove
    return {"values": said.get("values", [default]), "default": said.get("default", default), **said}


def spec_schema(kinds: Kinds, kind: str) -> dict[str, Json]:
    """The schema of `spec`, in the order that editors offer the fields: hosts, the kind's own, the common ones."""
    if kind in INVENTORY:
        spec: dict[str, Json] = _read(kind.lower())["spec"]
        return spec
    own: dict[str, Json] = kinds.schemas[kind]["spec"]
    common: dict[str, Json] = _read("common")["spec"]
    removal = on_remove(kinds, kind)
    shared = dict(common["properties"])
    shared["onRemove"] = {
        **shared["onRemove"],
        "enum": list(removal["values"]),
        "x-default": f"{removal['default']} for what trueup created",
        "examples": [removal["default"]],
        **({"description": removal["description"]} if "description" in removal else {}),
    }
    return {
        **own,
        "type": "object",
        "properties": {"hosts": shared.pop("hosts"), **own.get("properties", {}), **shared},
        "required": [*common["required"], *own.get("required", [])],
        "additionalProperties": False,
    }


def metadata_schema(kind: str) -> dict[str, Json]:
    text = {"type": "object", "additionalProperties": {"type": "string"}}
    properties: dict[str, Json] = {
        "name": {
            "type": "string",
            "minLength": 1,
            "maxLength": NAME_MAX,
            "description": "The name of the resource, one of its kind on a host."
            if kind not in INVENTORY
            else "The name, one of its kind in the fleet.",
        },
        "labels": {**text, "description": "Words about it, by name. A Host's labels are what selectors match."},
        "annotations": {
            **text,
            "description": "Notes for people and tools; "
            f"`{OWN_ACCESS}` holds the reason why a manifest may touch trueup's own way in.",
        },
    }
    if kind == HOST:
        properties["previousName"] = {
            "type": "string",
            "description": "The name that the machine had before; its resources and history are carried over.",
        }
    return {
        "type": "object",
        "properties": properties,
        "required": ["name"],
        "additionalProperties": False,
        "description": "The name, and words about it.",
    }


def envelope(kinds: Kinds, kind: str) -> dict[str, Json]:
    """The schema of a whole document of `kind`, without $schema and title."""
    required = ["apiVersion", "kind", "metadata"]
    spec = spec_schema(kinds, kind)
    if spec.get("required"):
        required.append("spec")
    return {
        "type": "object",
        "description": description(kinds, kind),
        "properties": {
            "apiVersion": {"const": API_VERSION, "description": "The version of the form of this document."},
            "kind": {"const": kind, "description": description(kinds, kind)},
            "metadata": metadata_schema(kind),
            "spec": {**spec, "description": f"What it should be. trueup explain {kind} tells every field."},
        },
        "required": required,
        "additionalProperties": False,
    }


def all_kinds(kinds: Kinds) -> tuple[str, ...]:
    """Inventory, then kinds, each sorted."""
    return (*INVENTORY, *sorted(kinds.by_name))
