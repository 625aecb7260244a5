"""Whatever a host answers, within the frame or around it: a report that holds, or a BadAnswer; no other error, no hang."""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.core.model import Host, Key, Look, Present, Report, Unknown, Visit, canonical
from reconciler.trip import wire
from tests.hostile import JSON, KEYS, MOST

MARK = "TRUEUP-0123"
VISIT = Visit(
    host=Host(name="web-1"),
    looks=(Look(key=Key("web-1", "File", "/a"), request={}), Look(key=Key("web-1", "User", "b"), request={})),
)
READINGS = st.one_of(
    JSON,
    st.fixed_dictionaries({"state": JSON}),
    st.fixed_dictionaries({"absent": st.booleans()}),
    st.fixed_dictionaries({"unknown": st.text(max_size=30)}),
)
OWNED = st.fixed_dictionaries(
    {name: st.one_of(st.text(max_size=5), JSON) for name in ("kind", "name", "digest", "commit", "onRemove")},
    optional={"origin": st.sampled_from(["created", "found", "stolen", 3]), "spec": JSON},
)
ANSWERS = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {"format": st.sampled_from([1, 1, 1, 2, "1", None])},
        optional={
            "machineId": st.one_of(st.text(max_size=70), JSON),
            "facts": st.one_of(JSON, st.dictionaries(st.sampled_from(["os", "clock", "uptime", "init"]), JSON)),
            "readings": st.one_of(JSON, st.lists(READINGS, min_size=2, max_size=2)),
            "outcomes": st.one_of(JSON, st.just([])),
            "extra": JSON,
            "owned": st.one_of(JSON, st.lists(st.one_of(OWNED, JSON), max_size=4)),
            "trouble": st.one_of(JSON, st.dictionaries(st.sampled_from(["code", "why"]), JSON)),
        },
    ),
)


def framed(body: bytes) -> str:
    packed = base64.b64encode(zlib.compress(body)).decode()
    return f"\n{MARK} {len(packed)}\n{packed}\n"


def read(text: str) -> Report | None:
    try:
        return wire.report(VISIT, wire.unframe(text, MARK), 1_000_000.0, 10.0)
    except wire.BadAnswer:
        return None


def holds(report: Report) -> None:
    """What the rest of trueup may rely on."""
    assert {reading.key for reading in report.readings} <= {look.key for look in VISIT.looks}
    for reading in report.readings:
        if isinstance(reading.seen, Present):
            assert isinstance(reading.seen.state, Mapping)
            canonical(dict(reading.seen.state)).encode("utf-8", "surrogatepass")
        if isinstance(reading.seen, Unknown):
            assert "\x1b" not in reading.seen.why and "\n" not in reading.seen.why
    assert all(mine.key.host == "web-1" for mine in report.owned or ()), "a host speaks for itself alone"
    assert all(isinstance(value, (str, float)) and value == value for value in report.facts.values())
    assert report.machine_id == "" or report.machine_id.isalnum()
    for value in report.facts.values():
        assert not isinstance(value, float) or math.isfinite(value)


@settings(max_examples=MOST, deadline=None, suppress_health_check=list(HealthCheck))
@given(answer=ANSWERS)
def test_any_json_in_the_frame(answer: Any) -> None:
    report = read(framed(json.dumps(answer).encode("utf-8", "surrogatepass")))
    if report is not None:
        holds(report)


@settings(max_examples=MOST // 2, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=200), before=st.binary(max_size=50), cut=st.integers(0, 400), text=st.text(max_size=60))
def test_any_bytes_as_an_answer(body: bytes, before: bytes, cut: int, text: str) -> None:
    whole = before.decode("latin-1") + framed(body)
    for told in (whole, whole[:cut], text, f"\n{MARK} {text}", framed(text.encode("utf-8", "surrogatepass"))):
        report = read(told)
        if report is not None:
            holds(report)


@settings(max_examples=20, deadline=None)
@given(depth=st.integers(10, 200_000), kind=st.sampled_from(["[", '{"a":']), key=KEYS)
def test_any_depth(depth: int, kind: str, key: str) -> None:
    """Nested beyond what Python's own reader takes, whole or cut."""
    inner = kind * depth + "1" + ("]" if kind == "[" else "}") * depth
    body = '{"format": 1, %s: %s, "readings": [{"state": %s}, {"absent": true}], "outcomes": []}'
    for text in (body % (json.dumps(key), inner, "{}"), body % ('"x"', "1", inner), kind * depth):
        report = read(framed(text.encode()))
        if report is not None:
            holds(report)
