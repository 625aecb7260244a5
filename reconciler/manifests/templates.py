"""Jinja2 for files of hosts: a sandbox that fills in values, and can neither reach out nor run for ever.

Jinja2's own sandbox keeps templates away from Python's insides. What it leaves open is closed here: loops and calls are
counted, and so is the text that is made, because a commit must not be able to hang the daemon that reads it.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError, nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..core.model import Host, Json, State
from ..core.reference import NAME, is_reference

MAX_STEPS = 100_000
"""Turns of loops and calls in one rendering; what is done with long texts and lists counts more."""
CHARACTERS = 32
"""Characters or items for which a call or a filter counts once more."""
MAX_BITS = 1 << 14
"""Of a product of whole numbers: squared a few times, they take for ever."""
MAX_TEXT = 1 << 20
"""Characters that one rendering, or a value within it, may have."""
_FILE = "<template>"
_NAME = re.compile(r"'([^']+)' is undefined|has no attribute '([^']+)'")
_GROWING = frozenset(("join", "replace", "ljust", "rjust", "center", "zfill", "expandtabs", "translate", "format_map"))
_WIDE = frozenset(("center", "indent", "wordwrap", "batch", "slice", "truncate", "format", "tojson"))
_SECRET_NAME = re.compile(NAME)
_BIG_FORMAT = re.compile(r"%[^a-zA-Z%]*\d{5,}|%[^a-zA-Z%]*\*")


class Limit(Exception):
    """The sandbox refuses to go on."""


@dataclass(frozen=True, slots=True)
class HostView:
    """What a template sees as `host`. Prints as its name."""

    name: str
    address: str
    port: int
    user: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure(Exception):
    """A template that can't be rendered: a code of this room, why, and the line (from 1) and word of it."""

    code: str
    message: str
    line: int = 1
    word: str = ""
    known: tuple[str, ...] = ()
    """Names that would have been there."""


class Secret:
    """What a template sees in place of a secret. It can be put out as it is, and nothing else can be done with it: its
    value is not here."""

    __slots__ = ("_put", "_reference")

    def __init__(self, reference: Mapping[str, Json], put: Callable[[Mapping[str, Json]], str]) -> None:
        self._reference = reference
        self._put = put

    def __str__(self) -> str:
        raise Limit(
            "a secret can only be put out whole, as in {{ secret('NAME') }}: no filter, no joining, no comparing"
        )

    __repr__ = __html__ = __str__

    def __iter__(self) -> Iterator[Any]:
        raise Limit("a secret can't be gone through")

    def __hash__(self) -> int:
        raise Limit("a secret can't be compared with anything")

    def __eq__(self, other: object) -> bool:
        raise Limit("a secret can't be compared with anything")

    def __bool__(self) -> bool:
        return True


