"""The daemon's side of the socket: one thread a connection, one question a connection.

Who asks is known by the kernel (SO_PEERCRED), never by what he says. Whoever may open the socket may ask everything:
its mode is 0660 and its group `trueup`, where that exists.
"""

from __future__ import annotations

import errno
import grp
import logging
import os
import pwd
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeAlias

from ..core.model import Json
from ..core.problem import Refused
from . import wire

LOG = logging.getLogger("trueup.door")

Answers: TypeAlias = Mapping[str, Callable[[Mapping[str, Json]], Mapping[str, Json]]]
Streams: TypeAlias = Mapping[str, Callable[[Mapping[str, Json]], Iterator[Mapping[str, Json]]]]

MOST = 64
"""Connections at once; a further one waits in the kernel's queue."""
ASK_TIME = 30.0
"""Seconds within which a question must have come whole, and within which a client must take what it is sent."""
LONG_TIME = 120.0
"""Seconds within which the long question must have come whole, the wait for another one's end included."""
BEAT = 5.0
"""Seconds between two signs of life while an answer is worked on."""
GROUP = "trueup"


class Door:
    """An open socket. `close` may be called from any thread, more than once."""

    def __init__(self, path: Path, answers: Answers, streams: Streams) -> None:
        self.path = path
        self._answers = answers
        self._streams = streams
        self._room = threading.BoundedSemaphore(MOST)
        self._long = threading.Lock()
        """Held while the long question is taken and answered: what all questions hold in memory has an end."""
        self._closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._socket = _listen(path)
        self._inode = os.stat(path).st_ino
        self._thread = threading.Thread(target=self._accept, name="trueup-door", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more questions, end those under way, take the socket away."""
        if self._closing.is_set():
            return
        self._closing.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with suppress(OSError):
            if os.stat(self.path).st_ino == self._inode:  # a successor may have put its own there
                os.unlink(self.path)
        with self._guard:
            left = list(self._open)
        for one in left:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RD)
        self._thread.join(2)

    # ---- connections

    def _accept(self) -> None:
        while not self._closing.is_set():
            self._room.acquire()
            try:
                connection, _ = self._socket.accept()
            except OSError as error:
                self._room.release()
                if self._closing.is_set():
                    return
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                    self._closing.wait(0.5)
                continue
            threading.Thread(target=self._serve, args=(connection,), name="trueup-ask", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._guard:
            self._open.add(connection)
        try:
            with connection:
                connection.settimeout(ASK_TIME)
                self._one(connection)
        except OSError:
            pass  # gone, or too slow: nothing that it asked for is undone
        except Exception:
            LOG.exception("a question could not be answered")
        finally:
            with self._guard:
                self._open.discard(connection)
            self._room.release()

    def _one(self, connection: socket.socket) -> None:
        with ExitStack() as held:
            self._answer(connection, _Out(connection), held)

    def _answer(self, connection: socket.socket, out: _Out, held: ExitStack) -> None:
        try:
            asked = self._asked(connection, held)
            if asked is None:
                return
            name, args = asked
            args = {**args, "who": peer(connection)}
            if name in self._streams:
                self._stream(out, self._streams[name], args)
            elif name in self._answers:
                with out.beating():
                    answer = self._answers[name](args)
                out.send({"ok": answer})
            else:
                known = ", ".join(sorted({*self._answers, *self._streams}))
                raise wire.refused("door-unknown-ask", f"there is no question {name[:60]!r}; there are {known}")
        except OverflowError:
            out.send({"refused": wire.problems_json(wire.refused("door-too-long"))})
        except Refused as refused:
            out.send({"refused": wire.problems_json(refused)})
        except OSError:
            raise
        except Exception as error:
            LOG.exception("a question ended in a fault")
            told = wire.refused("bug", f"{type(error).__name__}: {error}"[:300])
            out.send({"refused": wire.problems_json(told)})

    def _asked(self, connection: socket.socket, held: ExitStack) -> tuple[str, Mapping[str, Json]] | None:
        """The question of a connection; None when there comes none. Raises Refused, OverflowError, OSError."""
        started = time.monotonic()
        end = started + ASK_TIME

        def receive(size: int) -> bytes:
            # The whole question has one limit: byte by byte nobody keeps a place for ever.
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
            return connection.recv(size)

        def longer(head: bytes) -> int:
            nonlocal end
            if not head.startswith(wire.LONG):
                return 0
            end = started + LONG_TIME
            if not self._long.acquire(timeout=max(0.0, end - time.monotonic())):
                raise TimeoutError
            held.callback(self._long.release)
            return wire.LONG_LIMIT

        try:
            line = wire.Lines(receive, wire.QUESTION_LIMIT, longer).next()
        except TimeoutError:
            raise wire.refused("door-too-slow") from None
        finally:
            connection.settimeout(ASK_TIME)
        return None if line is None else _question(line)

    def _stream(
        self, out: _Out, begin: Callable[[Mapping[str, Json]], Iterator[Mapping[str, Json]]], args: Mapping[str, Json]
    ) -> None:
        events = begin(args)
        try:
            for event in events:
                out.send({"event": event})
                if self._closing.is_set():
                    return
        finally:
            if isinstance(events, Generator):
                events.close()
        out.send({"end": True})


class _Out:
    """What is sent on one connection, by more than one thread, line by line."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, document: Mapping[str, Json]) -> None:
        with self._lock:
            self._connection.sendall(wire.pack(document))

    def beating(self) -> _Beat:
        return _Beat(self)


class _Beat:
    """Signs of life while an answer is worked on, so that a client can tell long work from a hang."""

    def __init__(self, out: _Out) -> None:
        self._out = out
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trueup-beat", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def _run(self) -> None:
        while not self._done.wait(BEAT):
            with suppress(OSError):
                self._out.send({"beat": True})


def _question(line: bytes) -> tuple[str, Mapping[str, Json]]:
    try:
        document = wire.unpack(line)
    except ValueError as error:
        raise wire.refused("door-malformed", f"this is no question: {error}"[:300]) from None
    version = document.get("version")
    if version != wire.VERSION:
        raise wire.refused("door-version", f"the daemon speaks version {wire.VERSION}, the command {str(version)[:20]}")
    name, args = document.get("ask"), document.get("args", {})
    if not isinstance(name, str) or not isinstance(args, dict):
        raise wire.refused("door-malformed", "a question has an `ask` and `args`")
    return name, args


def peer(connection: socket.socket) -> str:
    """The user at the other end, as the kernel knows him: his name, or `uid N` where there is none."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return user_name(uid)


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


# ---------------------------------------------------------------- the socket's file


def _listen(path: Path) -> socket.socket:
    """Bind, with no moment at which others than owner and group may connect. Raises Refused."""
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _clear(path)
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        before = os.umask(0o177)
        try:
            made.bind(str(path))
        finally:
            os.umask(before)
        with suppress(KeyError, PermissionError):
            os.chown(path, -1, grp.getgrnam(GROUP).gr_gid)
        os.chmod(path, 0o660)
        made.listen(128)
    except OSError as error:
        raise wire.refused("door-unwritable", f"{path}: {error.strerror or error}") from error
    return made


def _clear(path: Path) -> None:
    """Take away a socket that nobody listens on any more. Raises Refused when somebody does, OSError for another file."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "something that is no socket stands there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except FileNotFoundError:
            return
    raise wire.refused("door-taken", f"another daemon answers on {path}")


__all__ = ["Answers", "Any", "Door", "Streams", "peer", "user_name"]
