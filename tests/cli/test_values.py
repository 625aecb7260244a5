"""Plain values are taken without Pydantic, and mean the same as with it."""

from __future__ import annotations

import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import typer

from reconciler.cli._help import Command


class Fruit(str, Enum):
    apple = "apple"
    pear = "pear"


def taken(words: list[str], cls: type[Any]) -> object:
    """What a command of the class `cls` is called with, or how it refuses."""
    app = typer.Typer()
    seen: list[object] = []

    @app.command(cls=cls)
    def command(
        where: Path | None = None,
        into: Path = typer.Option(Path("x"), dir_okay=False),  # noqa: B008 (typer's own way)
        text: str = "one",
        fruit: Fruit = Fruit.apple,
        many: list[str] = typer.Option([]),  # noqa: B008
        number: int = 3,
    ) -> None:
        seen.extend([where, into, text, fruit, many, number])

    try:
        typer.main.get_command(app).main(words, standalone_mode=False)
    except typer.BadParameter as error:
        return error.message
    return [(type(value), value) for value in seen]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--where", "/"],
        ["--where", "/no/such"],
        ["--into", "/"],
        ["--into", "/etc/hostname", "--text", ""],
        ["--text", "apple", "--fruit", "pear"],
        ["--fruit", "Pear"],
        ["--fruit", "plum"],
        ["--many", "a", "--many", "b"],
        ["--number", "4"],
        ["--number", "four"],
    ],
    ids=" ".join,
)
def test_a_value_means_what_typer_makes_of_it(words: list[str]) -> None:
    assert taken(words, Command) == taken(words, typer.core.TyperCommand)


def test_a_plan_loads_no_more_than_it_needs(tmp_path: Path) -> None:
    script = (
        "import sys; from reconciler.cli import main\n"
        f"try: main(['plan', {str(tmp_path)!r}, '--rev', '', '--format', 'json'])\n"
        "finally: print([name for name in ('pydantic', 'jsonschema', 'jinja2', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done
