"""Every question with any arguments, and any bytes on the socket: an answer or a problem in words; no fault, no hang."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler import door
from reconciler.core.problem import Refused
from reconciler.door import wire
from reconciler.door.asks import ASKS
from tests.hostile import JSON, MOST, TEXTS

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
import simulated

ARGUMENTS = (
    "accept", "after", "at", "commit", "desired", "find", "for", "format", "host", "kind", "limit", "name", "plan", "rev",
    "selector", "since", "until", "verdict", "where", "who", "why", "yes",
)  # fmt: skip
MEANT = st.sampled_from(
    [
        "web-1",
        "web-*",
        "role=web",
        "File",
        "User",
        "ada",
        "/etc/motd",
        "drift",
        "HEAD",
        "main",
        "2h",
        "yesterday",
        "failed",
    ]
)
ARGS = st.dictionaries(st.sampled_from(ARGUMENTS), st.one_of(MEANT, MEANT, TEXTS, JSON), max_size=5)
FAULTS = {"bug", "state-fault"}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[simulated.Fleet]:
    made = simulated.full(tmp_path_factory.mktemp("fleet") / "full")
    yield made
    made.close()


@pytest.fixture(scope="module")
def opened(fleet: simulated.Fleet) -> Iterator[door.Door]:
    made = door.serve(fleet.world)
    yield made
    made.close()


@settings(max_examples=MOST // 2, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(sorted(ASKS.keys() - {"state-backup", "apply"})), args=ARGS)
def test_any_arguments(fleet: simulated.Fleet, name: str, args: dict[str, Any]) -> None:
    try:
        wire.pack(ASKS[name](fleet.world, args))
    except Refused as refused:
        assert refused.problems
        for problem in refused.problems:
            assert problem.code not in FAULTS, (problem.message, args)
            assert problem.message


def answer(opened: door.Door, sent: list[bytes], *, shut: bool = True) -> list[dict[str, Any]]:
    """What the daemon says to these bytes, sent piece by piece."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(60)
        line.connect(str(opened.path))
        try:
            for piece in sent:
                line.sendall(piece)
            if shut:
                line.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has refused already
        told = b""
        try:
            while piece := line.recv(65536):
                told += piece
        except ConnectionResetError:
            pass
    return [json.loads(one) for one in told.splitlines()]


QUESTION = wire.pack({"version": 1, "ask": "status", "args": {}})
BYTES = st.one_of(
    st.binary(max_size=300),
    st.integers(0, len(QUESTION)).map(lambda cut: QUESTION[:cut]),
    st.tuples(st.integers(0, len(QUESTION) - 1), st.binary(min_size=1, max_size=3)).map(
        lambda way: QUESTION[: way[0]] + way[1] + QUESTION[way[0] + 1 :]
    ),
    JSON.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass") + b"\n"),
    st.dictionaries(st.sampled_from(["version", "ask", "args"]), JSON).map(
        lambda value: json.dumps({"version": 1, **value}).encode() + b"\n"
    ),
    st.sampled_from(
        [b"[" * 200_000 + b"\n", b'{"a":' * 100_000 + b"\n", b"\n" * 5000, b"1e999\n", b"\xff\xfe\n", b"\0" * 70_000]
    ),
)


@settings(max_examples=MOST // 3, deadline=None, suppress_health_check=list(HealthCheck))
@given(sent=st.lists(BYTES, min_size=1, max_size=3))
def test_any_bytes(opened: door.Door, sent: list[bytes]) -> None:
    for told in answer(opened, sent):
        assert {"ok", "refused", "beat"} & told.keys()
        for problem in told.get("refused", ()):
            assert problem["code"] not in FAULTS, (problem, sent)


def test_after_all_that_it_answers_others(opened: door.Door, fleet: simulated.Fleet) -> None:
    slow = []
    for _ in range(8):  # who sends half a question and waits keeps nobody else waiting
        line = socket.socket(socket.AF_UNIX)
        line.connect(str(opened.path))
        line.sendall(QUESTION[:10])
        slow.append(line)
    begun = time.monotonic()
    (told,) = [one for one in answer(opened, [QUESTION]) if "ok" in one]
    assert told["ok"]["format"] == 1
    assert time.monotonic() - begun < 25, "it waited for those that say nothing"
    for line in slow:
        line.close()
