"""The reports' questions: one SELECT each over `now`, `host`, `problem` and `clock`, run on nothing that can be written."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import reports

from ..clock import moment, rfc3339
from ..core.model import Json
from ..core.problem import Problem, Refused
from . import troubles
from .arrays import numpy
from .db import words
from .view import VERDICTS, View

MOST = 10_000
"""Rows of one report; what is above is said."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """One folder of reports/."""

    name: str
    title: str
    description: str
    question: str


def read(name: str) -> Report:
    """Title and description are the first heading and the first paragraph of its README.md."""
    folder = reports.folders()[name]
    paragraphs = (folder / "README.md").read_text(encoding="utf-8").split("\n\n")
    return Report(
        name=name,
        title=paragraphs[0].removeprefix("# ").strip(),
        description=" ".join(paragraphs[1].split()),
        question=(folder / "question.sql").read_text(encoding="utf-8"),
    )


def answer(view: View, report: Report, problems: Sequence[Problem], now: float) -> dict[str, Json]:
    """Columns and rows, of JSON types. `problems`: those of the commit that the view is of. Raises Refused when its question is wrong."""
    sheet = view.sheet
    inventory = {
        "host_id": numpy.fromiter(sheet.hosts.values(), dtype="int32", count=len(sheet.hosts)),
        "labels": words([json.dumps(dict(sheet.desired.hosts[name].labels), sort_keys=True) for name in sheet.hosts]),
    }
    spreads = sheet.desired.spreads
    places = {
        "spread": numpy.arange(len(spreads), dtype="int32"),
        "path": words([spread.manifest.source.path for spread in spreads]),
        "line": numpy.array([spread.manifest.source.line for spread in spreads], dtype="int32"),
    }
    names_ = {
        "res_id": numpy.fromiter(sheet.refs.values(), dtype="int32", count=len(sheet.refs)),
        "kind": words([ref.kind for ref in sheet.refs]),
        "name": words([ref.name for ref in sheet.refs]),
    }
    found_wrong = {
        "code": words([one.code for one in problems]),
        "severity": words([one.severity for one in problems]),
        "path": words([one.path for one in problems]),
        "line": numpy.array([one.line for one in problems], dtype="int32"),
        "message": words([one.message for one in problems]),
        "hint": words([one.hint for one in problems]),
    }
    word = " ".join(f"WHEN {number} THEN '{verdict.value}'" for number, verdict in VERDICTS.items())
    with troubles.told(view.db.path), view.db.cursor() as cursor:
        cursor.register("report_inventory", inventory)
        cursor.register("report_places", places)
        cursor.register("report_names", names_)
        cursor.register("report_problems", found_wrong)
        cursor.execute("BEGIN")
        try:
            found = cursor.execute(_asked(view, report.question, word, now), {**view.values, "most": MOST + 1})
            columns = [column[0] for column in found.description or ()]
            rows = found.fetchall()
        except Exception as error:
            raise Refused(
                Problem(code="report-wrong", message=f"the question of report {report.name} is wrong: {error}"[:400])
            ) from error
        finally:
            cursor.execute("ROLLBACK")
    return {
        "title": report.title,
        "description": report.description,
        "columns": columns,
        "rows": [[_plain(cell) for cell in row] for row in rows[:MOST]],
        "cut": len(rows) > MOST,
    }


def _asked(view: View, question: str, word: str, now: float) -> str:
    """The question over its tables, which stand before it as WITH."""
    sheet = view.sheet
    return f"""
        WITH now AS (
            SELECT p.name AS host, coalesce(n.kind, r.kind) AS kind, coalesce(n.name, r.name) AS name,
                CASE one.what {word} END AS verdict,
                CASE one.status WHEN 1 THEN 'present' WHEN 2 THEN 'absent' ELSE 'unknown' END AS seen,
                b.text::JSON AS state, m.body::JSON AS moment, m.read_at AS moment_at, coalesce(nullif(one.failed_why, ''), one.why, '') AS why,
                i.labels::JSON AS labels, l.path, l.line, one.valid_from AS since, h.seen_at
            FROM ({view.resources()}) one
            JOIN {sheet.place} p ON p.host_id = one.host_id
            JOIN report_inventory i ON i.host_id = one.host_id
            LEFT JOIN main.host h ON h.host_id = one.host_id
            LEFT JOIN report_names n ON n.res_id = one.res_id
            LEFT JOIN resource r ON r.res_id = one.res_id
            LEFT JOIN report_places l ON l.spread = one.spread
            LEFT JOIN body b ON b.digest = one.state AND one.state <> 0
            LEFT JOIN moment m ON m.host_id = one.host_id AND m.res_id = one.res_id
        ), host AS (
            SELECT p.name AS host, i.labels::JSON AS labels, h.seen_at, coalesce(h.trouble, '') AS trouble
            FROM {sheet.place} p JOIN report_inventory i USING (host_id) LEFT JOIN main.host h USING (host_id)
        ), problem AS (FROM report_problems), clock AS (SELECT TIMESTAMP '{moment(now)}' AS utc)
        SELECT * FROM (\n{question.strip().rstrip(";")}\n) LIMIT $most
    """


def _plain(cell: Any) -> Json:
    if isinstance(cell, datetime.datetime):
        return rfc3339(cell)
    if isinstance(cell, (list, tuple)):
        return [_plain(item) for item in cell]
    if cell is None or isinstance(cell, (bool, int, float, str)):
        return cell
    return str(cell)
