"""`trueup host-keys`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import _complete, exits


def host_keys(
    host: Annotated[
        str,
        typer.Argument(help="A Host's name, or an address that no manifest has yet.", autocompletion=_complete.hosts),
    ],
    repo: Annotated[Path | None, typer.Argument(help="The fleet's repository or folder; this one by default.")] = None,
    port: Annotated[int, typer.Option("--port", help="Where sshd listens, for an address.")] = 22,
    format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
) -> int:
    """Print the host keys that a host shows, as lines to commit.

    They come over the network, so nothing vouches for them: compare the fingerprints on the host's own console first.

    Examples:

      trueup host-keys web-1

      trueup host-keys 192.0.2.7 --port 2222
    """
    from ..acts.planning import find_host
    from ..door.owner import acting
    from ..settings import load
    from ..tell import host_keys as words
    from ..trip import host_keys as scan

    if format not in ("text", "json"):
        raise typer.BadParameter("text or json", param_hint="--format")
    settings = load()
    found = find_host(settings, host, repo, port)
    with acting(settings.state_dir):  # it works in a folder there
        shown = scan.ask(settings, found)
    print(words.document(found, shown) if format == "json" else words.text(found, shown), end="")
    return exits.ERROR if shown.trouble is not None or shown.changed else exits.OK
