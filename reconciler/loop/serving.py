"""`trueup serve`, put together: the state, the door, the page, what wakes, and the daemon between them.

Everything is started in this order and ended in the reverse one; nothing of it decides anything.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

from ..core.problem import Refused
from ..repo import GitRepo
from ..settings import Settings
from ..world import World
from .bus import Bus
from .lock import only_one
from .log import Log
from .server import Server
from .systemd import Notify

STATE_PATIENCE = 15.0
"""Seconds that a start waits for a command that has the state file open just then."""
AGAIN = 1.0
"""Seconds within which a second signal is the same one: Ctrl-C reaches a whole group, and who starts us passes it on too."""
WAKING = ("forget", "reborn", "resume", "rollback")
"""Acts after which there is something to do at once."""


def serve(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    tell: Callable[[str], None],
    page: bool = True,
    stop_limit: float = 60.0,
) -> bool:
    """Serve until SIGTERM or SIGINT. `tell` prints a line for people, once things are up. Raises Refused when the
    state, the repository, the socket or the page's address can't be had. False when a trip had to be left."""
    bus = Bus()
    log = Log(bus, form=settings.log_format)
    notify = Notify(environ)
    with ExitStack() as ends:
        ends.enter_context(_logging(log))
        ends.enter_context(only_one(settings))
        world = _open_world(settings, log)
        ends.callback(world.close)
        server = Server(world, bus, log, notify, stop_limit)
        started = _rooms(server, ends, page)
        # Open streams end before the servers that carry them are asked to.
        ends.callback(bus.close)
        ends.enter_context(server.watching())
        ends.enter_context(_signals(server))
        repo = world.repo
        assert isinstance(repo, GitRepo)
        tell(f"trueup follows {settings.branch} of {repo.place}")
        for line_ in started:
            tell(line_)
        notify.ready(started[0] if started else "")
        clean = server.daemon.run()
        notify.stopping()
        if not clean:
            # The round's thread still writes: closing the state under it would be worse than a kill, which the
            # next start is made for.
            ends.pop_all()
            bus.close()
        return clean


def _rooms(server: Server, ends: ExitStack, page: bool) -> list[str]:
    """Open the door and the page; the lines that say where they are."""
    from .. import door

    settings = server.world.settings
    own: dict[str, Any] = {
        "sync": server.sync, "contents": server.contents, "standing": server.standing, "observe": server.observe,
        "doctor": server.doctor,
    }  # fmt: skip
    asks = {**own, **{name: server.waking(name) for name in WAKING}}
    opened = door.serve(server.world, asks=asks, streams={"wait": server.wait})
    ends.callback(opened.close)
    lines = [f"socket  {settings.socket}"]
    if page:
        from ..web import access, tls
        from ..web import serve as web
        from ..web.page import app

        served = web.run(
            app(server.world, server.health),
            settings.listen,
            beyond_loopback=access.may_leave_loopback(settings),
            tls=tls.Files.of(settings),
        )
        ends.callback(served.close)
        lines.insert(0, f"page    {served.url}")
    return lines


def _open_world(settings: Settings, log: Log) -> World:
    end = time.monotonic() + STATE_PATIENCE
    while True:
        try:
            return World.open(settings, log)
        except Refused as refused:
            passing = all(problem.code == "state-locked" for problem in refused.problems)
            if not passing or time.monotonic() > end:
                raise
            time.sleep(0.2)


@contextmanager
def _logging(log: Log) -> Iterator[None]:
    """What Python's own logging is told goes into `log` while the block runs."""
    handler = log.handler()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


@contextmanager
def _signals(server: Server) -> Iterator[None]:
    """SIGTERM and SIGINT end it, a second one at once; SIGHUP is a sync."""

    first: list[float] = []

    def end(number: int, frame: FrameType | None) -> None:
        if first and time.monotonic() - first[0] < AGAIN:
            return
        if first:
            told = (
                "killed in the middle of a trip; the next start looks at those hosts first"
                if server.daemon.running
                else "ended"
            )
            os.write(2, f"trueup: {told}\n".encode())
            os._exit(130)
        first.append(time.monotonic())
        if server.daemon.running:
            os.write(2, b"trueup: the trip under way comes to its end first; once more ends it at once\n")
        server.stop()

    def sync(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=_quietly, args=(server.sync, server.log), daemon=True).start()

    handlers: Iterable[tuple[int, Any]] = ((signal.SIGTERM, end), (signal.SIGINT, end), (signal.SIGHUP, sync))
    before = [(number, signal.signal(number, handler)) for number, handler in handlers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _quietly(act: Callable[[], object], log: Log) -> None:
    try:
        act()
    except Refused as refused:
        log.say("sync-refused", level="error", text=str(refused))


__all__ = ["serve"]
