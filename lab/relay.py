"""A TCP relay that holds bytes back: the delay that kernels without netem can't make."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from dataclasses import dataclass, field


@dataclass(eq=False, kw_only=True)
class Relay:
    """`with Relay(target=(host, port), listen=address, delay=0.2) as relay:` connect to `relay.address`."""

    target: tuple[str, int]
    listen: str = "127.0.0.1"
    delay: float = 0.0
    """Seconds that each byte is held back, in each direction."""
    _server: socket.socket | None = None
    _open: list[socket.socket] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        assert self._server is not None, "the relay is not started"
        name: tuple[str, int] = self._server.getsockname()
        return name

    def __enter__(self) -> Relay:
        self._server = socket.create_server((self.listen, 0))
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        for sock in [self._server, *self._open]:
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                sock.close()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.target, timeout=10)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            self._open += [near, far]
            for source, sink in ((near, far), (far, near)):
                line: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
                threading.Thread(target=self._read, args=(source, line), daemon=True).start()
                threading.Thread(target=self._write, args=(sink, line), daemon=True).start()

    def _read(self, source: socket.socket, line: queue.SimpleQueue[tuple[float, bytes]]) -> None:
        while True:
            try:
                data = source.recv(65536)
            except OSError:
                data = b""
            line.put((time.monotonic() + self.delay, data))
            if not data:
                return

    def _write(self, sink: socket.socket, line: queue.SimpleQueue[tuple[float, bytes]]) -> None:
        while True:
            due, data = line.get()
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                if data:
                    sink.sendall(data)
                else:
                    sink.shutdown(socket.SHUT_WR)
                    return
            except OSError:
                return
