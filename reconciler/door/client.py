"""The command's side of the socket."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from ..core.model import Json
from . import wire

SILENCE = 30.0
"""Seconds without any sign of life (the daemon beats every 5) after which it counts as hung."""
CONNECT = 5.0
"""Seconds until a daemon that doesn't accept counts as hung."""


def connect(path: Path) -> socket.socket | None:
    """A connection to the daemon; None when none runs. Raises Refused when one runs that can't be asked."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    made.settimeout(CONNECT)
    end = time.monotonic() + CONNECT
    try:
        while True:
            try:
                made.connect(str(path))
                break
            except BlockingIOError:  # its queue is full (unix(7), EAGAIN): others are asking
                if time.monotonic() > end:
                    raise TimeoutError from None
                time.sleep(0.02)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        made.close()
        return None
    except PermissionError:
        made.close()
        raise wire.refused("door-denied", f"{path} may not be used by this user") from None
    except TimeoutError:
        made.close()
        raise wire.refused("door-silent", f"the daemon on {path} takes no question") from None
    except OSError as error:
        made.close()
        raise wire.refused("door-silent", f"{path}: {error.strerror or error}") from None
    made.settimeout(SILENCE)
    return made


def ask(connection: socket.socket, name: str, args: Mapping[str, Json]) -> dict[str, Json]:
    """One question, one answer; the connection is used up. Raises Refused, as the daemon says or when it falls silent."""
    with closing(connection):
        for document in _documents(connection, name, args):
            if "ok" in document:
                answer = document["ok"]
                if not isinstance(answer, dict):
                    raise wire.refused("door-malformed", "the daemon's answer is no object")
                return answer
    raise wire.refused("door-silent", "the daemon went away before it had answered")


def stream(connection: socket.socket, name: str, args: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    """One question, its events as they come. Closing the iterator ends the watching and nothing else. Raises Refused."""
    with closing(connection):
        for document in _documents(connection, name, args):
            if document.get("end"):
                return
            event = document.get("event", document.get("ok"))
            if isinstance(event, dict):
                yield event
    raise wire.refused("door-silent", "the daemon went away; what it was doing goes on when it is back")


def _documents(connection: socket.socket, name: str, args: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    try:
        connection.sendall(wire.question(name, args))
    except BrokenPipeError:
        pass  # it may have refused before it took all: its reason is still to be read
    except OSError as error:
        raise wire.refused("door-silent", f"the daemon doesn't take the question: {error}") from None
    lines = wire.Lines(connection.recv, wire.ANSWER_LIMIT)
    while True:
        try:
            line = lines.next()
            document = None if line is None else wire.unpack(line)
        except (OSError, OverflowError, ValueError) as error:
            words = "said nothing for too long" if isinstance(error, TimeoutError) else "sent what can't be read"
            raise wire.refused("door-silent", f"the daemon {words}") from None
        if document is None:
            return
        if "refused" in document:
            raise wire.problems_of(document["refused"])
        if not document.get("beat"):
            yield document
