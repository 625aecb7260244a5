"""A long answer goes through a pager: only on a terminal, and only when it is longer than the screen."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import TextIO

from .words import columns

_DEFAULT = "less -FRX"
"""-F ends at once when all fits, -R lets colours through, -X leaves the text on the screen (less(1))."""


def program(env: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The pager's words: TRUEUP_PAGER, else PAGER, else less. Empty when none is wanted: the first of these that is
    set is empty or `cat`, or can't be read as words of a shell."""
    try:
        words = tuple(shlex.split(next((env[name] for name in ("TRUEUP_PAGER", "PAGER") if name in env), _DEFAULT)))
    except ValueError:
        return ()
    return () if words == ("cat",) else words


def too_long(text: str, width: int, height: int) -> bool:
    """Whether a screen of `width` columns and `height` lines can't hold `text` and the next prompt."""
    lines = (max(1, -(-columns(line) // max(1, width))) for line in text.splitlines())
    return sum(lines) >= height


def show(text: str, *, wanted: bool = True, stream: TextIO | None = None, env: Mapping[str, str] = os.environ) -> None:
    """Write `text`, which ends its own last line, to `stream` (standard output). A pager that can't be started costs
    nothing but itself: the text is written as it is."""
    out = stream or sys.stdout
    words = program(env) if wanted and text and out.isatty() and env.get("TERM") != "dumb" else ()
    size = shutil.get_terminal_size()
    if not words or not too_long(text, size.columns, size.lines) or not _paged(words, text, out):
        out.write(text)
        out.flush()


def _paged(words: tuple[str, ...], text: str, out: TextIO) -> bool:
    """Whether the pager took it. Ctrl-C belongs to the pager while it runs."""
    out.flush()
    try:
        pager = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=out.fileno())
    except OSError:
        return False
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        # Whoever quits before the end closes the pipe: communicate() takes that as it is.
        pager.communicate(text.encode("utf-8", "replace"))
    finally:
        signal.signal(signal.SIGINT, before)
    return True
