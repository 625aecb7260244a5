"""What the exit codes mean: help, docs and every command take them from here."""

from __future__ import annotations

from typing import Final

OK: Final = 0
ERROR: Final = 1
CHANGES: Final = 2
STOPPED: Final = 3
USAGE: Final = 64
INTERRUPTED: Final = 130

MEANINGS: Final[dict[int, str]] = {
    OK: "nothing to do, or all went well",
    ERROR: "an error: what and where is said on stderr",
    CHANGES: "there are changes (apply, wait: still running)",
    STOPPED: "stopped by a guard, or waiting for an approval",
    USAGE: "a usage error: an unknown command or option, or a value that can't be read",
    INTERRUPTED: "interrupted by Ctrl-C; what goes on without you is said",
}


def epilog() -> str:
    """The lines that end every command's help."""
    return "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in MEANINGS.items()) + "."
