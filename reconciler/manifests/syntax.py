"""What libyaml says of a text that is not YAML, in words that help: one table, matched in order."""

from __future__ import annotations

from typing import Any

import yaml

from ..core.problem import Problem
from .codes import problem
from .marks import Mark

# (part of libyaml's words, message, hint, whether the start of the construct is the better place)
_WORDS: tuple[tuple[str, str, str, bool], ...] = (
    ("mapping values are not allowed", "a second `: ` on the line, or a line that is indented too far", "quote the value, or mend the indentation", False),
    ("could not find expected ':'", "this line is neither `key: value` nor a list item", "add the `: ` or quote the text", True),
    ("unexpected document indicator", "the quote that opens here is never closed", "close the quote", True),
    ("unexpected end of stream", "the quote that opens here is never closed", "close the quote", True),
    ("unknown escape character", "no such escape within double quotes", "use single quotes, or write \\\\ for a backslash", False),
    ("undefined alias", "an alias without its anchor", "quote the value if the `*` is meant as text", False),
    ("second occurrence", "an anchor with this name stands already in the document", "rename one of the two", False),
    ("cannot start any token", "a value can't begin with this character", "quote the value", False),
    ("expected ',' or ']'", "the list that opens here is not closed", "close it with `]`", True),
    ("expected ',' or '}'", "the mapping that opens here is not closed", "close it with `}`", True),
    ("expected '-' indicator", "this line is at the level of list items but has no `- `", "add the `- `, or mend the indentation", False),
    ("expected key", "the indentation is off here, or a quote or bracket ended too early", "align the line with its neighbours", False),
    ("expected node content", "a value is missing here", "write the value", False),
    ("expected <document start>", "text after the end of the document", "begin another document with `---`, or mend the indentation", False),
)  # fmt: skip


def explain(error: yaml.YAMLError, text: str, path: str, offset: int) -> Problem:
    """The problem that `error` is about; `offset` lines of the file stand before `text`."""
    said: Any = error
    found = str(getattr(said, "problem", "") or error).splitlines()[0]
    mark, context = getattr(said, "problem_mark", None), getattr(said, "context_mark", None)
    lines = text.split("\n")

    def place(at: Any, length: int = 1) -> Mark:
        return Mark(at.line + 1 + offset, at.column + 1, length)

    if mark is None:
        return problem("yaml-syntax", found, path=path, mark=Mark(offset + 1, 1))
    line = lines[mark.line] if mark.line < len(lines) else ""
    indent = line[: len(line) - len(line.lstrip())]
    if "tab" in found.split() or ("\t" in indent and mark.column <= len(indent)):
        column = (indent.index("\t") if "\t" in indent else mark.column) + 1
        return problem("tab", "a tab indents this line, YAML indents with spaces only", path=path,
                       mark=Mark(mark.line + 1 + offset, column), hint="replace the tab with spaces")  # fmt: skip
    if "nesting depth" in found:
        return problem(
            "too-deep",
            "more levels within one another than anybody can read",
            path=path,
            mark=place(mark),
            hint="nest less",
        )
    for part, message, hint, at_context in _WORDS:
        if part in found:
            at = context if at_context and context is not None else mark
            if not at_context and at.line >= len(lines) - 1 and context is not None and not line.strip():
                at = context
            return problem("yaml-syntax", message, path=path, mark=place(at), hint=hint)
    return problem("yaml-syntax", found, path=path, mark=place(mark))
