"""What the probe counts in a site's access logs: the last day, bounded, whatever stands in them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.systems.sites.kinds.site import probe
from tests.hostile import MOST, TEXTS

NOW = datetime(2026, 11, 28, 12, 30, tzinfo=UTC).timestamp()
LOG = "trueup-docs.access.log"


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(probe, "LOGS", str(tmp_path))
    return tmp_path


def line(ago: float = 60, target: str = "/", status: int = 200, size: int = 10, **more: Any) -> bytes:
    at = datetime.fromtimestamp(NOW - ago, UTC).isoformat(timespec="seconds")
    fields = {"time": at, "address": "192.0.2.1", "target": target, "status": status, "bytes": size, **more}
    return json.dumps(fields).encode() + b"\n"


def counted() -> dict[str, Any]:
    found = probe.traffic("docs", NOW)
    assert found is not None
    return found


def test_a_day_is_summed_up(logs: Path) -> None:
    old = line(90_000, "/too-old")
    today = [line(80_000, "/", 200, 100), line(7200, "/about", 304, 0), line(3500, "/gone?token=abc", 404, 20)]
    today += [line(200, "/gone?token=def", 404, 20), line(100, "/lost", 404, 20), line(5, "/x", 502, 7)]
    (logs / LOG).write_bytes(b"".join([old, *today]))
    hours = [0] * 24
    hours[1], hours[21], hours[23] = 1, 1, 4
    assert counted() == {
        "from": int(NOW) - 80_000,
        "whole": True,
        "requests": 6,
        "bytes": 167,
        "status": {"2xx": 1, "3xx": 1, "4xx": 3, "5xx": 1},
        "hours": hours,
        "missing": [{"path": "/gone", "count": 2}, {"path": "/lost", "count": 1}],
    }


def test_what_a_switch_asks_the_host_itself_is_nobodys_visit(logs: Path) -> None:
    ours, theirs = line(60, agent="trueup", address="127.0.0.1"), line(50, agent="trueup")
    (logs / LOG).write_bytes(ours + theirs + line(40, address="127.0.0.1", agent="curl/8"))
    assert counted()["requests"] == 2


def test_what_was_rotated_away_last_is_counted_too(logs: Path) -> None:
    (logs / LOG).write_bytes(line(60))
    (logs / f"{LOG}.1").write_bytes(line(90_000) + line(50_000) + line(40_000))
    assert (counted()["requests"], counted()["whole"]) == (3, True)


def test_where_more_was_rotated_away_it_is_not_the_whole_day(logs: Path) -> None:
    (logs / LOG).write_bytes(line(60))
    (logs / f"{LOG}.1").write_bytes(line(5000))
    assert counted()["whole"] is True, "there is no older one: the site is young"
    (logs / f"{LOG}.2.gz").write_bytes(b"")
    assert (counted()["requests"], counted()["whole"], counted()["from"]) == (2, False, int(NOW) - 5000)


def test_no_more_than_the_end_is_read(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (logs / LOG).write_bytes(b"".join(line(600 - number) for number in range(500)))
    (logs / f"{LOG}.1").write_bytes(line(5000))
    monkeypatch.setattr(probe, "TAIL", len(line()) * 100 + 7)
    found = counted()
    assert (found["requests"], found["whole"], found["from"]) == (100, False, int(NOW) - 200)


def test_without_a_log_nothing_is_said(logs: Path) -> None:
    assert probe.traffic("docs", NOW) is None
    (logs / LOG).write_bytes(b"")
    assert (counted()["requests"], counted()["from"], counted()["whole"]) == (0, int(NOW), True)


@pytest.mark.parametrize("planted", ["link", "pipe", "folder", "sparse"])
def test_what_stands_in_the_place_of_a_log_is_not_followed(logs: Path, planted: str) -> None:
    (logs / "secret").write_bytes(line(60, "/secret", 404))
    place = logs / LOG
    match planted:
        case "link":
            place.symlink_to("secret")
        case "pipe":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
        case "sparse":
            with place.open("wb") as file:
                file.truncate(1 << 40)
    found = probe.traffic("docs", NOW)
    assert found is None or found["requests"] == 0


HOSTILE = [
    b"not json at all",
    b"[" * 100_000,
    b'{"time":"2026-11-28T12:29:00+00:00","target":"/deep","status":200,"bytes":' + b"[" * 50_000,
    b'{"time":"2026-11-28T12:29:00+00:00","target":"/a","status":200,"bytes":' + b"9" * 5000 + b"}",
    b'{"time":"2026-11-28T12:29:00+00:00","target":"/a","status":true,"bytes":1}',
    b'{"time":"2026-11-28T12:29:00+00:00","target":["/a"],"status":404,"bytes":1}',
    b'{"time":"2026-11-28T12:29:00+00:00","target":"/a","status":404,"bytes":-1}',
    b'{"time":"2026-11-28T12:29:00+00:00","target":"/a","status":404,"bytes":NaN}',
    b'{"time":"9999-99-99T12:29:00+00:00","target":"/a","status":404,"bytes":1}',
    b'{"time":"0001-01-01T00:00:00-23:59","target":"/a","status":404,"bytes":1}',
    b'{"time":null,"target":"/a","status":404,"bytes":1}',
    b'"time"',
    b"null",
    b"\xff\xfe\x00",
    b'{"target":"' + b"a" * 200_000 + b'"}',
]


def test_lines_that_are_none_of_nginx_are_passed_over(logs: Path) -> None:
    (logs / LOG).write_bytes(b"".join(one + b"\n" + line(60) for one in HOSTILE))
    found = counted()
    # A line of the year one is older than a day: what stands before it is not read.
    assert found["requests"] <= len(HOSTILE) and found["missing"] == []


def test_paths_come_out_as_short_text(logs: Path) -> None:
    raw = b'{"time":"2026-11-28T12:29:00+00:00","target":"/\xff\xfe","status":404,"bytes":1}\n'
    lone = b'{"time":"2026-11-28T12:29:00+00:00","target":"/\\ud800","status":404,"bytes":1}\n'
    evil = line(60, "/<script>alert(1)</script>\u202e\x1b[31m", 404)
    (logs / LOG).write_bytes(raw + lone + evil + line(60, "/" + "x" * 5000, 404))
    paths = [one["path"] for one in counted()["missing"]]
    assert sorted(map(len, paths)) == [2, 3, 32, 200]
    assert all(path.encode("utf-8") for path in paths)
    assert "/\ufffd\ufffd" in paths and "/?" in paths


def test_a_scanner_of_paths_costs_no_more_than_its_log(logs: Path) -> None:
    (logs / LOG).write_bytes(b"".join(line(60, f"/{number}", 404) for number in range(20_000)))
    found = counted()
    assert len(found["missing"]) == probe.MISSING and len(json.dumps(found)) < 1000


@settings(max_examples=MOST // 4, deadline=None, suppress_health_check=list(HealthCheck))
@given(lines=st.lists(st.one_of(st.binary(max_size=80), TEXTS.map(lambda text: line(60, text, 404)), st.just(line()))))
def test_whatever_stands_in_a_log_the_answer_is_of_its_schema(logs: Path, lines: list[bytes]) -> None:
    import jsonschema

    (logs / LOG).write_bytes(b"\n".join(lines))
    schema = yaml.safe_load((Path(probe.__file__).parent / "schema.yaml").read_text())["state"]
    found = counted()
    jsonschema.validate({"traffic": found}, schema)
    assert json.loads(json.dumps(found)) == found and len(json.dumps(found)) < 16_384


def test_the_time_of_the_host_is_what_counts(logs: Path) -> None:
    """A log of a clock that was set back has lines of the future: they are of the last hour."""
    (logs / LOG).write_bytes(line(-7200) + line(60))
    assert counted()["hours"][23] == 2
