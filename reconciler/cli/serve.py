"""`trueup serve`."""

from __future__ import annotations

import os
import sys
from enum import Enum
from typing import Annotated

import typer

from . import exits


class LogFormat(str, Enum):
    human = "human"
    json = "json"


def serve(
    repo: Annotated[str, typer.Option(help="The fleet's repository: a folder here, or a URL that is followed.")] = "",
    branch: Annotated[str, typer.Option(help="The branch that the fleet is held to (main).")] = "",
    listen: Annotated[str, typer.Option(help="Address and port of the page (127.0.0.1:8080).")] = "",
    page: Annotated[bool, typer.Option("--page/--no-page", help="Serve the status page.")] = True,
    log_format: Annotated[LogFormat | None, typer.Option(help="Lines for people, or an object a line.")] = None,
    stop_limit: Annotated[float, typer.Option(help="Seconds that a trip under way gets when asked to stop.")] = 60.0,
) -> None:
    """Keep the fleet as the repository says, until Ctrl-C or SIGTERM. SIGHUP looks at all hosts now.

    A repository on this machine is watched, a push is seen at once; a URL is fetched every 30 s. What isn't given
    here comes from /etc/trueup/server.yaml and TRUEUP_* variables.

    Examples:

      trueup serve --repo /srv/fleet.git

      trueup serve --repo git@git.example.org:fleet.git --branch prod

      trueup serve --log-format json
    """
    from ..loop.serving import serve as run
    from ..settings import load

    # A path from the command line is from here; a daemon that is started elsewhere must not mean another one.
    given = {"TRUEUP_REPO": os.path.abspath(repo) if repo and os.path.exists(repo) else repo}
    given |= {
        "TRUEUP_BRANCH": branch,
        "TRUEUP_LISTEN": listen,
        "TRUEUP_LOG_FORMAT": log_format.value if log_format else "",
    }
    settings = load({**os.environ, **{name: value for name, value in given.items() if value}})
    run(
        settings,
        os.environ,
        tell=lambda line: print(line, flush=True),
        page=page,
        stop_limit=stop_limit,
    )
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that wait for a remote's answer, or a trip that was left, must not hold up the end.
    os._exit(exits.OK)
