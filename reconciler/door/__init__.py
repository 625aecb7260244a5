"""The door: commands ask a running daemon over its socket, or open the World themselves when none runs.

ask(settings, name, args) -> dict         one answer
stream(settings, name, args) -> events    only of a daemon
serve(world, asks, streams) -> Door       the daemon's side
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core.model import Json
from ..settings import Settings
from . import client, wire
from .owner import acting, become

if TYPE_CHECKING:
    from ..ports import Tell
    from ..world import World
    from .server import Door

Args = Mapping[str, Json]


def ask(settings: Settings, name: str, args: Args | None = None, tell: Tell | None = None) -> dict[str, Json]:
    """The answer to `name`, from the daemon if one runs, else from the state file itself, as its owner. Raises Refused.

    `tell` hears how it goes where no daemon runs; what a daemon does is followed by its streams.
    """
    connection = client.connect(settings.socket)
    if connection is not None:
        return client.ask(connection, name, args or {})
    from ..world import World
    from .asks import ASKS, VISITS
    from .server import user_name

    if name not in ASKS:
        raise wire.refused(
            "no-daemon", f"`{name}` can only be asked of a running daemon; none answers on {settings.socket}"
        )
    who = user_name(os.getuid())
    if name in VISITS:
        become(settings.state_dir)
    with acting(settings.state_dir):
        world = World.open(settings, tell)
        try:
            return dict(ASKS[name](world, {**(args or {}), "who": who}))
        finally:
            world.close()


def stream(settings: Settings, name: str, args: Args | None = None) -> Iterator[dict[str, Json]]:
    """Events of `name`, as they come. Raises Refused; `no-daemon` when none runs."""
    connection = client.connect(settings.socket)
    if connection is None:
        raise wire.refused("no-daemon", f"no daemon answers on {settings.socket}")
    return client.stream(connection, name, args or {})


def running(settings: Settings) -> bool:
    """Whether a daemon answers. Raises Refused when one is there that can't be asked."""
    connection = client.connect(settings.socket)
    if connection is None:
        return False
    connection.close()
    return True


def serve(
    world: World,
    *,
    asks: Mapping[str, Callable[[Args], Mapping[str, Json]]] | None = None,
    streams: Mapping[str, Callable[[Args], Iterator[Mapping[str, Json]]]] | None = None,
) -> Door:
    """Open the socket of `world.settings`: the questions of asks.py, and what the daemon adds. Raises Refused."""
    from .asks import ASKS
    from .server import Door

    known: dict[str, Any] = {name: partial(act, world) for name, act in ASKS.items()}
    return Door(world.settings.socket, {**known, **(asks or {})}, dict(streams or {}))


__all__ = ["ask", "running", "serve", "stream"]