def _finalized(value: Any) -> Any:
    return value._put(value._reference) if isinstance(value, Secret) else value


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(("*", "**", "+", "%"))

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False, cache_size=0,
                         finalize=_finalized)  # fmt: skip
        self.steps = 0
        self.filters["_counted"] = self.counted
        self.filters["_joined"] = _joined
        for name, filtered in list(self.filters.items()):
            self.filters[name] = _bounded(name, filtered, self.tick)
        self.globals.pop("lipsum")

    def tick(self, *values: Any) -> None:
        self.steps += (
            1 + sum(len(value) for value in values if isinstance(value, (str, list, tuple, dict))) // CHARACTERS
        )
        if self.steps > MAX_STEPS:
            raise Limit(f"more than {MAX_STEPS:,} turns and calls")

    def counted(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self.tick()
            yield item

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """Every loop counts its turns, every `~` its characters."""
        tree = super()._parse(source, name, filename)
        for loop in list(tree.find_all(nodes.For)):
            loop.iter = nodes.Filter(loop.iter, "_counted", [], [], None, None, lineno=loop.lineno)
        return tree

    def call(self, context: Any, called: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.tick(getattr(called, "__self__", None), *args)
        if isinstance(getattr(called, "__self__", None), str) and called.__name__ in _GROWING:
            raise Limit(
                f"the method `{called.__name__}` of a text; the filters join, replace, center and indent are bounded"
            )
        return super().call(context, called, *args, **kwargs)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        self.tick()
        if operator == "**" and not (abs(left) < 10**6 and abs(right) <= 64):
            raise Limit("a power that is too big")
        if operator == "*":
            if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > MAX_BITS:
                raise Limit("a number that is too big")
            for one, other in ((left, right), (right, left)):
                if isinstance(one, (str, list, tuple)) and isinstance(other, int):
                    _fits(len(one) * other)
        if operator == "+" and isinstance(left, (str, list, tuple)):
            _fits(len(left))
        if operator == "%" and isinstance(left, str) and _BIG_FORMAT.search(left):
            raise Limit("a width that is too big")
        return super().call_binop(context, operator, left, right)


def _joined(parts: Iterable[Any]) -> str:
    texts = [str(part) for part in parts]
    _fits(sum(map(len, texts)))
    return "".join(texts)


def _fits(size: int) -> None:
    if size > MAX_TEXT:
        raise Limit(f"a value of more than {MAX_TEXT:,} characters")


def _bounded(name: str, filtered: Any, tick: Callable[..., None]) -> Any:
    """A filter that can't make a huge text: from big numbers, by joining or replacing, or step by step."""

    def bounded(*args: Any, **kwargs: Any) -> Any:
        values = [*args, *kwargs.values()]
        tick(*values)
        for value in values:
            if (type(value) is int and abs(value) > 10_000 and name in _WIDE) or (
                name == "format" and isinstance(value, str) and _BIG_FORMAT.search(value)
            ):
                raise Limit("a width that is too big")
        if name == "join":
            args = tuple(list(value) if _is_items(value) else value for value in args)
            glue = max((len(value) for value in values if isinstance(value, str)), default=0)
            _fits(sum(len(str(item)) + glue for value in args if isinstance(value, list) for item in value))
        elif name == "replace":
            texts = [len(value) for value in values if isinstance(value, str)]
            if len(texts) == 3 and texts[2] > texts[1]:
                _fits((texts[0] // max(texts[1], 1) + 1) * texts[2])
        result = filtered(*args, **kwargs)
        if isinstance(result, str):
            _fits(len(result))
        return result

    if hasattr(filtered, "jinja_pass_arg"):
        bounded.jinja_pass_arg = filtered.jinja_pass_arg  # type: ignore[attr-defined]
    return bounded


def _is_items(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (isinstance(value, Iterator) and not isinstance(value, str))


class Templates:
    """Compiled templates by their text, for one reading of a repository."""

    def __init__(self) -> None:
        self._environment = _Environment()
        self._compiled: dict[str, Any] = {}
        self._sights: dict[str, dict[str, Any]] = {}

    def render(self, text: str, *, host: Host | None, variables: State) -> Json:
        """`text` with `vars`, `labels` and `host` filled in, and `secret('NAME')`: a text, or `{"join": [part, …]}` with
        references to secrets among the parts (core/reference.py). Raises Failure.

        A host's `variables` are the same at each call: what a template sees of it is laid out once."""
        template = self._compiled.get(text) or self._compile(text)
        if isinstance(template, Failure):
            raise template
        self._environment.steps = 0
        secrets = _Secrets()
        sight = self._sight(host, variables)
        seen = {**sight, "vars": _with_secrets(sight["vars"], secrets.put), "secret": secrets.ask}
        parts: list[str] = []
        size = 0
        try:
            try:
                # As template.generate does, which lays out Jinja2's own names anew for each of a host's templates.
                for part in template.root_render_func(template.new_context(seen, shared=True)):
                    size += len(part)
                    if size > MAX_TEXT:
                        raise Limit(f"more than {MAX_TEXT:,} characters")
                    parts.append(part)
            except Exception:
                self._environment.handle_exception()  # raises it again, with the template's own lines
        except Exception as error:
            raise _failure(error, variables, sight["labels"]) from None
        return _joint("".join(parts), secrets.mark, secrets.found)

    def _sight(self, host: Host | None, variables: State) -> dict[str, Any]:
        """What templates see of a host, but for secrets."""
        name = host.name if host else ""
        found = self._sights.get(name)
        if found is None:
            view = HostView(host.name, host.address, host.port, host.user) if host else HostView("", "", 22, "root")
            labels: Mapping[str, str] = host.labels if host else {}
            found = self._sights[name] = {
                **self._environment.globals,
                "vars": variables,
                "labels": labels,
                "host": view,
            }
        return found

    def _compile(self, text: str) -> Any:
        try:
            found: Any = self._environment.from_string(_wrap_concat(self._environment, text))
        except TemplateSyntaxError as error:
            found = Failure(
                code="template-syntax", message=_plain(error.message or "it can't be read"), line=error.lineno
            )
        except (RecursionError, MemoryError):
            found = Failure(code="template-limit", message="it nests too deeply")
        except (TemplateError, SyntaxError, ValueError) as error:
            found = Failure(code="template-syntax", message=_plain(str(error)))
        self._compiled[text] = found
        return found


class _Secrets:
    """The secrets that one rendering puts out."""

    __slots__ = ("found", "mark")

    def __init__(self) -> None:
        self.found: list[Mapping[str, Json]] = []
        self.mark = ""
        """Stands before each in the text; nobody can guess it."""

    def put(self, reference: Mapping[str, Json]) -> str:
        if not self.found:
            self.mark = f"\0{token_hex(8)}:"
        self.found.append(reference)
        return f"{self.mark}{len(self.found) - 1}\0"

    def ask(self, name: str) -> Secret:
        """`secret('NAME')` in a template."""
        if not isinstance(name, str) or not _SECRET_NAME.fullmatch(name):
            raise Limit("secret() takes the name of one: letters, digits, `.`, `_` and `-`")
        return Secret({"secret": name}, self.put)


def _with_secrets(value: Json, put: Callable[[Mapping[str, Json]], str]) -> Any:
    """Variables in which a reference to a secret is a Secret; the same object where there is none."""
    if isinstance(value, Mapping):
        if is_reference(value) and "join" not in value and isinstance(next(iter(value.values())), str):
            return Secret(value, put)
        made = {name: _with_secrets(inner, put) for name, inner in value.items()}
        return made if any(made[name] is not inner for name, inner in value.items()) else value
    if isinstance(value, list):
        items = [_with_secrets(inner, put) for inner in value]
        return items if any(one is not other for one, other in zip(items, value, strict=True)) else value
    return value


def _joint(text: str, mark: str, found: Sequence[Mapping[str, Json]]) -> Json:
    """A rendered text; cut at its secrets where it has any."""
    if not found:
        return text
    parts: list[Json] = []
    for index, piece in enumerate(text.split(mark)):
        if index:
            number, _, piece = piece.partition("\0")
            parts.append(found[int(number)])
        if piece:
            parts.append(piece)
    return {"join": parts}


def _wrap_concat(environment: _Environment, text: str) -> nodes.Template:
    tree = environment._parse(text, None, _FILE)
    for parent in [tree, *tree.find_all(nodes.Node)]:
        for name, value in list(parent.iter_fields()):
            if isinstance(value, nodes.Concat):
                setattr(parent, name, _counted_concat(value))
            elif isinstance(value, list):
                setattr(
                    parent, name, [_counted_concat(item) if isinstance(item, nodes.Concat) else item for item in value]
                )
    tree.set_environment(environment)
    return tree


def _counted_concat(concat: nodes.Concat) -> nodes.Filter:
    return nodes.Filter(
        nodes.List(concat.nodes, lineno=concat.lineno), "_joined", [], [], None, None, lineno=concat.lineno
    )


def _plain(text: str) -> str:
    return text.rstrip(".").replace("'", "`")


def _failure(error: Exception, variables: State, labels: Mapping[str, str]) -> Failure:
    line = next((frame.lineno for frame, _ in _frames(error) if frame.filename == _FILE), 1) or 1
    if isinstance(error, UndefinedError):
        said = str(error)
        found = _NAME.search(said)
        word = (found.group(1) or found.group(2)) if found else ""
        if found and found.group(1):
            return Failure(code="undefined-variable", message=f"`{word}` is not defined; a template sees `vars`, `labels`, `host` and `secret()`",
                           line=line, word=word, known=("vars", "labels", "host", "secret"))  # fmt: skip
        known = tuple(sorted({*variables, *labels}))
        return Failure(
            code="undefined-variable",
            message=f"`{word}` is not defined" if word else _plain(said),
            line=line,
            word=word,
            known=known,
        )
    if isinstance(error, (Limit, SecurityError, RecursionError, MemoryError, OverflowError)):
        why = (
            "it nests too deeply"
            if isinstance(error, RecursionError)
            else _plain(str(error)) or "it needs too much memory"
        )
        return Failure(code="template-limit", message=f"the sandbox refuses this: {why}", line=line)
    return Failure(
        code="template-syntax", message=f"this fails: {_plain(str(error)) or type(error).__name__}", line=line
    )


def _frames(error: Exception) -> Iterator[tuple[traceback.FrameSummary, int]]:
    """The frames of an error, innermost first."""
    summary = traceback.extract_tb(error.__traceback__)
    for index, frame in enumerate(reversed(summary)):
        yield frame, index
