"""How schema errors read: in the words of fields, never of JSON Schema. Pure functions of a schema and a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..core.model import Json

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}


def near(word: str, known: Iterable[str]) -> str:
    """The one name that `word` was most likely meant to be; empty when none or several are near."""
    known = list(known)
    plain = {name.replace("_", "").replace("-", "").lower(): name for name in known}
    same = plain.get(word.replace("_", "").replace("-", "").lower())
    if same:
        return same
    if len(word) > 60:
        return ""
    from difflib import SequenceMatcher, get_close_matches  # costs 10 ms, needed for mistakes only

    close = get_close_matches(word, known, n=2, cutoff=0.7)
    if len(close) == 2:
        first, second = (SequenceMatcher(None, word, name).ratio() for name in close)
        if first - second < 0.05:
            return ""
    return close[0] if close else ""


def listed(names: Iterable[str], limit: int = 12, last: str = "and") -> str:
    """`a`, `b` and `c`; the rest counted beyond `limit`."""
    shown = list(names)
    extra = len(shown) - limit
    quoted = [f"`{name}`" for name in shown[:limit]]
    if extra > 0:
        return ", ".join(quoted) + f" and {extra} more"
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + f" {last} {quoted[-1]}" if quoted else ""


def type_words(types: str | Sequence[str]) -> str:
    names = [types] if isinstance(types, str) else list(types)
    return " or ".join(_TYPES.get(name, name) for name in names)


def value_words(value: Json) -> str:
    """A value of a manifest, short enough for one line."""
    if isinstance(value, str):
        text = value if len(value) <= 40 else value[:37] + "…"
        return f'"{text}"'.replace("\n", "\\n")
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "…"


def first_sentence(text: str) -> str:
    """A description's first sentence, without its full stop and with a small first letter where that is a plain word."""
    sentence = text.strip().split(". ")[0].replace("\n", " ").rstrip(".")
    return sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() or sentence[1:2] == " " else sentence


def label(name: str, said: Mapping[str, Json]) -> str:
    """What stands under a misspelt field: `did you mean …? It is …`."""
    what = first_sentence(str(said.get("description", "")))
    if not what or len(what) > 100:
        return f"did you mean `{name}`?"
    if what.startswith(("the ", "a ", "an ")):
        return f"did you mean `{name}`? It is {what}"
    return f"did you mean `{name}`? {what[0].upper()}{what[1:]}"
