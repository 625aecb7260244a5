"""A document against the schema of its kind alone, with every complaint in the words of its fields.

Most documents are right, and a quick test says so (accept.py). jsonschema explains what is wrong with the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..core.kind import Kinds
from ..core.model import Json
from ..core.problem import Problem
from . import accept, ecma, schema, words
from .codes import problem
from .reader import Document, Field

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_MODE = re.compile(r"0o?[0-7]{3,4}|[0-7]{3,4}")
RESERVED_HOSTS = frozenset(("all", "fleet", "and", "or", "in", "notin", "has"))


class Judges:
    """One compiled judge a kind, made when it is first needed."""

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds
        self._quick: dict[str, accept.Quick] = {}
        self._slow: dict[str, Any] = {}

    def accepts(self, kind: str, value: Json) -> bool:
        """True only for what is surely right by the schema of its kind."""
        if kind not in self._quick:
            self._quick[kind] = accept.compile_schema(schema.envelope(self.kinds, kind))
        return self._quick[kind].accepts(value)

    def errors(self, kind: str, value: Json) -> Iterator[Any]:
        """What jsonschema says against it; nothing when it is right after all."""
        if kind not in self._slow:
            self._slow[kind] = ecma.validator(schema.envelope(self.kinds, kind))
        yield from self._slow[kind].iter_errors(value)


def document(doc: Document, judges: Judges) -> list[Problem]:
    """All that is wrong with a document by its envelope and schema; empty when it may be resolved."""
    found = _envelope(doc, judges.kinds)
    if found:
        return found
    kind = doc.value["kind"]
    if not judges.accepts(kind, doc.value):
        found = [told for error in judges.errors(kind, doc.value) for told in _told(error, doc, kind, judges.kinds)]
    return found or list(_name(doc, kind))


def _envelope(doc: Document, kinds: Kinds) -> list[Problem]:
    value = doc.value
    if not isinstance(value, dict) or "apiVersion" not in value:
        return [problem("not-a-manifest", "this document is not one of trueup's: it has no apiVersion", path=doc.path, mark=doc.at(()),
                        hint=f"add `apiVersion: {schema.API_VERSION}`, move the file to files/ or templates/, or list it in ignorePaths")]  # fmt: skip
    if value["apiVersion"] != schema.API_VERSION:
        return [problem("not-a-manifest", f"apiVersion {words.value_words(value['apiVersion'])} is not {schema.API_VERSION}", path=doc.path,
                        mark=doc.at(["apiVersion"]), hint=f"write `apiVersion: {schema.API_VERSION}`, or move the file to files/ or templates/")]  # fmt: skip
    names = schema.all_kinds(kinds)
    if "kind" not in value:
        return [problem("missing-field", "the document has no `kind`", path=doc.path, mark=doc.at(()),
                        hint=f"add one of {words.listed(names, 30, 'or')}")]  # fmt: skip
    kind = value["kind"]
    if not isinstance(kind, str) or kind not in names:
        guess = words.near(kind, names) if isinstance(kind, str) else ""
        return [problem("unknown-kind", f"there is no kind {words.value_words(kind)}", path=doc.path, mark=doc.at(["kind"]),
                        label=f"did you mean `{guess}`?" if guess else "",
                        hint=f"use one of {words.listed(names, 30, 'or')}")]  # fmt: skip
    return []


def _name(doc: Document, kind: str) -> Iterator[Problem]:
    name = doc.value["metadata"]["name"]
    why, hint = "", "choose another name"
    if name != name.strip() or _CONTROL.search(name):
        why = "a name has no blanks at its ends and no control characters"
    elif kind == schema.HOST and not _HOST_NAME.fullmatch(name):
        why = f"{words.value_words(name)} can't be a host's name: letters, digits, `.`, `-` and `_` only"
        hint = "choose another name, and give the address in spec.address"
    elif kind == schema.HOST and name in RESERVED_HOSTS:
        why = f"`{name}` means something else in selectors"
    if why:
        yield problem("bad-name", why, path=doc.path, mark=doc.at(["metadata", "name"]), hint=hint)


def _told(error: Any, doc: Document, kind: str, kinds: Kinds) -> Iterator[Problem]:
    where: Field = tuple(error.absolute_path)
    match error.validator:
        case "additionalProperties":
            yield from _unknown(error, doc, kind, where)
        case "required":
            for name in error.validator_value:
                if name not in error.instance and f"'{name}' is a required" in error.message:
                    yield problem("missing-field", f"{_of(kind, where)} has no `{name}`", path=doc.path, mark=doc.key(where),
                                  label=_said(error.schema, name), hint=f"add `{name}`; its form: {_explain(kind, (*where, name))}")  # fmt: skip
        case "anyOf" | "oneOf":
            yield from _branches(error, doc, kind, kinds, where)
        case _:
            yield _value(error, doc, kind, where)


def _unknown(error: Any, doc: Document, kind: str, where: Field) -> Iterator[Problem]:
    known: Mapping[str, Json] = error.schema.get("properties", {})
    patterns = [ecma.compile_pattern(pattern) for pattern in error.schema.get("patternProperties", {})]
    if isinstance(error.schema.get("additionalProperties"), dict):
        yield _value(error, doc, kind, where)
        return
    for name in error.instance:
        if name in known or any(pattern.search(name) for pattern in patterns):
            continue
        guess = words.near(name, [other for other in known if other not in error.instance] or known)
        elsewhere = "" if guess else _elsewhere(name, where, doc.value["kind"], kind)
        rename = f"rename it to `{guess}`" if guess else "remove it"
        yield problem(
            "unknown-field", f"{_of(kind, where)} has no field `{_short(name)}`", path=doc.path, mark=doc.key([*where, name]),
            label=words.label(guess, known[guess]) if guess else elsewhere or f"its fields are {words.listed(sorted(known), 30)}",
            hint=f"{rename}. All fields of {kind}: trueup explain {kind}",
        )  # fmt: skip


def _elsewhere(name: str, where: Field, *_: str) -> str:
    """A field at the wrong level: kinds' fields go into spec, names and labels into metadata."""
    if not where and name in ("name", "labels", "annotations"):
        return f"`{name}` belongs into metadata"
    if not where and name in schema.COMMON:
        return f"`{name}` belongs into spec"
    return ""


