"""The nouns of model as plain JSON and back, driven by their own types: what crosses the daemon's socket.

Not a document for people or other programs (those carry `format`): both ends are the same version of trueup.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from . import model
from .model import Json


def encode(value: Any) -> Json:
    """Plain JSON of a noun, or of tuples and mappings of nouns. Key-keyed mappings become lists of pairs."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        coded = {item.name: encode(getattr(value, item.name)) for item in dataclasses.fields(value) if item.init}
        return {"@": type(value).__name__, **coded} if type(value).__name__ in _TAGGED else coded
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        if any(not isinstance(key, str) for key in value):
            return [[encode(key), encode(item)] for key, item in value.items()]
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, (frozenset, set)):
        return sorted(encode(item) for item in value)
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    return value


_TAGGED = {"Present", "Absent", "Unknown"}


def decode(kind: Any, value: Json) -> Any:
    """A `kind` (a class of model, or a type made of them) from its JSON. Raises ValueError on anything else."""
    try:
        return _decode(kind, value)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a {getattr(kind, '__name__', kind)}: {error}") from None
    except RecursionError:
        raise ValueError(f"not a {getattr(kind, '__name__', kind)}: nested too deeply") from None


@cache
def _hints(name: str) -> dict[str, Any]:
    return get_type_hints(getattr(model, name))


def _decode(kind: Any, value: Json) -> Any:
    if kind is Any:
        return value
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _decode_union(get_args(kind), value)
    if origin is not None and issubclass(origin, tuple):
        inner = get_args(kind)
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(_decode(inner[0], item) for item in value)
        return tuple(_decode(part, item) for part, item in zip(inner, value, strict=True))
    if origin is not None and issubclass(origin, frozenset):
        return frozenset(_decode(get_args(kind)[0], item) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        to_key, to_item = get_args(kind)
        pairs = value if isinstance(value, list) else value.items()
        return {_decode(to_key, key): _decode(to_item, item) for key, item in pairs}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = _hints(kind.__name__)
        names = {item.name for item in dataclasses.fields(kind) if item.init}
        return kind(**{name: _decode(hints[name], item) for name, item in value.items() if name in names})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, found {type(value).__name__}")
    return value


def _decode_union(options: tuple[Any, ...], value: Json) -> Any:
    if value is None and type(None) in options:
        return None
    tag = value.get("@") if isinstance(value, dict) else None
    for option in options:
        if option is type(None) or (tag is not None and option.__name__ != tag):
            continue
        return _decode(option, value)
    raise TypeError(f"nothing of {options} fits")
