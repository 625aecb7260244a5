"""`trueup check`: is the repository right?"""

from __future__ import annotations

import sys
import time
from enum import Enum
from typing import Annotated

import typer

from . import _complete, exits


class Format(str, Enum):
    text = "text"
    json = "json"
    github = "github"


def check(
    repo: Annotated[str, typer.Argument(help="A folder, a checkout or a bare repository.")] = ".",
    rev: Annotated[
        str,
        typer.Option(help="A revision, in place of the folder as it lies there.", autocompletion=_complete.revisions),
    ] = "",
    format: Annotated[
        Format, typer.Option(help="text for people, json for programs, github for annotations.")
    ] = Format.text,
) -> int:
    """Find everything that is wrong with the manifests of a repository.

    All problems are told in one go, each as path:line:column. Exits 1 with any error, warnings alone exit 0.

    Examples:

      trueup check

      trueup check fleet.git --rev main

      trueup check --format github
    """
    from .. import manifests
    from ..acts.outside import outside_here
    from ..core.problem import Problem, Refused
    from ..repo import best_files
    from ..tell import problems as tell

    started = time.monotonic()
    files = None
    reading = None
    try:
        files = best_files(repo, rev)
        reading = manifests.read(files, manifests.load_kinds(), outside=outside_here())
        problems: tuple[Problem, ...] = reading.problems
    except Refused as refused:
        problems = refused.problems
    seconds = time.monotonic() - started
    if format is Format.json:
        print(tell.as_json(problems), end="")
    elif format is Format.github:
        print(tell.github(problems, files), end="")
    else:
        print(tell.text(problems, files), end="")
    if format is not Format.json and reading is not None:
        print(tell.summary(problems, reading.files, seconds))
    sys.stdout.flush()
    return exits.ERROR if any(problem.severity == "error" for problem in problems) else exits.OK
