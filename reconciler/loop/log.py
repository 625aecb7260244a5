"""The daemon's log: one line an event on stderr, for people or as JSON; journald and collectors take it from there.

Facts come from commits and hosts: control characters are taken out, so that nobody writes another's line.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Literal, TextIO

from .bus import Bus

Level = Literal["info", "warning", "error"]
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_QUIET = frozenset({"progress", "reading"})
"""Events for those who watch live; in a log they would drown the rest."""


class Log:
    """Writes events, and passes them on to the bus. Implements ports.Tell. Safe to share between threads."""

    def __init__(
        self,
        bus: Bus | None = None,
        *,
        form: Literal["human", "json"] = "human",
        stream: TextIO | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._bus = bus
        self._form = form
        self._stream = stream
        self._now = now
        self._lock = Lock()

    def say(self, event: str, **facts: Any) -> None:
        """An event of a round; `level` among the facts raises it above info."""
        level = facts.pop("level", "info")
        if self._bus is not None:
            self._bus.publish({"event": event, **facts})
        if event not in _QUIET:
            self.write(level, event, facts)

    def write(self, level: Level, event: str, facts: Mapping[str, Any]) -> None:
        """Only the log line, nothing on the bus. Never raises: a closed stderr must not stop a round."""
        line = self._json(level, event, facts) if self._form == "json" else self._human(level, event, facts)
        with self._lock:
            try:
                print(line, file=self._stream or sys.stderr, flush=True)
            except (OSError, ValueError):
                return

    def handler(self) -> logging.Handler:
        """Takes what libraries and the page's server log by Python's own logging, in the same form."""
        return _Passed(self)

    def _json(self, level: Level, event: str, facts: Mapping[str, Any]) -> str:
        at = self._now()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"
        whole = {"time": stamp, "level": level, "event": event, **facts}
        return json.dumps(whole, ensure_ascii=True, default=str)

    def _human(self, level: Level, event: str, facts: Mapping[str, Any]) -> str:
        stamp = time.strftime("%H:%M:%S", time.localtime(self._now()))
        told = [_CONTROL.sub(" ", str(facts["text"]))] if "text" in facts else []
        told += [
            f"{name}={_shown(value)}" for name, value in facts.items() if name != "text" and value not in ("", None)
        ]
        mark = "" if level == "info" else f"{level}: "
        return f"{stamp} {mark}{event} {'  '.join(told)}".rstrip()


class _Passed(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        facts: dict[str, Any] = {"text": record.getMessage()}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            frames = traceback.extract_tb(error.__traceback__)
            facts["error"] = f"{type(error).__name__}: {error}"
            facts["at"] = [f"{frame.filename.rpartition('reconciler/')[2]}:{frame.lineno}" for frame in frames[-8:]]
        level: Level = "error" if record.levelno >= logging.ERROR else "warning"
        self._log.write(level, record.name, facts)


def _shown(value: Any) -> str:
    text = _CONTROL.sub(" ", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
    return json.dumps(text, ensure_ascii=False) if " " in text and isinstance(value, str) else text


__all__ = ["Log"]
