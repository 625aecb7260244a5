"""A place in a text, as people count: from 1."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class Mark:
    """`length` characters from `column` of `line` on, both counted from 1."""

    line: int
    column: int
    length: int = 1


def at_index(text: str, index: int, length: int = 1) -> Mark:
    """The place of the character `index` (from 0) of `text`."""
    before = text.rfind("\n", 0, index)
    return Mark(text.count("\n", 0, index) + 1, index - before, length)
