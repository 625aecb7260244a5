"""`trueup hook`: called by Git in a bare repository, never by hand (repo/hooks/bare.py lays the scripts)."""

from __future__ import annotations

import os
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from . import exits


class Name(str, Enum):
    pre_receive = "pre-receive"
    post_receive = "post-receive"


def hook(name: Annotated[Name, typer.Argument(help="Which of Git's hooks this is.")]) -> None:
    """What the hooks of a bare repository run. Git gives the pushed refs on standard input.

    Examples:

      trueup init --bare /srv/fleet.git

      git push -o plan
    """
    from ..acts.pushing import hook as run

    # Whatever the pusher's locale is: a character that it lacks must not end the check.
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    may_land = run(name.value, os.environ, sys.stdin, Path.cwd(), lambda line: print(line, flush=True))
    raise SystemExit(exits.OK if may_land else exits.ERROR)
