"""The laws are worth something: each of these bugs, planted in a copy of core/, breaks at least one of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LAW: dict[str, str] = {
    "deletes what nobody owns": "test_nothing_is_deleted_that_is_not_owned",
    "removes what it found": "test_nothing_is_deleted_that_is_not_owned",
    "takes unknown for absent": "test_unknown_never_becomes_a_change",
    "calls an edit a drift": "test_reasons_are_true",
    "heals what is only to be reported": "test_report_only_drift_is_not_healed",
    "counts one delete too few": "test_guards_hold",
    "lets a plan of many deletes pass": "test_guards_hold",
    "forgets references": "test_order_respects_edges",
    "changes paused hosts": "test_a_paused_host_is_left_alone",
    "lets the order of rows show": "test_same_input_same_bytes",
    "shows a sealed value": "test_no_sealed_value_is_told",
    "tells fields that are the same": "test_fields_name_what_differs_and_no_more",
    "lets a roll-out go on past its failed wave": "test_a_failed_wave_holds_the_hosts_that_it_did_not_reach",
    "never tries again where a wave failed": "test_a_failed_wave_holds_the_hosts_that_it_did_not_reach",
}
"""Which law each bug must break: run alone, to know that it is the one."""

BUGS: dict[str, tuple[str, str, str]] = {
    "deletes what nobody owns": (
        "diff.py",
        "return _undeclared(kind, row) if row.owned else None",
        "return _undeclared(kind, replace(row, owned=row.owned or Owned(key=row.key, origin=Origin.CREATED, spec={}, "
        'digest="", commit="")))',
    ),
    "removes what it found": (
        "diff.py",
        "return kind.default_on_remove if owned.origin is Origin.CREATED else RELEASE",
        "return kind.default_on_remove",
    ),
    "takes unknown for absent": (
        "diff.py",
        "if isinstance(row.seen, Unknown):\n        return Left(key=row.key, why=row.seen.why, "
        'kind_of="unknown", source=row.desired.source)',
        "if isinstance(row.seen, Unknown):\n        row = replace(row, seen=Absent())",
    ),
    "calls an edit a drift": (
        "diff.py",
        "reason, drifted = Reason.EDITED_IN_GIT,",
        "reason, drifted = Reason.DRIFTED,",
    ),
    "heals what is only to be reported": ("diff.py", 'want.on_drift == "report"', 'want.on_drift == "never"'),
    "counts one delete too few": (
        "guard.py",
        "count >= limit.from_count and count * 100 > limit.percent * total",
        "count > limit.from_count and count * 100 > limit.percent * total",
    ),
    "lets a plan of many deletes pass": (
        "guard.py",
        "if len(deletes) > policy.deletes_in_all",
        "if len(deletes) > 10_000",
    ),
    "forgets references": ("order.py", "waits[ref].add(other)", "pass"),
    "changes paused hosts": (
        "plan.py",
        "return pause if pause is not None and pause.until > given.now else None",
        "return None",
    ),
    "lets the order of rows show": ("plan.py", "adopt=tuple(sorted(adopt))", "adopt=tuple(adopt)"),
    "shows a sealed value": (
        "plan.py",
        'if secret or (isinstance(value, Mapping) and "sealed" in value):',
        "if False:",
    ),
    "tells fields that are the same": (
        "diff.py",
        "if name not in state or not kind.same(name, want.spec[name], state[name])",
        "if True",
    ),
    "lets a roll-out go on past its failed wave": (
        "plan.py",
        "if held is not None and host not in held[1]",
        "if held is None and given.now < 0",
    ),
    "never tries again where a wave failed": (
        "wave.py",
        "return why, frozenset(host for run in shut for host in run.hosts)",
        "return why, frozenset()",
    ),
}


def _run(tmp: Path, bug: str) -> subprocess.CompletedProcess[str]:
    file, old, new = BUGS[bug]
    where = tmp / bug.replace(" ", "-")
    shutil.copytree(
        ROOT / "reconciler", where / "reconciler", ignore=shutil.ignore_patterns("__pycache__", "web", "trip")
    )
    shutil.copytree(ROOT / "tests" / "laws", where / "laws", ignore=shutil.ignore_patterns("__pycache__"))
    target = where / "reconciler" / "core" / file
    text = target.read_text()
    assert text.count(old) == 1, f"{bug}: the place where it is planted has moved in {file}"
    target.write_text(
        text.replace(old, new).replace(
            "from dataclasses import dataclass\n", "from dataclasses import dataclass, replace\n", 1
        )
    )
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"laws/test_laws.py::{LAW[bug]}"],
        cwd=where,
        env={**os.environ, "PYTHONPATH": str(where), "LAW_SHRINK": "no"},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, subprocess.CompletedProcess[str]]:
    tmp = tmp_path_factory.mktemp("bugs")
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(BUGS, pool.map(lambda bug: _run(tmp, bug), BUGS), strict=True))


@pytest.mark.parametrize("bug", sorted(BUGS))
def test_a_planted_bug_breaks_a_law(runs: dict[str, subprocess.CompletedProcess[str]], bug: str) -> None:
    done = runs[bug]
    assert done.returncode == 1, f"no law noticed a core that {bug}:\n{done.stdout[-2000:]}{done.stderr[-500:]}"
    assert "ERROR" not in done.stdout.splitlines()[-1], done.stdout[-2000:]
