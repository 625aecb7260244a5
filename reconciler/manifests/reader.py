"""The one YAML reader: text of a file → plain JSON values, with the place of every field, and all that is wrong.

It reads YAML 1.2's core schema (yaml.org/spec/1.2.2, chapter 10.3), stricter: `no`, `on` and `12:30` are text, a key
stands once, nothing has a tag, and what two versions of YAML read differently (`0644`) is refused instead of guessed.

Speed: libyaml composes the nodes, one walk turns them into values. The nodes are dropped; a file is composed
again only when somebody asks for a place, which happens for files with problems alone.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from math import isfinite
from typing import Any, TypeAlias

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ..core.model import Json
from ..core.problem import Problem
from . import aliases, syntax
from .codes import problem
from .marks import Mark, at_index

Field: TypeAlias = Sequence[str | int]
"""Keys and indexes that lead from a document to a value."""

MAX_BYTES = 1 << 20
MAX_DEPTH = 60
MOST_BROKEN = 50
"""Documents of a file that can't be read, after which the rest isn't looked at: each begins the text anew."""

LOSES_DOCUMENTS = frozenset(
    ("not-utf8", "control-character", "too-large", "tab", "yaml-syntax", "too-deep", "alias-bomb")
)
"""Codes after which the values of a whole document are not known."""

_BAD = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NEXT_DOCUMENT = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_NUMBER_START = frozenset("0123456789+-.")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,30})")
_BASED = re.compile(r"0o[0-7]{1,30}|0x[0-9a-fA-F]{1,30}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_WORDS: dict[str, Json] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_OWN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq"))
_STR = "tag:yaml.org,2002:str"
_VAULTED = frozenset(("!vault", "!vault-encrypted"))
"""Ansible's tags of a text that its Vault encrypted (the second is an older spelling)."""

_Base: Any = import_module("yaml.cyaml").CParser
"""libyaml's composer. PyYAML's own wheels have it everywhere; a build without it fails here, loudly, not by being slow."""


class _Composer(_Base):  # type: ignore[misc]
    """libyaml's composer without PyYAML's resolver: this room decides what a plain scalar is.

    The two hooks that say where in the tree the parser is are answered by builtins, since they are called for each node.
    """

    descend_resolver = staticmethod(operator.is_)
    ascend_resolver = dict

    @staticmethod
    def resolve(kind: type[Node], value: str, implicit: object) -> None:
        return None


class Document:
    """One document of a file: its value in plain JSON types, and the place of each field when asked."""

    __slots__ = ("_node", "_text", "index", "line", "offset", "path", "value")

    def __init__(
        self, path: str, value: Json, line: int, text: str | Callable[[], str], index: int, offset: int
    ) -> None:
        self.path = path
        self.value = value
        self.line = line
        """The line of the document's first field, from 1."""
        self._text = text
        """Or how to get it, for a document that was read by another process."""
        self.index = index
        """Of the document within its text."""
        self.offset = offset
        """Lines of the file that stand before that text."""
        self._node: Node | None = None

    def standing_for(self, value: Json) -> Document:
        """Another value at this document's place: what it doesn't say itself is found at the nearest place above."""
        return Document(self.path, value, self.line, self._text, self.index, self.offset)

    def at(self, field: Field) -> Mark:
        """Where the value of `field` begins; the nearest place above it when it isn't there."""
        node, _ = self._find(field)
        return self._mark(node)

    def key(self, field: Field) -> Mark:
        """Where the key of `field` stands, or the item of a list; the nearest place above it when it isn't there."""
        node, key = self._find(field)
        return self._mark(key or node)

    def has(self, field: Field) -> bool:
        """Whether the document says something at `field`."""
        here = self.value
        for step in field:
            if isinstance(here, dict) and step in here:
                here = here[str(step)]
            elif isinstance(here, list) and isinstance(step, int) and step < len(here):
                here = here[step]
            else:
                return False
        return True

    def place(self, field: Field) -> Mark:
        """The value of `field`, or the key of the nearest mapping around it when the document doesn't say it."""
        while field and not self.has(field):
            field = field[:-1]
            if self.has(field) and field:
                return self.key(field)
        return self.at(field)

    def block_start(self, field: Field) -> Mark:
        """Where the text of `field` begins: the line after `|` or `>` for a block scalar, else the value itself."""
        node, _ = self._find(field)
        mark = self._mark(node)
        if isinstance(node, ScalarNode) and node.style in ("|", ">"):
            line = self._whole().split("\n")[node.start_mark.line + 1 :][:1]
            indent = len(line[0]) - len(line[0].lstrip(" ")) if line else 0
            return Mark(mark.line + 1, indent + 1)
        return mark

    def quoted(self, field: Field) -> bool:
        """Whether the value stands in quotes, so that its text begins one column later."""
        node, _ = self._find(field)
        return isinstance(node, ScalarNode) and node.style in ("'", '"')

    def _mark(self, node: Node) -> Mark:
        start, end = node.start_mark, node.end_mark
        length = end.column - start.column if end.line == start.line else 1
        if isinstance(node, ScalarNode) and node.style in ("|", ">"):
            length = 1
        return Mark(start.line + 1 + self.offset, start.column + 1, max(length, 1))

    def _whole(self) -> str:
        if not isinstance(self._text, str):
            self._text = self._text()
        return self._text

    def _root(self) -> Node:
        if self._node is None:
            parser = _Composer(self._whole())
            node: Any = None
            for _ in range(self.index + 1):
                parser.check_node()
                node = parser.get_node()
            self._node = node
            return node  # type: ignore[no-any-return]
        return self._node

    def _find(self, field: Field) -> tuple[Node, Node | None]:
        node, key = self._root(), None
        for step in field:
            if isinstance(node, MappingNode):
                pair = next((pair for pair in node.value if pair[0].value == str(step)), None)
                if pair is None:
                    break
                key, node = pair
            elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
                node, key = node.value[step], None
            else:
                break
        return node, key


