"""What the manual gives to copy is right: alerts name metrics that there are, settings are settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.cli import command_names
from reconciler.settings import Settings, fields, key_of

DOCS = Path(__file__).resolve().parents[2] / "docs"
SOURCE = (DOCS.parent / "reconciler/loop/health.py").read_text()
CHECKS = ("loop", "state", "round")


def metrics() -> set[str]:
    """Names that health.py gives, and those that a histogram adds."""
    found = set(re.findall(r'"((?:trueup|process)_[a-z_]+[a-z])"', SOURCE))
    return found | {f"trueup_ready_{check}" for check in CHECKS} | {"up"}


def rules() -> list[dict[str, Any]]:
    page = yaml.safe_load((DOCS / "examples/prometheus-rules.yml").read_text())
    assert set(page) == {"groups"}
    return [rule for group in page["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_each_alert_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"} and {"alert", "expr", "annotations"} <= set(
        rule
    )
    assert re.fullmatch(r"[A-Z][A-Za-z]+", rule["alert"])
    assert re.fullmatch(r"[0-9]+[smh]", rule.get("for", "0m"))
    named = set(re.findall(r"\b(?:trueup_[a-z_]+|up)\b", rule["expr"]))
    assert named and named <= metrics(), named - metrics()
    for opened, closed in ("()", "{}", "[]"):
        assert rule["expr"].count(opened) == rule["expr"].count(closed)
    for name in re.findall(r"(?:^|; |-u trueup )trueup ([a-z][a-z-]*)", rule["annotations"]["next"]):
        assert name in command_names(), name


def test_the_manual_lists_every_metric_and_no_other() -> None:
    page = (DOCS / "operate.md").read_text()
    told = set(re.findall(r"\btrueup_[a-z_]+[a-z]\b", page))
    assert told == {name for name in metrics() if name.startswith("trueup_")}


@pytest.mark.parametrize("page", ["operate.md", "install.md", "page.md", "doctor.md", "examples/nginx.conf"])
def test_settings_of_the_manual_are_settings(page: str) -> None:
    keys = {key_of(one.name) for one in fields(Settings)}
    text = (DOCS / page).read_text()
    said = set(re.findall(r"\b(?:page[A-Z]\w+|tls[A-Z]\w+|git[A-Z]\w+|logFormat|sshKey|listen[A-Z]\w+)\b", text))
    assert said and said <= keys, said - keys
