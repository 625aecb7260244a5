"""The kinds that are there: each folder of kinds/ or of a system's kinds/ with a kind.py and a schema.yaml is one."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

from ..core.kind import Kind, Kinds
from ..core.model import Json, State
from ..core.order import read_sentences
from ..core.problem import Problem, Refused
from ..kinds import dotted, folders, orders
from . import reader, taking, words


def load_kinds() -> Kinds:
    """Read every kind's kind.py, schema.yaml and probe.py, and each order.txt.

    `Kinds.schemas[NAME]["spec"]` is the JSON Schema of the kind's own fields, `["state"]` the whole one of what its probe
    can report. Raises Refused when a schema or order.txt can't be read: that is a fault of the kind, not of a fleet.
    """
    kinds: dict[str, Kind] = {}
    schemas: dict[str, State] = {}
    probes: dict[str, str] = {}
    for folder in folders().values():
        kind: Kind = importlib.import_module(f"{dotted(folder)}.kind").KIND
        schema = read_schema(folder / "schema.yaml")
        schema["spec"] = taking.taking_secrets(schema["spec"])
        properties: Mapping[str, State] = schema["spec"].get("properties", {})
        kind.fields = tuple(name for name, said in properties.items() if said.get("x-state", True))
        kind.sealed = tuple(name for name, said in properties.items() if said.get("x-secret"))
        kind.forms = tuple(taking.forms(schema["spec"]))
        kind.moments = _moments(schema, kind)
        kinds[kind.name] = kind
        schemas[kind.name] = {**schema, "state": _state_schema(schema, kind)}
        probe = folder / "probe.py"
        probes[kind.name] = probe.read_text("utf-8") if probe.exists() else ""
    return Kinds(
        by_name=kinds,
        order=tuple(pair for path in orders() for pair in _order(path, kinds)),
        schemas=schemas,
        probes=probes,
    )


def folder_of(kind: str) -> Path:
    """The folder of a kind, whether it is there or not."""
    return folders().get(kind.lower()) or orders()[0].parent / kind.lower()


def read_schema(path: Path) -> dict[str, Json]:
    """A schema.yaml, read by the same strict reader as manifests. Raises Refused."""
    documents, problems = reader.load(path.read_bytes(), f"{path.parent.name}/{path.name}")
    if problems or len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise Refused(
            *problems or [Problem(code="kind-failed", message="a schema.yaml holds one mapping", path=str(path))]
        )
    schema: dict[str, Json] = documents[0].value
    if not isinstance(schema.get("spec"), dict):
        raise Refused(Problem(code="kind-failed", message="a schema.yaml needs `spec`, a JSON Schema", path=str(path)))
    return schema


_SEALED = {
    "type": "object",
    "properties": {"sealed": {"type": "string"}},
    "required": ["sealed"],
    "additionalProperties": False,
}


def _state_schema(schema: Mapping[str, Json], kind: Kind) -> dict[str, Json]:
    """The managed fields, none of them required, and what `state:` of schema.yaml adds or says differently."""
    spec: Mapping[str, State] = schema["spec"].get("properties", {})
    extra: Mapping[str, Json] = schema.get("state") or {}
    fields: dict[str, Json] = {}
    for name in kind.fields:
        sealed = {"anyOf": [spec[name], _SEALED]} if name in kind.sealed else None
        fields[name] = sealed or taking.sealed_within(spec[name], _SEALED)
    fields.update(extra.get("properties", {}))
    return {**extra, "type": "object", "properties": fields, "additionalProperties": False}


def _moments(schema: Mapping[str, Json], kind: Kind) -> tuple[str, ...]:
    """The fields of the state that are of the moment. Raises Refused for one that is compared: it would be so at each look."""
    extra: Mapping[str, Json] = (schema.get("state") or {}).get("properties", {})
    found = tuple(name for name, said in extra.items() if said.get("x-moment"))
    for name in found:
        if name in kind.fields:
            message = f"{kind.name}.{name} is compared with what Git says, so it can't be of the moment (x-moment)"
            raise Refused(Problem(code="kind-failed", message=message, path="schema.yaml"))
    return found


def _order(path: Path, kinds: Mapping[str, Kind]) -> tuple[tuple[str, str], ...]:
    """The sentences of order.txt. Raises Refused for one that can't be read or names no kind."""
    try:
        pairs = read_sentences(path.read_text("utf-8") if path.exists() else "")
    except ValueError as error:
        raise Refused(Problem(code="kind-failed", message=str(error), path=path.name)) from None
    for name in sorted({name for pair in pairs for name in pair}):
        if name not in kinds:
            raise Refused(
                Problem(code="kind-failed", message=f"order.txt names {name}, which is no kind", path=path.name)
            )
    return pairs


def known(kinds: Kinds, name: str) -> str:
    """`name`, if it is a kind that hosts have resources of. Raises Refused, with the nearest one."""
    if name in kinds:
        return name
    guess = words.near(name, kinds.by_name)
    hint = f"did you mean {guess}? " if guess else ""
    hint += f"the kinds are {', '.join(sorted(kinds.by_name))}"
    raise Refused(Problem(code="unknown-kind", message=f"there is no kind {name[:100]}", hint=hint))


def example(kind: str) -> str:
    """The kind's example.yaml, or that of an inventory document; empty when there is none."""
    for path in (folder_of(kind) / "example.yaml", Path(__file__).parent / "schemas" / f"{kind.lower()}.example.yaml"):
        if path.exists():
            return path.read_text("utf-8")
    return ""
