"""What names nothing is said to name nothing: it never looks like a fleet with nothing to do."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from reconciler.cli import main
from reconciler.cli.at import parse

EXAMPLE = Path(__file__).parents[2] / "example-repo"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--host", "nohost"], 1, "unknown-host"),
        (["--kind", "Usr"], 1, "the kinds are CronJob"),
        (["--kind", "User"], 2, ""),
    ],
)
def test_plan_of_what_is_not_there(
    words: list[str], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = tmp_path / "seen.yaml"
    seen.write_text("[]\n")
    with pytest.raises(SystemExit) as ended:
        main(["plan", str(EXAMPLE), "--observed", str(seen), *words])
    assert ended.value.code == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h ago", 7200), ("2 hours ago", 7200), ("1 minute ago", 60), ("5 min", 300), ("3 days ago", 259200)],
)
def test_moments_as_people_write_them(text: str, seconds: int) -> None:
    now = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
    assert parse(text, now) == now - datetime.timedelta(seconds=seconds)
