"""Names of resources as names of files that picky readers accept, one to one.

cron skips files of /etc/cron.d whose names hold anything but A-Z a-z 0-9 _ - (cron(8)), sudo those of /etc/sudoers.d
that hold a dot or end in a tilde (sudoers(5)): silently, so a job or a right would be missing without a word.
"""

from __future__ import annotations

import re
import string

_PLAIN = frozenset(string.ascii_letters + string.digits + "-")
_ESCAPE = re.compile(r"_(_|[0-9a-f]{2})")


def encoded(name: str) -> str:
    """`name` in letters, digits, `-` and `_` only: `_` is doubled, every other byte of UTF-8 becomes `_` and two
    hex digits (`a.b` → `a_2eb`). Different names give different files, on a file system that tells case apart."""
    return "".join(
        char
        if char in _PLAIN
        else "__"
        if char == "_"
        else "".join(f"_{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))
        for char in name
    )


def decoded(file: str) -> str:
    """The name that `encoded` made `file` from. Raises ValueError when it made it from none."""
    raw = _ESCAPE.sub(lambda m: "_" if m[1] == "_" else chr(int(m[1], 16)), file)
    try:
        name = raw.encode("latin-1").decode("utf-8", "surrogatepass")
    except UnicodeError:
        name = ""
    if encoded(name) != file:
        raise ValueError(f"{file!r} is not an encoded name")
    return name
