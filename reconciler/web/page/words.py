"""How values read on the page: ages, moments, numbers, values of fields, diffs. All of it is plain text; escaping is Jinja's."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from markupsafe import Markup, escape

from ...core.model import Json
from ...tell.clean import clean
from ...tell.words import ACTIONS, RESULTS, SYMBOLS

UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))

ORDER = tuple((verdict, SYMBOLS[verdict][0]) for verdict in SYMBOLS)
"""(verdict, sign), worst first, as every screen has them."""

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")

DIFF_LINES = 200
"""Lines of one diff on the page; what is above is counted, and the JSON has it whole."""
VALUE_LENGTH = 160
"""Characters of a value that is shown in a line; longer ones fold."""


def sign(verdict: str) -> str:
    return dict(ORDER).get(verdict, "·")


def action_sign(action: str) -> str:
    return ACTIONS[action][0] if action in ACTIONS else "·"


def result_sign(result: str) -> str:
    return sign(RESULTS.get(result, ""))


def moment(value: Json) -> datetime | None:
    """RFC 3339 text, or seconds since 1970, as an aware datetime; None for anything else."""
    try:
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        if isinstance(value, str):
            return datetime.fromisoformat(value).astimezone(UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def is_moment(value: Json) -> bool:
    """Whether a cell of a report is a time: RFC 3339 in UTC, as trueup itself writes it."""
    return isinstance(value, str) and MOMENT.fullmatch(value) is not None


def iso(value: Json) -> str:
    when = moment(value)
    return when.isoformat(timespec="seconds").replace("+00:00", "Z") if when else ""


def span(seconds: float) -> str:
    """`42 s`, `9 min 51 s`, `3 h`, `2 d`: two units only where the second one still matters."""
    seconds = max(0.0, seconds)
    for size, name in UNITS:
        if seconds >= size or size == 1.0:
            return f"{int(seconds // size)} {name}"
    return "0 s"


def age(value: Json, now: datetime) -> str:
    when = moment(value)
    return "never" if when is None else span((now - when).total_seconds())


def clock(value: Json, now: datetime) -> str:
    """The moment in UTC, as short as it can be without doubt: `14:02:05` today, else `21 Nov 14:02` or with its year."""
    when = moment(value)
    if when is None:
        return ""
    if when.date() == now.date():
        return when.strftime("%H:%M:%S")
    if timedelta(0) <= now - when < timedelta(days=300):
        return f"{when.day} {when.strftime('%b %H:%M')}"
    return when.strftime("%Y-%m-%d %H:%M")


def number(value: Json) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def visible(value: Json) -> str:
    """Text from a host or a commit, with what can't be seen made visible: control and bidirectional characters as `\\x1b`.

    Line ends and tabs stay. See Unicode TR 36 and CVE-2021-42574 for why direction marks are not let through.
    """
    text = value if isinstance(value, str) else str(value)
    return clean(text, keep="\n\t")


def masked(it: Json) -> Json:
    """`it` with every sealed value as the word `(secret)`, however deep it lies."""
    if isinstance(it, dict):
        return "(secret)" if "sealed" in it else {name: masked(part) for name, part in it.items()}
    return [masked(part) for part in it] if isinstance(it, list) else it


def value(it: Json) -> str:
    """A field's value in a line: text as it is, lists with commas, nothing as `(nothing)`, secrets as `(secret)`."""
    if it is None:
        return "(nothing)"
    if isinstance(it, str):
        return visible(it) if it else '""'
    if isinstance(it, bool):
        return "true" if it else "false"
    it = masked(it)
    if isinstance(it, list):
        if not it:
            return "[]"
        if all(isinstance(part, (str, int, float)) for part in it):
            return ", ".join(value(part) for part in it)
    if isinstance(it, (dict, list)):
        return visible(json.dumps(it, ensure_ascii=False, sort_keys=True))
    return visible(it)


def block(it: Json) -> str:
    """A field's value in full, for a diff or a fold: lists one a line, mappings as indented JSON."""
    it = masked(it)
    if isinstance(it, list) and all(isinstance(part, str) for part in it):
        return "\n".join(visible(part) for part in it)
    if isinstance(it, (dict, list)):
        return visible(json.dumps(it, ensure_ascii=False, sort_keys=True, indent=2))
    return value(it)


def is_long(*values: Json) -> bool:
    return any("\n" in text or len(text) > VALUE_LENGTH for text in (value(it) for it in values))


@dataclass(frozen=True, kw_only=True)
class Diff:
    lines: tuple[tuple[str, str], ...]
    """(class, text): `add`, `take`, `at` or empty; the text keeps its sign."""
    added: int
    taken: int
    left: int
    """Lines that are not shown."""


def diff(before: Json, after: Json, old: str = "on the host", new: str = "in Git") -> Diff:
    """A unified diff whose both sides are named."""
    one, other = block(before).split("\n"), block(after).split("\n")
    if before is None:
        one = []
    if after is None:
        other = []
    lines: list[tuple[str, str]] = []
    added = taken = 0
    for line in difflib.unified_diff(one, other, old, new, lineterm=""):
        if line.startswith(("---", "+++")) and len(lines) < 2:
            lines.append(("at", line))
        elif line.startswith("+"):
            added += 1
            lines.append(("add", line))
        elif line.startswith("-"):
            taken += 1
            lines.append(("take", line))
        else:
            lines.append(("at" if line.startswith("@@") else "", line))
    return Diff(lines=tuple(lines[:DIFF_LINES]), added=added, taken=taken, left=max(0, len(lines) - DIFF_LINES))


def segment(text: Json) -> str:
    """One segment of a path: nothing of it can end the segment (RFC 3986, 2.2)."""
    return quote(str(text), safe="")


def time_tag(value: Json, now: datetime, words: str = "") -> Markup:
    """`<time>` with its age and, softer, the moment in UTC. `words` comes before: `seen`."""
    when = moment(value)
    if when is None:
        return Markup('<span class="soft">never</span>')
    ahead = when > now + timedelta(seconds=1)
    distance = span(abs((now - when).total_seconds()))
    text = f"in {distance}" if ahead else f"{distance} ago" if words == "ago" else distance
    return Markup('<time datetime="{}">{} <small>{}</small></time>').format(iso(value), text, escape(clock(value, now)))
