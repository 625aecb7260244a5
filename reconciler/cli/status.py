"""`trueup status`."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any

import typer

from . import _complete, exits
from ._show import Color, ColorOption, Format, FormatOption, as_json, manner


def status(
    host: Annotated[
        str, typer.Argument(help="One host; the whole fleet by default.", autocompletion=_complete.hosts)
    ] = "",
    all_: Annotated[bool, typer.Option("--all", help="Every host, Converged ones too.")] = False,
    where: Annotated[str, typer.Option(help="Only hosts that this selector picks.")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Show it again when it changes, until Ctrl-C.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Of one host: every resource, no caps.")] = False,
    format: FormatOption = Format.text,
    color: ColorOption = Color.auto,
) -> None:
    """Say how the fleet stands, worst first, or how one host does.

    Exits 0 when every host shown is Converged or Paused, 2 when one is not.

    Examples:

      trueup status

      trueup status web-119

      trueup status --where role=web --all

      trueup status --watch
    """
    from .. import door
    from ..settings import load

    settings = load()
    asked = {"host": host, "all": all_, "where": where}
    answer = door.ask(settings, "host" if host else "status", asked)
    if watch:
        _watch(lambda: door.ask(settings, "host" if host else "status", asked), answer, color, full)
    if format is Format.json:
        as_json(answer)
    else:
        print(_text(answer, color, all_, full), end="")
    raise SystemExit(_code(answer))


def _text(answer: dict[str, Any], color: Color, all_: bool, full: bool) -> str:
    from ..tell import status as tell

    if "resources" in answer:
        return tell.host(answer, manner(color), full=full)
    return tell.fleet(answer, manner(color), all_=all_)


def _code(answer: dict[str, Any]) -> int:
    calm = ("Converged", "Paused")
    if "resources" in answer:
        return exits.OK if answer["verdict"] in calm else exits.CHANGES
    return exits.OK if sum(answer["counts"][word] for word in calm) == answer["total"] else exits.CHANGES


EVERY = 1.0
"""Seconds between two looks of --watch."""


def _watch(ask: Any, answer: dict[str, Any], color: Color, full: bool) -> None:
    """On a terminal the screen is drawn anew; elsewhere a line is printed for each host that changed."""
    from ..core.problem import Refused

    terminal = sys.stdout.isatty()
    before: dict[str, str] = {}
    trouble = ""
    while True:
        if terminal:
            sys.stdout.write("\x1b[H\x1b[2J" + _text(answer, color, False, full))
            if trouble:
                sys.stdout.write(f"{trouble} This is how it was then. Trying again.\n")
            sys.stdout.flush()
        else:
            before = _changes(answer, before)
        time.sleep(EVERY)
        try:
            answer, trouble = ask(), ""
        except Refused as refused:
            trouble = f"Not live: {refused}."


def _changes(answer: dict[str, Any], before: dict[str, str]) -> dict[str, str]:
    from ..tell.clean import clean

    rows = answer.get("hosts", [answer])
    now = {row["host"]: f"{row['verdict']}: {row['why']}" for row in rows}
    for host, words in now.items():
        if before.get(host) != words:
            print(f"{answer['now']} {clean(host)} {clean(words)}", flush=True)
    for host in before.keys() - now.keys():
        print(f"{answer['now']} {clean(host)} Converged", flush=True)
    return now
