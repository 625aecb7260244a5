"""Help, as people read it: every command with an example, values called by what they are, nothing cut."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler import __version__
from reconciler.cli import command_names, main

ROOT = Path(__file__).parents[2]


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out + told.err


@pytest.mark.parametrize("name", sorted(set(command_names()) - {"gen", "hook"}))
def test_every_command_has_an_example_and_names_its_values(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said(capsys, name, "--help")
    assert code == 0
    assert f"trueup {name}" in text.partition("Example")[2], "an example that calls it"
    assert not re.search(r"<(str|int|float|path|list|class|int range)\b|TEXT|INTEGER|FLOAT", text)


def test_no_commands_sentence_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said(capsys, "--help")
    assert code == 0
    assert "..." not in text.partition("Commands:")[2]


def test_the_version_is_asked_for_in_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--version"], ["version"]):
        code, text = said(capsys, *words)
        assert code == 0
        assert text.startswith(f"trueup {__version__}")
        assert text.rstrip().endswith(f"Python {platform.python_version()}")


def test_every_code_that_is_refused_with_is_documented() -> None:
    page = (ROOT / "docs/reference/problems.md").read_text("utf-8")
    documented = set(re.findall(r"^### `([a-z0-9-]+)`", page, re.MULTILINE))
    told: dict[str, str] = {}
    for path in sorted((ROOT / "reconciler").rglob("*.py")):
        for code in re.findall(r'Problem\(\s*code="([a-z0-9-]+)"', path.read_text("utf-8")):
            told[code] = str(path.relative_to(ROOT))
    assert {code: path for code, path in told.items() if code not in documented} == {}


@pytest.mark.parametrize(
    ("color", "env", "coloured"), [("always", "", True), ("never", "1", False), ("auto", "", False)]
)
def test_a_plan_has_colours_where_they_are_wanted(
    color: str,
    env: str,
    coloured: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", env)
    monkeypatch.setenv("NO_COLOR", "")
    seen = tmp_path / "seen.yaml"
    seen.write_text("[]\n")
    code, text = said(capsys, "plan", str(ROOT / "example-repo"), "--observed", str(seen), "--color", color)
    assert code == 2
    assert ("\x1b[32m+ " in text) is coloured
    assert ("\x1b[" in text) is coloured


def test_what_is_not_there_is_an_error_and_what_cannot_be_read_is_a_usage_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert said(capsys, "explain", "Usr")[0] == 1
    assert said(capsys, "explain", "User.shel")[0] == 1
    assert said(capsys, "explain", "--nonsense")[0] == 64


def test_a_reader_that_left_is_no_error_and_a_full_disk_is_not_called_a_fault_of_trueup() -> None:
    trueup = [sys.executable, "-c", "from reconciler.cli import main; main()", "explain", "User"]
    read, write = os.pipe()
    os.close(read)
    left = subprocess.run(trueup, stdout=write, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.close(write)
    assert (left.returncode, left.stderr) == (0, "")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(trueup, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("error[no-space]: No space left on device\n  next: ")


def test_a_wrong_word_is_told_in_words_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said(capsys, "state", "check")
    assert code == 64
    assert "'check' is not one of 'backup'" in text and "Value error" not in text
