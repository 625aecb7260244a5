"""How help reads: each value is called by what it is, and no command's sentence is cut."""

from __future__ import annotations

from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup

from ._values import plainly

_WORDS = {
    "accept": "GUARD",
    "after": "PLACE",
    "base": "REV",
    "branch": "BRANCH",
    "commit": "REV",
    "for_": "SPAN",
    "hosts": "SELECTOR",
    "limit": "SECONDS",
    "listen": "ADDRESS:PORT",
    "observed": "FILE",
    "repo": "REPO",
    "resource": "KIND/NAME",
    "stop_limit": "SECONDS",
    "what": "KIND.FIELD",
    "where": "SELECTOR",
}
"""Parameter → the word for its value, where its own name isn't the best one."""


class Command(TyperCommand):
    """A command whose values have names: HOST, never the type that Python has for it."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for param in self.params:
            kind = getattr(param, "type_descriptor", None)
            if kind is None or kind.is_choice or getattr(param, "is_flag", False):
                continue
            word = _WORDS.get(param.name or "", (param.name or "").upper().replace("_", "-"))
            param.metavar = "NUMBER" if word == "SECONDS" and kind.annotation is int else word
            if isinstance(param, TyperArgument):
                setattr(param, "display_type", _nothing)  # noqa: B010 (the name says it already)

    def get_params(self, ctx: Any) -> list[Any]:
        return plainly(super().get_params(ctx))


def _nothing(ctx: Any) -> str:
    return ""


class Group(TyperGroup):
    """The list of commands, each with its whole first sentence."""

    def get_params(self, ctx: Any) -> list[Any]:
        return plainly(super().get_params(ctx))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                rows.append((name, command.get_short_help_str(limit=200)))
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)
