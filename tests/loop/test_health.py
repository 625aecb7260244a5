"""/metrics, /readyz and /healthz: numbers that Prometheus takes, and ready only while the work is done."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import Any

import pytest

from reconciler.loop.health import Health, Part, state_part
from reconciler.loop.pulse import Pulse
from reconciler.settings import Settings
from reconciler.tell.metrics import Family, Sample, by_label, gauge, histogram, text

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LINE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\\\|\\"|\\n)*)"(?:,|$)')


def parsed(page: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """The text format as its description has it, strictly: each family's HELP and TYPE once and first, no sample twice,
    names as promtool's lint wants them."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    kinds: dict[str, str] = {}
    family = ""
    assert page.endswith("\n")
    for line in page.splitlines():
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
            assert family not in kinds and NAME.fullmatch(family) and line.split(" ", 3)[3], line
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == family and kind in ("counter", "gauge", "histogram"), line
            kinds[name] = kind
            assert name.endswith("_total") == (kind == "counter"), line
            continue
        match = LINE.fullmatch(line)
        assert match, line
        base = re.sub(r"_(bucket|sum|count)$", "", match["name"]) if kinds[family] == "histogram" else match["name"]
        assert base == family, line
        labels = tuple(LABEL.findall(match["labels"] or ""))
        assert "".join(f'{n}="{v}",' for n, v in labels).rstrip(",") == (match["labels"] or "").rstrip(","), line
        series = found.setdefault(match["name"], {})
        assert labels not in series, line
        series[labels] = float(match["value"])
    return found


def test_the_format_escapes_and_counts() -> None:
    page = text(
        [
            gauge("a_info", 'back\\slash\nand "quotes"', 1, text='a"b\\c\nd'),
            by_label("counter", "b_total", "Counted.", "why", {"x": 3, "y": 0.5}),
            histogram("c_seconds", "Took.", (0.5, 1), (1, 2), 3, 4.25),
            Family(name="d", kind="gauge", help="Odd ones.", samples=(Sample(value=math.inf),)),
        ]
    )
    found = parsed(page)
    assert page.startswith(
        '# HELP a_info back\\\\slash\\nand "quotes"\n# TYPE a_info gauge\na_info{text="a\\"b\\\\c\\nd"} 1\n'
    )
    assert found["b_total"] == {(("why", "x"),): 3, (("why", "y"),): 0.5}
    assert found["c_seconds_bucket"] == {(("le", "0.5"),): 1, (("le", "1"),): 2, (("le", "+Inf"),): 3}
    assert found["c_seconds_sum"] == {(): 4.25} and found["c_seconds_count"] == {(): 3}
    assert found["d"] == {(): math.inf}


def test_a_database_elsewhere_must_take_a_write_too(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    for folder in (tmp_path / "state", elsewhere):
        folder.mkdir()
    settings = Settings(state_dir=tmp_path / "state", database=elsewhere / "trueup.duckdb")
    assert state_part(settings).ok
    elsewhere.rmdir()
    told = state_part(settings)
    assert not told.ok and told.says == f"{elsewhere} can't be written: No such file or directory"


def test_the_pulse_counts_what_the_daemon_did() -> None:
    clock = [1000.0]
    pulse = Pulse(now=lambda: clock[0], monotonic=lambda: clock[0])
    assert pulse.silent == math.inf and pulse.rounds().outcome == ""
    pulse.beat()
    clock[0] += 5
    assert pulse.silent == 5
    pulse.began()
    assert pulse.rounds().began_at == 1005
    pulse.ended("converged", 0.2)
    clock[0] += 10
    pulse.ended("failed", 40)
    rounds = pulse.rounds()
    assert rounds.by_outcome["converged"] == rounds.by_outcome["failed"] == 1 and rounds.by_outcome["crashed"] == 0
    assert (rounds.success_at, rounds.ended_at, rounds.began_at, rounds.count) == (1005, 1015, 0, 2)
    assert rounds.within[0] == 0 and rounds.within[1] == 1 and rounds.within[-1] == 2


class Ready:
    """A daemon that can be put into any condition."""

    def __init__(self, tmp: Path) -> None:
        self.clock = [10_000.0]
        self.pulse = Pulse(now=lambda: self.clock[0], monotonic=lambda: self.clock[0])
        world: Any = type("World", (), {"settings": Settings(state_dir=tmp, run_dir=tmp), "refusal": ()})
        self.health = Health(
            world=world, pulse=self.pulse, stands=lambda: None, fetch_trouble=lambda: "", now=lambda: self.clock[0]
        )

    def wrong(self) -> dict[str, str]:
        return {part.check: part.says for part in self.health.ready() if not part.ok}


def test_ready_after_the_first_round_and_no_longer_when_rounds_stay_away(tmp_path: Path) -> None:
    daemon = Ready(tmp_path)
    assert daemon.wrong() == {"loop": "has not turned yet", "round": "none has ended yet"}
    daemon.pulse.beat()
    daemon.pulse.began()
    daemon.pulse.ended("failed", 1)
    assert daemon.wrong() == {}, "a failed host is no failure of trueup"
    daemon.clock[0] += 50
    assert daemon.wrong() == {}
    daemon.clock[0] += 20
    assert daemon.wrong() == {"loop": "has not turned for 70 s"}
    daemon.clock[0] += 4000
    daemon.pulse.beat()
    assert daemon.wrong() == {"round": "the last one ended 4070 s ago: failed"}
    daemon.pulse.began()
    daemon.clock[0] += 3000
    daemon.pulse.beat()
    assert daemon.wrong() == {}, "one that runs may be long"
    daemon.clock[0] += 4000
    daemon.pulse.beat()
    assert "runs since" in daemon.wrong()["round"]


@pytest.mark.parametrize(
    ("outcome", "ready"), [("crashed", False), ("refused", False), ("waiting", True), ("stopped", True)]
)
def test_a_crashed_round_is_not_ready_and_a_first_push_may_be_waited_for(
    tmp_path: Path, outcome: str, ready: bool
) -> None:
    daemon = Ready(tmp_path)
    daemon.pulse.beat()
    daemon.pulse.ended(outcome, 1)
    assert (daemon.wrong() == {}) is ready


def test_a_state_that_takes_no_write_is_not_ready(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "gone", run_dir=tmp_path)
    part = state_part(settings)
    assert not part.ok and "can't be written" in part.says
    assert state_part(Settings(state_dir=tmp_path, run_dir=tmp_path)) == Part(
        check="state", ok=True, says="can be written"
    )
    assert os.listdir(tmp_path) == []
    assert json.dumps(part.json())
