"""What was typed becomes what a command takes. Typer asks Pydantic for that, which takes longer to load than most commands
take to run: so it is asked only where there is something to say about a value."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Any


def plainly(params: list[Any]) -> list[Any]:
    """`params`, which now take plain values without Typer: what was left out, a text, a word of a choice, a path that can be
    read. Whatever else is typed goes Typer's own way, with its own words where it is wrong."""
    for param in params:
        # Typer makes its own when a value is first asked for; a Typer that does otherwise isn't helped, and isn't hurt.
        if getattr(param, "_runtime_param", "") is None:
            param._runtime_param = _Plain(param)
    return params


class _Plain:
    """What Typer asks to coerce the values of one parameter."""

    def __init__(self, param: Any) -> None:
        self._kind = param.type_descriptor.annotation
        asked = param.type_descriptor.parameter_info
        more = (asked.parser, asked.writable, asked.resolve_path, asked.allow_dash, asked.path_type)
        self._plain = not any(more) and asked.file_okay and asked.dir_okay and asked.case_sensitive

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        if param.nargs == 1 and not param.multiple and isinstance(self._kind, type) and self._plain:
            if value is None or type(value) is self._kind:
                return value
            if issubclass(self._kind, Enum) and value in (one.value for one in self._kind):
                return self._kind(value)
            if self._kind is Path and isinstance(value, str) and os.access(value, os.R_OK):
                return Path(value)
        param._runtime_param = None
        return param.get_runtime_param().coerce(value, param=param, ctx=ctx)