def _branches(error: Any, doc: Document, kind: str, kinds: Kinds, where: Field) -> Iterator[Problem]:
    """anyOf and oneOf: say which fields go together, or follow the branch that got furthest."""
    branches = error.validator_value
    if all(
        set(branch) <= {"required", "not", "properties", "description"} and "required" in branch for branch in branches
    ):
        names = [name for branch in branches for name in branch["required"]]
        there = [name for name in names if isinstance(error.instance, dict) and name in error.instance]
        if len(there) > 1:
            yield problem("wrong-value", f"{_of(kind, where)} takes only one of {words.listed(names, last='and')}", path=doc.path,
                          mark=doc.key([*where, there[1]]), hint=f"keep one of {words.listed(there, last='and')}")  # fmt: skip
        else:
            yield problem("missing-field", f"{_of(kind, where)} needs one of {words.listed(names, last='or')}", path=doc.path,
                          mark=doc.key(where), hint=f"add one of them; their forms: {_explain(kind, where)}")  # fmt: skip
        return
    fitting = [branch for branch in branches if _type_fits(branch, error.instance)]
    deeper = (
        [sub for sub in error.context if branches[sub.relative_schema_path[0]] in fitting] if len(fitting) == 1 else []
    )
    if deeper:
        for sub in deeper:
            yield from _told(sub, doc, kind, kinds)
        return
    yield _value(error, doc, kind, where)


def _type_fits(branch: Mapping[str, Json], value: Json) -> bool:
    said = branch.get("type")
    return said is None or bool(ecma.validator({"type": said}).is_valid(value))


