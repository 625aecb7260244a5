"""example-repo/ is a fleet as people would keep it: it checks clean, and its plan is the golden one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
GOLDEN = HERE / "plan.txt"


def trueup(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from reconciler.cli import main; main()", *words],
        capture_output=True, text=True, check=False, timeout=60, cwd=cwd,
        env={**os.environ, "TRUEUP_STATE_DIR": str(cwd / "state"), "TRUEUP_CONFIG": "/dev/null", "NO_COLOR": "1"},
    )  # fmt: skip


def test_it_checks_clean(tmp_path: Path) -> None:
    done = trueup("check", str(ROOT / "example-repo"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("No problems")


def test_its_plan_is_the_golden_one(tmp_path: Path) -> None:
    """Outside a repository, so that no commit is in it. Line 1 has the plan's id, which is held here too. What the pages say
    is made from docs/ (`make gen`), and would be another release after each edit there: here they are all alike."""
    shutil.copytree(ROOT / "example-repo", tmp_path / "example-repo")
    for page in (tmp_path / "example-repo/web/manual").glob("**/*.html"):
        page.write_text("<!doctype html><title>A page</title>\n", encoding="utf-8")
    done = trueup("plan", "example-repo", "--full", "--observed", str(HERE / "observed.yaml"), cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    if os.environ.get("TRUEUP_BLESS") == "1":
        GOLDEN.write_text(done.stdout, encoding="utf-8")
    assert done.stdout == GOLDEN.read_text(encoding="utf-8"), "after reading the difference: make bless"
