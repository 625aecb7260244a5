"""A report in its forms: a page, Markdown, CSV (RFC 4180), JSON. Templates are of reports/: each report has its own
(NAME/page.FORM), which extends what all share (page.FORM)."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import reports

from ..core.model import Json
from .clean import clean

if TYPE_CHECKING:
    import jinja2

_FRACTION = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z$")

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font-family: system-ui, sans-serif; }}
body {{ margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; }} caption {{ text-align: left; font-weight: 600; padding: .25rem 0; }}
th, td {{ text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; }}
</style></head><body><main>
"""
TAIL = "\n</main></body></html>\n"


def cell(given: Json) -> str:
    """A cell as text: lists with commas, numbers with separators, what is missing empty."""
    if given is None:
        return ""
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, int):
        return f"{given:,}"
    if isinstance(given, list):
        return ", ".join(cell(item) for item in given)
    return clean(whole_seconds(given) if isinstance(given, str) else json.dumps(given, ensure_ascii=False))


def whole_seconds(given: str) -> str:
    """RFC 3339 without its fraction; any other text as it is."""
    return _FRACTION.sub(r"\1Z", given)


def markdown_cell(given: Json) -> str:
    """The same within a Markdown table: nothing in it can end the cell, mention anybody or become a tag."""
    return re.sub(r"([\\`*_{}\[\]()#|<>~@!&])", r"\\\1", cell(given).replace("\n", " "))


def template(name: str, form: str) -> str:
    """The template `page.FORM` of a report. Raises OSError."""
    return (reports.folders()[name] / f"page.{form}").read_text(encoding="utf-8")


def html(answer: Mapping[str, Json], template: str) -> str:
    """A whole page that stands alone."""
    from markupsafe import escape

    env = _environment(escaped=True)
    env.filters["cell"] = cell
    return HEAD.format(title=escape(answer["title"])) + env.from_string(template).render(**_names(answer)) + TAIL


def markdown(answer: Mapping[str, Json], template: str) -> str:
    env = _environment(escaped=False)
    env.filters["cell"] = markdown_cell
    return env.from_string(template).render(**_names(answer)).strip("\n") + "\n"


def _environment(*, escaped: bool) -> jinja2.Environment:
    """What a report's template may extend is in reports/: page.html and page.md, which it says one sentence to."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(reports.HERE),
        autoescape=escaped,  # noqa: S701 - Markdown: `cell` escapes
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _names(answer: Mapping[str, Json]) -> dict[str, Json]:
    return {
        "title": clean(answer["title"]),
        "description": clean(answer["description"]),
        "columns": [clean(column) for column in answer["columns"]],
        "rows": answer["rows"],
        "fleet": clean(answer["fleet"]),
        "commit": {name: clean(str(text or "")) for name, text in answer["commit"].items()},
        "now": whole_seconds(answer["now"]),
        "oldest_look": whole_seconds(answer["oldestLook"] or ""),
        "hosts": answer["hosts"],
        "never_seen": answer["neverSeen"],
    }


def comma_separated(answer: Mapping[str, Json]) -> str:
    """CSV. A cell that a spreadsheet would run as a formula (CWE-1236) gets a quote before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(answer["columns"])
    for row in answer["rows"]:
        writer.writerow([_csv_cell(item) for item in row])
    return out.getvalue()


def _csv_cell(given: Json) -> Json:
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        return given
    text = cell(given)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text
