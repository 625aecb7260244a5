"""Secrets leave no trace with the strategy `plain` either (`batch`, the default, is tried by tests/e2e/test_secrets_stay.py)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab import Fleet
from tests.e2e.conftest import make_fleet as make_fleet
from tests.e2e.test_secrets_stay import no_trace


def test_no_trace_of_any_secret_by_the_exported_playbook(
    make_fleet: Callable[..., Fleet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_trace(make_fleet, tmp_path, monkeypatch, "plain")
