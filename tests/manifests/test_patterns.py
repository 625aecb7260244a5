"""Patterns of schemas mean what ECMA-262 says: `$` is the end of the text, and nothing hides behind a line break."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.kind import Kinds
from reconciler.manifests import ecma, schema
from reconciler.manifests.kinds import load_kinds
from reconciler.manifests.validate import Judges

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ("a", "root", "/bin/sh", "0644", "10m", "File/x", "A/b", "1.0", "ssh-ed25519 AAAA", "web", "x:y", "* * * * *")


@pytest.fixture(scope="module")
def kinds() -> Kinds:
    return load_kinds()


def parts(value: Any, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema within a schema that has a pattern, with its place."""
    if isinstance(value, dict):
        if isinstance(value.get("pattern"), str):
            yield at, value
        for name, inner in value.items():
            yield from parts(inner, f"{at}/{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from parts(inner, f"{at}/{number}")


def everything(kinds: Kinds) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind in schema.all_kinds(kinds):
        yield from parts(schema.envelope(kinds, kind), kind)
    for kind in kinds.by_name:
        yield from parts(kinds.schemas[kind]["state"], f"{kind}.state")
    for path in sorted((ROOT / "schemas").glob("*.json")):
        yield from parts(json.loads(path.read_text(encoding="utf-8")), path.name)


def test_no_pattern_of_any_schema_lets_a_last_line_break_pass(kinds: Kinds) -> None:
    judged = anchored = 0
    for where, part in everything(kinds):
        judged += 1
        pattern = ecma.compile_pattern(part["pattern"])
        if not part["pattern"].endswith("$"):
            continue
        anchored += 1
        for sample in (*SAMPLES, *(text for text in part.get("examples", ()) if isinstance(text, str))):
            if pattern.search(sample):
                free = part["pattern"].endswith((".*$", ".+$"))  # the rest may be anything, but a line break is not `.`
                assert not pattern.search(sample + "\n"), (where, sample, free)
    assert anchored > 20 and judged >= anchored


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("CronJob", "user", "root\n"),
        ("User", "shell", "/bin/sh\n"),
        ("File", "owner", "root\n"),
        ("Host", "user", "root\n"),
        ("Host", "becomeUser", "root\n"),
    ],
)
def test_the_quick_judge_and_the_slow_one_both_refuse_it(kinds: Kinds, kind: str, field: str, value: str) -> None:
    judges = Judges(kinds)
    spec = {"CronJob": {"schedule": "@daily", "command": "true", "user": "root"}, "File": {"content": "x"}}.get(
        kind, {}
    )
    right = {"hosts": "all", **spec} if kind != "Host" else {}
    for text, fine in ((value.rstrip("\n"), True), (value, False)):
        document = {
            "apiVersion": schema.API_VERSION, "kind": kind, "metadata": {"name": "x"}, "spec": {**right, field: text},
        }  # fmt: skip
        assert judges.accepts(kind, document) is fine
        assert (not list(judges.errors(kind, document))) is fine


def test_only_an_anchor_is_translated() -> None:
    for pattern, text, found in (
        (r"^a$", "a", True), (r"^a$", "a\n", False), (r"a|b$", "b\n", False), (r"^a\$$", "a$", True),
        (r"^[$]$", "$", True), (r"^[\]$]$", "$", True), (r"^\\$", "\\", True), (r"^\\$", "\\\n", False), (r"^(a$|b)", "a\n", False),
    ):  # fmt: skip
        assert bool(ecma.compile_pattern(pattern).search(text)) is found, (pattern, text)
    assert re.search(r"^a$", "a\n"), "which is why"