def load(data: bytes, path: str) -> tuple[list[Document], list[Problem]]:
    """All documents of a file (empty ones left out) and all problems of its form. Never raises for what the bytes say.

    After an error of syntax, reading goes on at the next `---`, MOST_BROKEN times.
    """
    text, problems = _decode(data, path)
    documents: list[Document] = []
    offset = broken = 0
    while text is not None and broken < MOST_BROKEN:
        broken += 1
        start = offset and _line_start(text, offset)
        part = text[start:] if offset else text
        failed = _documents(part, path, offset, documents, problems)
        if failed is None:
            break
        again = _NEXT_DOCUMENT.search(part, _line_start(part, failed + 1))
        if again is None:
            break
        offset += part.count("\n", 0, again.start())
    return documents, problems


def text_of(data: bytes, path: str) -> str:
    """The text of a file that can be read, as `load` has it."""
    text, _ = _decode(data, path)
    return text or ""


def _line_start(text: str, line: int) -> int:
    """The index of the first character of `line` (from 0); the text's length when it has fewer."""
    index = 0
    for _ in range(line):
        index = text.find("\n", index) + 1
        if not index:
            return len(text)
    return index


def _decode(data: bytes, path: str) -> tuple[str | None, list[Problem]]:
    if len(data) > MAX_BYTES:
        return None, [problem("too-large", f"{len(data):,} bytes are more than the {MAX_BYTES:,} that a manifest may have",
                              path=path, hint="split it, or put bulky content into files/")]  # fmt: skip
    problems: list[Problem] = []
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return None, [
            problem(
                "not-utf8", "this is UTF-16, manifests are UTF-8", path=path, mark=Mark(1, 1), hint="save it as UTF-8"
            )
        ]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        return None, [
            problem("not-utf8", f"byte 0x{data[error.start]:02x} is not UTF-8", path=path,
                    mark=at_index(before, len(before)), hint="save the file as UTF-8")
        ]  # fmt: skip
    if text.startswith("\ufeff"):
        text = text[1:]
        problems.append(problem("byte-order-mark", "the file begins with a byte order mark", path=path, mark=Mark(1, 1),
                                hint="save it as UTF-8 without BOM"))  # fmt: skip
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    bad = _BAD.search(text)
    if bad:
        problems.append(problem("control-character", f"character U+{ord(bad.group()):04X} is not allowed in YAML", path=path,
                                mark=at_index(text, bad.start()), hint="remove it"))  # fmt: skip
        return None, problems
    return text, problems


