"""How many may be connected to a page, and for how long without a question.

The page is served by the daemon's own process: whoever opens connections without end must not take the descriptors that
rounds need. Uvicorn limits neither.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 400
"""Connections at once, those that are under way with TLS among them; live.CAP of them may be streams."""
HEAD = 15.0
"""Seconds until a question is whole, counted from the connection, or from its first byte on one that was used before."""


class Listener(socket.socket):
    """A socket that listens and hangs up on those who come when MOST are there."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.taken = 0

    def accept(self) -> tuple[socket.socket, Any]:
        """Raises ConnectionAbortedError for who is hung up on: asyncio goes on with the next."""
        line, address = super().accept()
        if self.taken >= MOST:
            line.close()
            raise ConnectionAbortedError
        return _Seat(self, line), address


class _Seat(socket.socket):
    """One of the connections; it is free again once it is closed."""

    def __init__(self, listener: Listener, line: socket.socket) -> None:
        super().__init__(line.family, line.type, line.proto, fileno=line.detach())
        self._listener: Listener | None = listener
        listener.taken += 1

    def close(self) -> None:
        super().close()
        if self._listener is not None:
            self._listener.taken -= 1
            self._listener = None


class InTime(H11Protocol):
    """Uvicorn's, which ends a connection that asks nothing for HEAD seconds, or takes longer to say what it asks."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._count()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._count()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _count(self) -> None:
        if not self._waits():
            self._stop()
        elif self._late is None:
            self._late = self.loop.call_later(HEAD, self._end)

    def _waits(self) -> bool:
        """Whether no question is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _stop(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end(self) -> None:
        self._late = None
        if self._waits() and not self.transport.is_closing():
            self.transport.close()


__all__ = ["InTime", "Listener"]
