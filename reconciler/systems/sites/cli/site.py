"""`trueup site`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from reconciler.cli import exits

PORT = 8000


class Act(str, Enum):
    preview = "preview"


def site(
    act: Annotated[Act, typer.Argument(help="What to do.")],
    path: Annotated[
        str,
        typer.Argument(help="A folder of files; a Site manifest's file; a Site's name in the repository around here."),
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of 127.0.0.1; 0: any that is free.")] = PORT,
    live: Annotated[bool, typer.Option("--live/--no-live", help="Reload open pages when a file changes.")] = True,
) -> int:
    """See a site as hosts will serve it, before it is pushed, until Ctrl-C.

    Redirects, headers, pretty URLs, 404, ranges, compression and passwords are as hosts answer them. Files are read
    anew when they change, and what `trueup check` would find is said at once. --live puts a small script into pages
    that reloads them; --no-live sends every byte as hosts do. Only this machine can connect; DOMAIN.localhost asks
    for one of several domains.

    Files from outside the repository (`from` with git, archive, bucket or ref) are fetched once, at the start, into a
    cache of your own, by the same rules as the daemon's (contentFrom, contentLimit). Start it again to ask anew.

    Examples:

      trueup site preview public

      trueup site preview docs.yaml --no-live

      trueup site preview docs --port 9000
    """
    import signal
    import threading

    from reconciler.core.problem import Problem
    from reconciler.manifests import load_kinds
    from reconciler.systems.sites.preview import place, words
    from reconciler.systems.sites.preview.fetching import Fetching
    from reconciler.systems.sites.preview.looking import Look, Looker, sources_here
    from reconciler.systems.sites.preview.watch import Watched
    from reconciler.systems.sites.web import live as live_
    from reconciler.systems.sites.web import preview

    def told(look: Look, number: int) -> None:
        _say(words.of_look(look, number))

    def asked(one: preview.Told) -> None:
        _say(words.of_request(one.method, one.target, one.status, one.shows))

    def warned(problem: Problem) -> None:
        _say(words.of_trouble(problem))

    here = place.find(path)
    fetching = Fetching(own=here.checkout, say=lambda said: _say(words.of_fetching(said)), warn=warned)
    watched = Watched(Looker(here, load_kinds(), sources_here(), fetching), on_look=told)
    shown = watched.current()
    if shown is None:
        return exits.ERROR
    served = preview.serve(watched, port, live=live, tell=asked)
    _say(words.of_start(shown, served.url))
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a script started it, which has SIGINT ignored
        signal.signal(number, lambda *_: ended.set())
    while not ended.wait(live_.EVERY):
        watched.current()
    served.close()
    _say("\n")
    return exits.OK


def _say(text: str) -> None:
    print(text, end="", flush=True)
