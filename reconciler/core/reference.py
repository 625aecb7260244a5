"""A secret as a spec says it before it is sealed: where the value comes from, never the value.

    {"secret": NAME}     a name, whose value the controller's settings or secrets/ of the repository give
    {"vault": TEXT}      encrypted by Ansible Vault, as `!vault` in YAML
    {"age": TEXT}        encrypted with age, armored
    {"join": [part, …]}  a text with references in it, made by a template; a manifest can't say it

After sealing each is `{"sealed": HMAC}`, or `{"sealed": ""}` where the value is not at hand: then it is not compared.
Within an op, `{"join": [part, …]}` has sealed parts.
"""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .model import Json

WORDS = frozenset(("secret", "vault", "age", "join"))
SEALED = "sealed"
ARMOR = "-----BEGIN AGE ENCRYPTED FILE-----"
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
"""What a secret may be called: it is also the name of a file below secrets/."""


def is_reference(value: Json) -> bool:
    """Whether `value` stands for a secret that is still to be had."""
    return isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in WORDS


def is_secret(value: Json) -> bool:
    """Whether `value` is a reference, or what became of one."""
    return isinstance(value, Mapping) and (SEALED in value or is_reference(value))


def encrypted(data: bytes) -> Mapping[str, Any] | None:
    """The reference for a file that Ansible Vault or age encrypted as a whole; None for any other."""
    if data.startswith(b"$ANSIBLE_VAULT;"):
        return {"vault": data.decode("utf-8", "replace")}
    if data.startswith(ARMOR.encode()):
        return {"age": data.decode("utf-8", "replace")}
    if data.startswith(b"age-encryption.org/v1\n"):
        body = "\n".join(textwrap.wrap(base64.b64encode(data).decode("ascii"), 64))
        return {"age": f"{ARMOR}\n{body}\n{ARMOR.replace('BEGIN', 'END')}\n"}
    return None


def references(
    value: Json, at: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Mapping[str, Any]]]:
    """Every reference within `value`, with the way that leads to it; a `join` counts as one."""
    if isinstance(value, Mapping):
        if is_reference(value):
            yield at, value
            return
        for name, inner in value.items():
            if isinstance(inner, (Mapping, list, tuple)):
                yield from references(inner, (*at, name))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            if isinstance(inner, (Mapping, list, tuple)):
                yield from references(inner, (*at, index))


def replaced(
    value: Json, seal: Callable[[tuple[str | int, ...], Mapping[str, Any]], Json], at: tuple[str | int, ...] = ()
) -> Json:
    """`value` with every reference in it replaced by what `seal(way, reference)` gives."""
    if isinstance(value, Mapping):
        if is_reference(value):
            return seal(at, value)
        return {name: replaced(inner, seal, (*at, name)) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [replaced(inner, seal, (*at, index)) for index, inner in enumerate(value)]
    return value


def unchecked(want: Json) -> bool:
    """Whether `want` is a secret whose value is not at hand, so that nobody can say that a state differs."""
    return isinstance(want, Mapping) and want.get(SEALED) == ""
