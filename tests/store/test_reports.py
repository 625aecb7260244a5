"""What a report's question can ask: what is observed, what is of the moment, hosts, and what check finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.core.model import Json, Present
from reconciler.core.problem import Problem
from reconciler.store import DuckStore
from reconciler.store.report import Report, answer

from .worlds import KINDS, NOW, desired, meaning, report, spread

FLEET = desired(["web-1", "web-2"], spread("Lamp", "hall", ["web-1", "web-2"], same=meaning({"colour": "red"})))
WRONG = (Problem(code="dead-link", message="/a leads nowhere", path="site/index.html", line=7, severity="warning", hint="mend it"),)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    made = DuckStore(tmp_path / "state.duckdb", KINDS)
    made.took(
        report("web-1", {("Lamp", "hall"): Present({"colour": "red", "flicker": {"times": 3}})}, at=NOW), FLEET, NOW
    )
    made.flush()
    yield made
    made.close()


def asked(store: DuckStore, sql: str) -> Json:
    said = Report(name="test", title="", description="", question=sql)
    return answer(store.view(FLEET), said, WRONG, NOW + 60)["rows"]


def test_what_is_of_the_moment_stands_beside_the_state(store: DuckStore) -> None:
    rows = asked(store, "SELECT host, state->>'colour', moment->>'$.flicker.times', moment_at FROM now ORDER BY host")
    assert rows == [["web-1", "red", "3", "2025-10-09T08:53:20Z"], ["web-2", None, None, None]]


def test_what_check_found_in_the_commit_can_be_asked_for(store: DuckStore) -> None:
    rows = asked(store, "SELECT code, severity, path, line, message, hint FROM problem")
    assert rows == [["dead-link", "warning", "site/index.html", 7, "/a leads nowhere", "mend it"]]


def test_a_question_that_hangs_on_the_time_has_the_one_of_asking(store: DuckStore) -> None:
    assert asked(store, "SELECT utc FROM clock") == [["2025-10-09T08:54:20Z"]]
