"""Writes the YAML of playbooks: few shapes, each the way that linters and people like it. (manifests/ reads YAML; nobody
here needs to.)

Dicts and lists in block style; text that reads as itself plain or as a block, all other text double-quoted, folded at
100 characters; text that Ansible would take for a template is `!unsafe`. A `Raw` goes as it is, for templates that are meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from ..core.model import Json

WIDTH = 100
_PLAIN = re.compile(r"[A-Za-z/_][A-Za-z0-9 /._+=-]*[A-Za-z0-9/._+=-]|[A-Za-z/]")
_NOT_TEXT = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"})
_BLOCK = re.compile(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f\ufeff\u2028\u2029\ud800-\udfff]*")


class Raw(str):
    """Text that holds a template on purpose."""


class Noted(str):
    """Text with a comment behind it."""

    note: str

    def __new__(cls, text: str, note: str) -> Noted:
        made = super().__new__(cls, text)
        made.note = note
        return made


def document(value: Json) -> str:
    """One document, with its `---`."""
    return "---\n" + "\n".join(_lines(value)) + "\n"


def _lines(value: Json) -> list[str]:
    if isinstance(value, Mapping):
        return [line for key, inner in value.items() for line in _entry(f"{_scalar(str(key))}:", inner)]
    assert isinstance(value, (list, tuple))
    found: list[str] = []
    for inner in value:
        if isinstance(inner, (Mapping, list, tuple)) and inner:
            first, *rest = _lines(inner)
            found += ["- " + first, *("  " + line for line in rest)]
        else:
            first, *rest = _entry("", inner)
            found += ["- " + first, *rest]
    return found


def _entry(head: str, value: Json) -> list[str]:
    gap = " " if head else ""
    if isinstance(value, (Mapping, list, tuple)):
        if not value:
            return [f"{head}{gap}{'{}' if isinstance(value, Mapping) else '[]'}"]
        return [head, *("  " + line for line in _lines(value))]
    if isinstance(value, str) and not isinstance(value, Raw) and _reads_as_block(value):
        # An indentation indicator, because the text may begin with spaces; `-` keeps no line break at the end.
        mark = "|2" if value.endswith("\n") else "|2-"
        unsafe = "!unsafe " if template(value) else ""
        return [f"{head}{gap}{unsafe}{mark}", *("  " + line if line else "" for line in value.rstrip("\n").split("\n"))]
    first, *rest = _scalar(value).split("\n")
    lines = [f"{head}{gap}{first}", *("  " + line for line in rest)]
    if isinstance(value, Noted):
        lines[-1] += f"  # {value.note}"
    return lines


def _reads_as_block(text: str) -> bool:
    lines = text.split("\n")
    return (
        len(lines) > 1
        and bool(_BLOCK.fullmatch(text))
        and bool(lines[0].strip())
        and not text.endswith("\n\n")
        and all(len(line) <= WIDTH + 40 and line == line.rstrip() for line in lines)
    )


def _scalar(value: Json) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT and len(value) <= WIDTH and not _number(value):
        return value
    unsafe = "!unsafe " if template(value) and not isinstance(value, Raw) else ""
    return unsafe + "\n".join(_folded(value))


def _number(text: str) -> bool:
    return bool(re.fullmatch(r"[-+.]?\d.*|\.(inf|nan)", text, re.IGNORECASE))


def template(text: str) -> bool:
    """Whether Ansible would take it for one."""
    return any(sign in text for sign in ("{{", "{%", "{#"))


def _folded(text: str) -> list[str]:
    """A double-quoted scalar over several lines: a backslash at the end of a line joins it with the next, whose
    leading spaces are dropped unless escaped (YAML 1.2, 7.3.1)."""
    lines, line = [], '"'
    for part in map(_escaped, text):
        if len(line) + len(part) > WIDTH:
            lines.append(line + "\\")
            line = "\\" if part == " " else ""
        line += part
    return [*lines, line + '"']


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _escaped(sign: str) -> str:
    if sign in _ESCAPES:
        return _ESCAPES[sign]
    code = ord(sign)
    if sign.isprintable() and code not in (0xFEFF, 0x85, 0xA0):
        return sign
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
