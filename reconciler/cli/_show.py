"""What the commands that show something share: the options, and how an answer is printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any

import typer


class Format(str, Enum):
    text = "text"
    json = "json"


class Color(str, Enum):
    auto = "auto"
    always = "always"
    never = "never"


FormatOption = Annotated[Format, typer.Option(help="Text for people, or JSON for programs.")]
ColorOption = Annotated[Color, typer.Option(help="Colours; auto: on a terminal, unless NO_COLOR is set.")]
PagerOption = Annotated[
    bool, typer.Option("--no-pager", help="Never page; else TRUEUP_PAGER, PAGER or less, on a terminal only.")
]


def paged(text: str, no_pager: bool) -> None:
    """Print `text`, through a pager where that helps."""
    from ..tell import pager

    pager.show(text, wanted=not no_pager)


def manner(color: Color) -> Any:
    """How to write to standard output."""
    from ..tell import words

    return words.manner(sys.stdout, color.value)


def as_json(answer: Mapping[str, Any]) -> None:
    """One document, in ASCII: no terminal is confused by what a host said."""
    print(json.dumps(answer, indent=2, default=dict))


def key(text: str) -> tuple[str, str]:
    """`KIND/NAME` or `KIND` → both; a name may hold slashes."""
    from ..core.model import Ref

    ref = Ref.parse(text)
    return ref.kind, ref.name