def _value(error: Any, doc: Document, kind: str, where: Field) -> Problem:
    said: Mapping[str, Json] = error.schema if isinstance(error.schema, dict) else {}
    field = str(where[-1]) if where else "the document"
    if where and isinstance(where[-1], int):
        field = (
            f"item {where[-1] + 1} of {next((part for part in reversed(where) if isinstance(part, str)), 'the list')}"
        )
    value = error.instance
    shown = words.value_words(value)
    limit = error.validator_value
    examples = [example for example in said.get("examples", ()) if isinstance(example, (str, int, float))][:2]
    such_as = f", such as {' or '.join(words.value_words(example) for example in examples)}" if examples else ""
    code, hint = "wrong-value", f"see {_explain(kind, where)}"
    match error.validator:
        case "type":
            if (
                where
                and where[-1] == "mode"
                and isinstance(value, int)
                and "string" in str(limit)
                and _looks_octal(said)
            ):
                octal = f"0{value}" if _MODE.fullmatch(str(value)) else f"0{value:o}"
                return problem("mode-unquoted", f"mode {value} is a number here, not a file mode", path=doc.path, mark=doc.at(where),
                               label=f'quote it: "{octal}"', hint=f'add the quotes: "{octal}"')  # fmt: skip
            code = "wrong-type"
            message = f"`{field}` is {words.type_words(limit)}, not {shown}"
            if limit == "array" and isinstance(value, str):
                hint = f"write it as a list: [{_short(value)}]"
            elif limit == "string" and value is not None and not isinstance(value, (list, dict)):
                hint = f'quote it: "{shown}"'
            elif value is None:
                hint = "write a value, or remove the field: a field left out is not managed"
            elif limit in ("integer", "number") and isinstance(value, str) and value.lstrip("-").isdigit():
                hint = f"write it without quotes: {value}"
            elif limit == "boolean" and value in ("yes", "no", "on", "off"):
                hint = f"write {'true' if value in ('yes', 'on') else 'false'}"
        case "enum" | "const":
            values = [limit] if error.validator == "const" else list(limit)
            guess = words.near(value, [v for v in values if isinstance(v, str)]) if isinstance(value, str) else ""
            choices = words.listed((str(v) for v in values), 30, "or")
            return problem(code, f"`{field}` is {choices}, not {shown}", path=doc.path, mark=doc.at(where),
                           label=f"did you mean `{guess}`?" if guess else "", hint=f"write {choices}")  # fmt: skip
        case "pattern" | "format":
            message = f"`{field}` can't be {shown}{such_as}"
            if said.get("description"):
                message = f"{shown} is not a right `{field}`{such_as}"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            bound = {
                "minimum": "at least",
                "exclusiveMinimum": "more than",
                "maximum": "at most",
                "exclusiveMaximum": "less than",
            }
            message = f"`{field}` is {bound[error.validator]} {limit}, not {shown}"
        case "minLength" | "maxLength":
            message = (
                f"`{field}` can't be empty"
                if not value
                else f"`{field}` has {'at most' if error.validator == 'maxLength' else 'at least'} {limit} characters"
            )
        case "minItems" | "maxItems":
            message = f"`{field}` has {'at most' if error.validator == 'maxItems' else 'at least'} {limit} item{'s' if limit != 1 else ''}"
        case "uniqueItems":
            message = f"`{field}` has the same item twice"
        case "dependentRequired":
            message = str(error.message).replace("'", "`").replace("is a dependency of", "has to be there with")
            code = "missing-field"
        case "anyOf" | "oneOf":
            message = f"{shown} is not a right `{field}`{such_as}"
            types = list(dict.fromkeys(branch["type"] for branch in limit if isinstance(branch.get("type"), str)))
            if len(types) == len(limit) and not any(_type_fits(branch, value) for branch in limit):
                code, message = "wrong-type", f"`{field}` is {words.type_words(types)}, not {shown}"
                if "string" in types and value is not None and not isinstance(value, (list, dict)):
                    hint = f'quote it: "{shown}"'
        case "not" | "if" | "then" | "else" | "dependentSchemas":
            message = str(said.get("x-why") or f"`{field}` has fields that don't go together")
        case _:
            message = f"{shown} is not a right `{field}`{such_as}"
    return problem(code, message, path=doc.path, mark=doc.at(where), hint=hint)


def _looks_octal(said: Mapping[str, Json]) -> bool:
    return any(isinstance(example, str) and _MODE.fullmatch(example) for example in said.get("examples", ()))


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "…"


def _said(said: Mapping[str, Json], name: str) -> str:
    what = words.first_sentence(str(said.get("properties", {}).get(name, {}).get("description", "")) or " ")
    return f"`{name}`: {what}" if what.strip() and len(what) <= 90 else ""


def _of(kind: str, where: Field) -> str:
    """`User`, `metadata of User`, `item 1 of waves`."""
    parts = [part for part in where if part != "spec"]
    if not parts:
        return kind
    if isinstance(parts[-1], int):
        return f"item {parts[-1] + 1} of `{next((p for p in reversed(parts) if isinstance(p, str)), kind)}`"
    return f"`{parts[-1]}` of {kind}"


def _explain(kind: str, where: Field) -> str:
    """The command that tells more: of the field, or of the kind for what lies outside its spec."""
    names = [str(part) for part in where[1:] if isinstance(part, str)] if where[:1] == ("spec",) else []
    return "trueup explain " + ".".join([kind, *names])