def _documents(text: str, path: str, offset: int, documents: list[Document], problems: list[Problem]) -> int | None:
    """Read documents of `text` until its end (None) or an error of syntax (the line of it, from 0)."""
    parser = _Composer(text)
    index = 0
    while True:
        try:
            if not parser.check_node():
                return None
            node = parser.get_node()
        except yaml.YAMLError as error:
            found = syntax.explain(error, text, path, offset)
            problems.append(found)
            return max(found.line - 1 - offset, 0)
        except RecursionError:
            problems.append(problem("too-deep", f"more than {MAX_DEPTH} levels within one another", path=path,
                                    mark=Mark(offset + 1, 1), hint="nest less"))  # fmt: skip
            return len(text)
        walk = _Walk(path, offset, problems)
        value = walk.whole(node, may_repeat="&" in text)
        if value is not None:
            documents.append(Document(path, value, node.start_mark.line + 1 + offset, text, index, offset))
        index += 1


class _Walk:
    """From nodes to values, complaining on the way."""

    def __init__(self, path: str, offset: int, problems: list[Problem]) -> None:
        self.path = path
        self.offset = offset
        self.problems = problems

    def whole(self, node: Node, *, may_repeat: bool) -> Json:
        if may_repeat and (bomb := aliases.fault(node, MAX_DEPTH)) is not None:
            why, at = bomb
            self.say("alias-bomb", why, at, "write the values out")
            return None
        return self.value(node, 0, "")

    def say(self, code: str, message: str, node: Node, hint: str, label: str = "") -> None:
        start, end = node.start_mark, node.end_mark
        one_line = end.line == start.line
        mark = Mark(
            start.line + 1 + self.offset, start.column + 1, max(end.column - start.column, 1) if one_line else 1
        )
        self.problems.append(problem(code, message, path=self.path, mark=mark, hint=hint, label=label))

    def value(self, node: Node, depth: int, key: str) -> Json:
        tag = node.tag
        if tag in _VAULTED and isinstance(node, ScalarNode):
            return {"vault": node.value}
        if tag is not None and tag not in _OWN_TAGS:
            name = tag.replace("tag:yaml.org,2002:", "!!")
            self.say(
                "unknown-tag",
                f"the tag {name} is not one of manifests, which hold plain values only",
                node,
                "remove the tag",
            )
            return None
        if isinstance(node, ScalarNode):
            if node.style or tag == _STR:
                return node.value
            return self.plain(node, key)
        if depth > MAX_DEPTH:
            self.say("too-deep", f"more than {MAX_DEPTH} levels within one another", node, "nest less")
            return None
        if isinstance(node, SequenceNode):
            return [self.value(item, depth + 1, key) for item in node.value]
        assert isinstance(node, MappingNode)
        return self.mapping(node, depth)

    def mapping(self, node: MappingNode, depth: int) -> dict[str, Json]:
        result: dict[str, Json] = {}
        lines: dict[str, int] = {}
        """Of each key, from 0."""
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self.say("bad-field-name", "a key must be a plain word, this one is a list or a mapping", key_node,
                         "use a word as the key")  # fmt: skip
                continue
            key: str = key_node.value
            if key == "<<" and not key_node.style:
                self.say("merge-key", "YAML 1.2 has no merge key `<<`", key_node, "write the fields out, or use Vars")
                continue
            if key in result:
                line = lines[key] + 1 + self.offset
                self.say("duplicate-field", f"`{key}` stands twice in one mapping", key_node,
                         "remove one of the two", f"the first is on line {line}")  # fmt: skip
                continue
            lines[key] = key_node.start_mark.line
            result[key] = self.value(value_node, depth + 1, key)
        return result

    def plain(self, node: ScalarNode, key: str) -> Json:
        text: str = node.value
        if text in _WORDS:
            return _WORDS[text]
        if text[0] not in _NUMBER_START:
            return text
        if _INT.fullmatch(text):
            return int(text)
        if _LEADING_ZERO.fullmatch(text):
            # The text stays text: the schema then has nothing to add about the same place.
            if key == "mode":
                self.say("mode-unquoted", f"mode {text} is a number here, not a file mode", node,
                         f'add the quotes: "{text}"', f'quote it: "{text}"')  # fmt: skip
            else:
                self.say("leading-zero", f"{text} is octal to some readers of YAML and decimal to others", node,
                         "drop the zero, or quote it if it is text")  # fmt: skip
            return text
        if _BASED.fullmatch(text):
            return int(text, 0)
        if _FLOAT.fullmatch(text) and isfinite(number := float(text)):
            return number
        return text  # what JSON can't say (infinity, not a number, endless digits) stays text
