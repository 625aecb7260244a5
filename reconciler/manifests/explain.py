"""A kind or one of its fields, as data for people: the same facts for `trueup explain`, the READMEs and the manual."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..core.kind import Kinds
from ..core.model import Json, State
from . import schema, words


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldFacts:
    """What there is to say of one field."""

    path: tuple[str, ...]
    """Within the spec; an item of a list counts as its list."""
    type: str
    description: str
    required: bool
    default: str
    left_out: str
    examples: tuple[Json, ...]
    limits: str
    """What else a value must be, empty when the type says all."""
    common: bool
    """Whether every kind has it."""
    secret: bool
    takes_secret: bool = False
    """Whether `{secret: NAME}` may stand there, or within it."""

    @property
    def name(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True, kw_only=True, slots=True)
class KindFacts:
    name: str
    description: str
    on: str
    """`hosts`, `fleet` or `inventory`."""
    fields: tuple[FieldFacts, ...]
    """All fields, those within others after them: first the kind's own, then the common ones."""


class NoSuch(LookupError):
    """There is no such kind or field: `known` names those that there are."""

    def __init__(self, what: str, known: tuple[str, ...], guess: str) -> None:
        super().__init__(what)
        self.what = what
        self.known = known
        self.guess = guess
        self.code = "unknown-kind" if what.startswith("there is no kind") else "unknown-field"


def kind(kinds: Kinds, name: str) -> KindFacts:
    """Raises NoSuch. Capitals don't matter: `cronjob` is what people type."""
    names = schema.all_kinds(kinds)
    real = next((known for known in names if known.lower() == name.lower()), "")
    if not real:
        raise NoSuch(f"there is no kind `{name}`", names, words.near(name, names))
    spec = schema.spec_schema(kinds, real)
    found = tuple(_fields(spec, (), real in schema.INVENTORY))
    return KindFacts(
        name=real,
        description=" ".join(schema.description(kinds, real).split()),
        on="inventory" if real in schema.INVENTORY else kinds[real].on,
        fields=tuple(sorted(found, key=lambda facts: facts.common)),
    )


def field(kinds: Kinds, name: str, path: tuple[str, ...]) -> tuple[KindFacts, tuple[FieldFacts, ...]]:
    """The field at `path` and those within it. A leading `spec` may be given or left out. Raises NoSuch."""
    facts = kind(kinds, name)
    path = path[1:] if path[:1] == ("spec",) else path
    found = tuple(one for one in facts.fields if one.path[: len(path)] == path)
    if not found:
        known = [one for one in facts.fields if len(one.path) == len(path) and one.path[:-1] == path[:-1]]
        names = tuple(one.path[-1] for one in known or facts.fields if len(one.path) == (len(path) if known else 1))
        raise NoSuch(f"{facts.name} has no field `{'.'.join(path)}`", names, words.near(path[-1], names))
    return facts, found


def _fields(said: Mapping[str, Json], above: tuple[str, ...], inventory: bool) -> Iterator[FieldFacts]:
    required = said.get("required", ())
    for name, one in said.get("properties", {}).items():
        path = (*above, name)
        yield FieldFacts(
            path=path,
            type=type_of(one),
            description=_line(one.get("description", "")),
            required=name in required,
            default=_line(one.get("x-default", "")),
            left_out=_line(one.get("x-left-out", "")),
            examples=tuple(one.get("examples", ())),
            limits=_limits(one),
            common=not inventory and path[0] in schema.COMMON,
            secret=bool(one.get("x-secret")),
            takes_secret=takes_secret(one),
        )
        for inner in (one, one.get("items"), *one.get("oneOf", ()), *one.get("anyOf", ())):
            if isinstance(inner, dict) and "x-reference" not in inner:
                yield from _fields(inner, path, inventory)


def takes_secret(said: State) -> bool:
    """Whether a reference to a secret may stand in a value, or be one of its values by name."""
    inner = said.get("additionalProperties")
    return "x-takes-secret" in said or (isinstance(inner, dict) and takes_secret(inner))


def type_of(said: State) -> str:
    """A field's type in words: `text`, `list of texts`, `enforce or observe`."""
    if "enum" in said:
        return " or ".join(f"`{value}`" for value in said["enum"])
    if "const" in said:
        return f"`{said['const']}`"
    for word in ("anyOf", "oneOf"):
        if word in said:
            kinds = [
                "`{secret: NAME}`" if "x-reference" in branch else type_of(branch)
                for branch in said[word]
                if "type" in branch or "enum" in branch or "const" in branch
            ]
            return " or ".join(dict.fromkeys(kinds)) or "any value"
    types = said.get("type", "")
    names = [types] if isinstance(types, str) else list(types)
    told = []
    for name in names:
        if name == "array":
            inner = said.get("items")
            of = type_of(inner) if isinstance(inner, dict) else "value"
            told.append("list of " + {"text": "texts", "mapping": "mappings"}.get(of, of))
        else:
            told.append(words.type_words(name).removeprefix("a ") if name in ("object",) else words.type_words(name))
    return " or ".join(told) if names != [""] else "any value"


def _limits(said: State) -> str:
    parts = []
    low, high = said.get("minimum", said.get("exclusiveMinimum")), said.get("maximum", said.get("exclusiveMaximum"))
    if low is not None and high is not None:
        parts.append(f"{low} to {high}")
    elif low is not None:
        parts.append(f"at least {low}")
    elif high is not None:
        parts.append(f"at most {high}")
    if said.get("minItems"):
        parts.append(f"at least {words_count(said['minItems'])}")
    if said.get("uniqueItems"):
        parts.append("none twice")
    if "pattern" in said:
        parts.append(f"matches {said['pattern']}")
    return ", ".join(parts)


def words_count(number: int) -> str:
    return "one item" if number == 1 else f"{number} items"


def _line(text: object) -> str:
    return " ".join(str(text).split())
