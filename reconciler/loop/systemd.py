"""What systemd wants to hear (sd_notify(3)): that trueup is ready, alive, stopping. Silent where nobody asks."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notify:
    """Sends to $NOTIFY_SOCKET, if there is one. `watchdog` is how often `alive` should be said, in seconds; 0: never."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        mine = environ.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        microseconds = environ.get("WATCHDOG_USEC", "0")
        # Twice as often as the limit, as sd_watchdog_enabled(3) advises.
        self.watchdog = int(microseconds) / 2_000_000 if mine and microseconds.isdigit() else 0.0

    def ready(self, status: str = "") -> None:
        self._send("READY=1" + (f"\nSTATUS={status}" if status else ""))

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def status(self, words: str) -> None:
        self._send("STATUS=" + words.replace("\n", " "))

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(1.0)
                sender.sendto(text.encode(), address)
        except OSError:
            return


__all__ = ["Notify"]
