"""How a terminal is spoken to: symbols with words, colours by what asks for them, nothing hostile through."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer

import reports
from reconciler.cli.at import parse
from reconciler.core.model import Verdict
from reconciler.tell import at, blame, diff, fields, history, report, status, words
from reconciler.tell.words import Manner, manner

ESCAPE = "\x1b[31mred\x07\u202e<script>\x9b"


class Stream(io.StringIO):
    def __init__(self, terminal: bool, encoding: str = "utf-8") -> None:
        super().__init__()
        self._terminal, self._encoding = terminal, encoding

    def isatty(self) -> bool:
        return self._terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


@pytest.mark.parametrize(
    ("terminal", "color", "env", "colour"),
    [
        (True, "auto", {}, True),
        (False, "auto", {}, False),
        (True, "auto", {"NO_COLOR": "1"}, False),
        (True, "auto", {"TERM": "dumb"}, False),
        (False, "auto", {"FORCE_COLOR": "1"}, True),
        (False, "auto", {"FORCE_COLOR": "0"}, False),
        (False, "auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (False, "always", {"NO_COLOR": "1"}, True),
        (True, "never", {"FORCE_COLOR": "1"}, False),
    ],
)
def test_who_decides_on_colours(terminal: bool, color: str, env: Mapping[str, str], colour: bool) -> None:
    assert manner(Stream(terminal), color, env).colour is colour


def test_every_verdict_has_its_symbol_in_both_alphabets_in_the_one_order() -> None:
    assert list(words.SYMBOLS) == [verdict.value for verdict in Verdict]
    plain = manner(Stream(False, "ascii"), "auto", {})
    assert not plain.utf8
    shown = " ".join(plain.symbol(verdict.value) for verdict in Verdict)
    assert shown == "x ? * > = ok"


def test_without_utf8_everything_is_ascii() -> None:
    plain = Manner(utf8=False)
    for text in TEXTS(plain).values():
        assert text.isascii()


ROW = {
    "host": f"web{ESCAPE}",
    "verdict": "Failed",
    "why": ESCAPE,
    "since": "2026-11-24T14:00:00Z",
    "seenAt": None,
    "commit": ESCAPE,
}
WANTED = {"id": "e4a7d10" + "0" * 33, "subject": ESCAPE, "author": ESCAPE, "at": "2026-11-24T14:00:00Z"}
FIELD = {"path": ESCAPE, "before": f"a\n{ESCAPE}\n", "after": f"b\n{ESCAPE}\n"}
LIST = {"path": "keys", "before": [ESCAPE], "after": ["x"]}
RESOURCE = {
    "kind": "Lamp", "name": ESCAPE, "verdict": "Failed", "why": ESCAPE, "fields": [FIELD, LIST], "since": None,
    "source": {"path": ESCAPE, "line": 3, "commit": ESCAPE, "author": ESCAPE, "subject": ESCAPE},
    "origin": "created", "appliedAt": None, "appliedCommit": "", "tries": 2, "nextTry": "2026-11-24T14:30:00Z",
}  # fmt: skip
COUNTS = {verdict.value: int(verdict is Verdict.FAILED) for verdict in Verdict}
NOW = "2026-11-24T14:02:00Z"
EVENTS = [
    {"what": "change", "at": NOW, "host": ESCAPE, "kind": "Lamp", "name": ESCAPE, "action": "update", "reason": "Drifted",
     "fields": [FIELD], "onRemove": "", "result": "failed", "message": ESCAPE, "round": 1, "commit": ESCAPE},
    {"what": "seen", "at": NOW, "host": ESCAPE, "kind": "Lamp", "name": ESCAPE, "seen": "unknown", "why": ESCAPE, "fields": []},
    {"what": "trouble", "at": NOW, "host": ESCAPE, "kind": "", "name": "", "why": ESCAPE, "until": None},
]  # fmt: skip
HOST = {
    **ROW, "now": NOW, "next": ESCAPE, "wanted": WANTED, "labels": {ESCAPE: ESCAPE}, "address": ESCAPE, "mode": "enforce",
    "paused": {"who": ESCAPE, "why": ESCAPE, "until": NOW}, "facts": {"os": ESCAPE}, "counts": COUNTS, "total": 1, "more": 3,
    "resources": [RESOURCE], "unmanaged": [{}], "events": EVENTS,
}  # fmt: skip
FLEET = {
    "now": NOW, "fleet": ESCAPE, "branch": ESCAPE, "commit": WANTED, "tip": {"id": ESCAPE, "standing": "refused", "errors": 2},
    "counts": COUNTS, "total": 1, "hosts": [ROW], "more": 4, "nextLook": NOW, "stale": True, "newestLook": NOW, "oldestLook": NOW,
    "mode": "observe", "neverSeen": 1, "pauses": [{"selector": ESCAPE, "who": ESCAPE, "why": ESCAPE, "until": NOW}],
    "left": [ESCAPE] * 7,
}  # fmt: skip
AT = {
    "host": ESCAPE, "time": NOW, "seenAt": NOW, "looked": False, "next": ESCAPE,
    "resources": [{"kind": "Lamp", "name": ESCAPE, "seen": "unknown", "why": ESCAPE, "right": False, "state": {ESCAPE: ESCAPE}}],
}  # fmt: skip


def TEXTS(how: Manner) -> dict[str, str]:
    return {
        "fleet": status.fleet(FLEET, how, all_=False),
        "host": status.host(HOST, how, full=True),
        "diff": diff.text({**HOST}, how),
        "blame": blame.text({"host": ESCAPE, "now": NOW, "resources": [RESOURCE]}, how),
        "history": history.text({"events": EVENTS, "next": "1:2"}, how, full=True),
        "at": at.text(AT, how),
    }


def test_nothing_hostile_reaches_a_terminal() -> None:
    for name, text in TEXTS(Manner(utf8=True)).items():
        left = {char for char in text if not char.isprintable() and char != "\n"}
        assert not left, (name, left)


def test_lines_are_cut_on_a_terminal_and_only_there() -> None:
    long = {**FLEET, "hosts": [{**ROW, "host": "web-1", "why": "x" * 500}]}
    assert "x" * 500 in status.fleet(long, Manner())
    cut = status.fleet(long, Manner(width=80))
    table = cut[cut.index("HOST  ") :].split("\n")
    assert all(words.columns(line) <= 80 for line in table)


def test_counts_name_every_verdict_and_add_up() -> None:
    line = status.counts({"Failed": 2, "Converged": 1410}, 1412, Manner())
    assert (
        line == "✗ 2 Failed   ? 0 Unknown   ≠ 0 Drifted   ▸ 0 Progressing   ‖ 0 Paused   ✓ 1,410 Converged   of 1,412"
    )


def test_an_empty_fleet_says_what_to_do() -> None:
    empty = {**FLEET, "total": 0, "tip": None, "hosts": [], "commit": {**WANTED, "id": ""}, "left": []}
    assert "trueup init" in status.fleet(empty, Manner())


def test_a_diff_names_both_sides_and_says_what_was_cut() -> None:
    field = {
        "path": "content",
        "before": "\n".join(map(str, range(100))) + "\n",
        "after": "\n".join(map(str, range(50, 150))) + "\n",
    }
    made = list(fields.lines([field], Manner(), indent="", before="on the host", after="in Git"))
    assert "--- on the host" in made[1] and "+++ in Git" in made[2]
    assert made[-1].strip().startswith("…") and "--full" in made[-1]
    whole = list(fields.lines([field], Manner(), indent="", before="a", after="b", full=True))
    assert len(whole) > 100


# ---------------------------------------------------------------- reports

ANSWER: dict[str, Any] = {
    "title": "T", "description": "D", "columns": ["A", "B"], "rows": [[f"=cmd|'/c'!A1 | @bo {ESCAPE}", ["x", None, 1234]]],
    "fleet": ESCAPE, "commit": WANTED, "now": "2026-11-24T14:02:00.123456Z", "oldestLook": None, "hosts": 1, "neverSeen": 0,
}  # fmt: skip
REPORTS = list(reports.folders())


@pytest.mark.parametrize("name", REPORTS)
def test_reports_in_every_form(name: str) -> None:
    for rows in ([], ANSWER["rows"]):
        page = report.html({**ANSWER, "rows": rows}, report.template(name, "html"))
        assert "<script>" not in page.split("</style>")[1] and "\x1b" not in page
        text = report.markdown({**ANSWER, "rows": rows}, report.template(name, "md"))
        assert "\x1b" not in text and "14:02:00Z" in text
        for line in text.split("\n"):
            if line.startswith("| ") and "cmd" in line:
                assert line.replace("\\|", "").count("|") == 3 and "\\@bo" in line
    assert (reports.folders()[name] / "README.md").read_text().startswith("# ")


def test_csv_runs_nothing_in_a_spreadsheet() -> None:
    text = report.comma_separated(ANSWER)
    assert text.split("\r\n")[1].startswith("\"'=cmd") or text.split("\r\n")[1].startswith("'=cmd")
    assert len(text.strip().split("\r\n")) == 2
    assert json.dumps(text)


# ---------------------------------------------------------------- times

AT_NOON = datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h ago", "2026-11-24T10:00:00+01:00"),
        ("90m", "2026-11-24T10:30:00+01:00"),
        ("yesterday", "2026-11-23T12:00:00+01:00"),
        ("9:05", "2026-11-24T09:05:00+01:00"),
        ("14:02:03", "2026-11-24T14:02:03+01:00"),
        ("2026-11-20T08:00:00Z", "2026-11-20T08:00:00+00:00"),
        ("2026-11-20", "2026-11-20T00:00:00+01:00"),
    ],
)
def test_moments_as_people_write_them(text: str, expected: str) -> None:
    assert parse(text, AT_NOON) == datetime.datetime.fromisoformat(expected)


@pytest.mark.parametrize("text", ["", "soon", "25:00", "99999999999d", "2026-13-01", "-2h"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse(text, AT_NOON)


def test_the_folder_of_reports_is_the_repositorys() -> None:
    assert Path(__file__).parents[2] / "reports" == reports.HERE
    assert {"drift", "accounts", "cronjobs"} <= set(REPORTS)
