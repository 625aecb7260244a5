"""`trueup explain`: what a kind or a field means."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from enum import Enum
from typing import Annotated

import typer

from . import _complete, exits


class Format(str, Enum):
    text = "text"
    json = "json"


def explain(
    what: Annotated[
        str,
        typer.Argument(
            help="KIND, or KIND.FIELD; also Fleet, Host, Vars. Left out: all of them.",
            autocompletion=_complete.kinds,
        ),
    ] = "",
    format: Annotated[Format, typer.Option(help="text for people, json for programs.")] = Format.text,
) -> int:
    """Tell what a kind or one of its fields means: type, default, effect of leaving it out, example.

    Examples:

      trueup explain User

      trueup explain User.shell

      trueup explain Fleet.guards.deletesPerKind
    """
    from ..manifests import explain as facts
    from ..manifests import load_kinds, schema
    from ..manifests.kinds import example
    from ..tell import explain as tell

    kinds = load_kinds()
    if not what:
        names = schema.all_kinds(kinds)
        if format is Format.json:
            print(json.dumps({"format": 1, "kinds": list(names)}, indent=2))
        else:
            width = max(map(len, names))
            for name in names:
                print(
                    f"{name:<{width}}  {schema.description(kinds, name).split('. ')[0].rstrip('.')}".replace("\n", " ")
                )
        return exits.OK
    name, *path = what.split(".")
    try:
        kind, fields = facts.field(kinds, name, tuple(path))
    except facts.NoSuch as no:
        print(f"error[{no.code}]: {no.what}" + (f"; did you mean `{no.guess}`?" if no.guess else ""), file=sys.stderr)
        print(f"  next: use one of {', '.join(no.known)}", file=sys.stderr)
        return exits.ERROR
    if format is Format.json:
        print(json.dumps({"format": 1, "kind": kind.name, "description": kind.description,
                          "fields": [{**asdict(field), "name": field.name} for field in fields]}, indent=2, ensure_ascii=False))  # fmt: skip
    elif path:
        print(tell.field(kind.name, fields), end="")
    else:
        print(tell.kind(kind.name, kind.description, fields, example(kind.name)), end="")
    return exits.OK
