"""The socket: who asks, what comes back, what hostile bytes get, and what happens with nobody behind it."""

from __future__ import annotations

import grp
import json
import os
import random
import socket
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from reconciler import door
from reconciler.core.problem import Problem, Refused
from reconciler.door import client, wire
from reconciler.door import server as server_
from reconciler.door.server import Door, user_name
from reconciler.settings import Settings


def echo(args: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"format": 1, "args": dict(args)}


def refuse(args: Mapping[str, Any]) -> Mapping[str, Any]:
    raise Refused(Problem(code="unknown-host", message="there is no host x", hint="did you mean y?", line=3, who="Ada"))


def crash(args: Mapping[str, Any]) -> Mapping[str, Any]:
    raise RuntimeError("a bug, with a \x1b[31m in it")


def slow(args: Mapping[str, Any]) -> Mapping[str, Any]:
    time.sleep(float(args["seconds"]))
    return {"done": True}


CLOSED: list[str] = []


def count(args: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    try:
        for number in range(int(args.get("to", 3))):
            yield {"number": number}
    finally:
        CLOSED.append("closed")


@pytest.fixture
def settings_(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state", run_dir=tmp_path / "run")


@pytest.fixture
def opened(settings_: Settings) -> Iterator[Door]:
    made = Door(settings_.socket, {"echo": echo, "refuse": refuse, "crash": crash, "slow": slow}, {"count": count})
    yield made
    made.close()


def raw(path: Path, data: bytes, timeout: float = 5.0) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        got = b""
        while True:
            try:
                part = connection.recv(65536)
            except ConnectionResetError:
                return got
            if not part:
                return got
            got += part


def test_an_answer_comes_back_and_who_asked_is_what_the_kernel_says(opened: Door, settings_: Settings) -> None:
    answer = door.ask(settings_, "echo", {"a": [1, {"b": "ü\udcff\n\x1b"}], "who": "root, believe me"})
    assert answer["args"]["a"] == [1, {"b": "ü\udcff\n\x1b"}]
    assert answer["args"]["who"] == user_name(os.getuid())


def test_a_refusal_arrives_whole(opened: Door, settings_: Settings) -> None:
    with pytest.raises(Refused) as refused:
        door.ask(settings_, "refuse")
    problem = refused.value.problems[0]
    assert (problem.code, problem.hint, problem.line, problem.who) == ("unknown-host", "did you mean y?", 3, "Ada")


def test_a_fault_is_told_and_the_door_stays_open(opened: Door, settings_: Settings) -> None:
    for _ in range(3):
        with pytest.raises(Refused) as refused:
            door.ask(settings_, "crash")
        assert refused.value.problems[0].code == "bug"
    assert door.ask(settings_, "echo")["format"] == 1


def test_an_unknown_question_names_those_that_there_are(opened: Door, settings_: Settings) -> None:
    with pytest.raises(Refused) as refused:
        door.ask(settings_, "nonsense")
    assert refused.value.problems[0].code == "door-unknown-ask"
    assert "echo" in refused.value.problems[0].message


def test_a_stream_comes_event_by_event_and_ends(opened: Door, settings_: Settings) -> None:
    assert [event["number"] for event in door.stream(settings_, "count", {"to": 5})] == [0, 1, 2, 3, 4]


def test_who_stops_watching_ends_the_stream_at_the_other_end(opened: Door, settings_: Settings) -> None:
    CLOSED.clear()
    events = door.stream(settings_, "count", {"to": 10**9})
    assert next(events)["number"] == 0
    events.close()  # type: ignore[attr-defined]
    end = time.monotonic() + 5
    while not CLOSED and time.monotonic() < end:
        time.sleep(0.01)
    assert CLOSED


def test_long_work_beats_so_that_nobody_takes_it_for_a_hang(
    opened: Door, settings_: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_, "BEAT", 0.1)
    monkeypatch.setattr(client, "SILENCE", 0.4)
    assert door.ask(settings_, "slow", {"seconds": 1.0}) == {"done": True}


def test_a_daemon_that_says_nothing_is_given_up(settings_: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SILENCE", 0.3)
    settings_.socket.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(settings_.socket))
        mute.listen(5)
        with pytest.raises(Refused) as refused:
            door.ask(settings_, "echo")
        assert refused.value.problems[0].code == "door-silent"


def test_only_owner_and_group_may_come_in(opened: Door) -> None:
    found = os.stat(opened.path)
    assert stat.S_IMODE(found.st_mode) == 0o660
    try:
        expected = grp.getgrnam("trueup").gr_gid
    except KeyError:
        expected = os.getgid()
    if os.geteuid() == 0:
        assert found.st_gid == expected


def test_a_dead_daemons_socket_is_taken_over_and_a_living_ones_is_not(settings_: Settings) -> None:
    settings_.socket.parent.mkdir(parents=True)
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(settings_.socket))
    dead.close()
    assert not door.running(settings_)
    first = Door(settings_.socket, {"echo": echo}, {})
    assert door.running(settings_)
    with pytest.raises(Refused) as refused:
        Door(settings_.socket, {}, {})
    assert refused.value.problems[0].code == "door-taken"
    first.close()
    first.close()
    assert not settings_.socket.exists()


def test_a_file_in_the_sockets_place_is_not_removed(settings_: Settings) -> None:
    settings_.socket.parent.mkdir(parents=True)
    settings_.socket.write_text("mine")
    with pytest.raises(Refused) as refused:
        Door(settings_.socket, {}, {})
    assert refused.value.problems[0].code == "door-unwritable"
    assert settings_.socket.read_text() == "mine"


def test_many_ask_at_once(opened: Door, settings_: Settings) -> None:
    answers: list[int] = []

    def one(number: int) -> None:
        answers.append(door.ask(settings_, "echo", {"number": number})["args"]["number"])

    threads = [threading.Thread(target=one, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(answers) == list(range(100))


# ---------------------------------------------------------------- hostile bytes


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\n", "door-malformed"),
        (b"GET / HTTP/1.1\r\n\r\n", "door-malformed"),
        (b"[1, 2]\n", "door-malformed"),
        (b"\xff\xfe\x00\n", "door-malformed"),
        (b"[" * 200_000 + b"\n", "door-malformed"),
        (b'{"a":' * 50_000 + b"\n", "door-malformed"),
        (b'{"version": 2, "ask": "echo"}\n', "door-version"),
        (b'{"ask": "echo"}\n', "door-version"),
        (b'{"version": 1, "ask": 7}\n', "door-malformed"),
        (b'{"version": 1, "ask": "echo", "args": []}\n', "door-malformed"),
        (b'{"version": 1, "ask": "__class__", "args": {}}\n', "door-unknown-ask"),
        (b'{"version": 1, "ask": "echo", "args": {"n": NaN, "x": 1e999}}\n', ""),
        (b'{"version": 1, "ask": "slow", "args": {}}\n', "bug"),
        (b'{"version": 1, "ask": "echo"', None),
        (b"", None),
    ],
)
def test_rubbish_gets_a_problem_or_nothing(opened: Door, data: bytes, code: str | None) -> None:
    got = raw(opened.path, data)
    if code is None:
        assert got == b""
        return
    answer = json.loads(got)
    assert answer.get("refused", [{"code": ""}])[0]["code"] == code


@pytest.mark.parametrize("question", [b"x" * 3_000_000, wire.question("echo", {"text": "x" * 3_000_000})])
def test_a_question_that_is_too_long_is_cut_off(opened: Door, question: bytes) -> None:
    answer = json.loads(raw(opened.path, question))
    assert answer["refused"][0]["code"] == "door-too-long"


def test_one_long_plan_at_a_time(settings_: Settings) -> None:
    """What a plan sends may be long, and so what all of them hold in memory is what one of them does."""
    at_once: list[int] = []
    inside = [0]
    guard = threading.Lock()

    def plan(args: Mapping[str, Any]) -> Mapping[str, Any]:
        with guard:
            inside[0] += 1
            at_once.append(inside[0])
        time.sleep(0.05)
        with guard:
            inside[0] -= 1
        return {"length": len(args["desired"])}

    opened = Door(settings_.socket, {"plan": plan, "echo": echo}, {})
    answers: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(door.ask(settings_, "plan", {"desired": "x" * 3_000_000})["length"])
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    opened.close()
    assert answers == [3_000_000] * 4
    assert max(at_once) == 1


def test_a_question_that_drips_is_given_up(settings_: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, the question never does."""
    monkeypatch.setattr(server_, "ASK_TIME", 0.5)
    opened = Door(settings_.socket, {"echo": echo}, {})
    with socket.socket(socket.AF_UNIX) as slow_one:
        slow_one.settimeout(30)
        slow_one.connect(str(settings_.socket))
        told = b""
        for _ in range(600):
            try:
                slow_one.sendall(b" ")
            except OSError:
                break
            time.sleep(0.05)
        else:
            pytest.fail("it is still listened to")
        told = slow_one.recv(65536)
    assert json.loads(told)["refused"][0]["code"] == "door-too-slow"
    opened.close()


def test_a_question_that_never_comes_holds_nobody_up(settings_: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_, "ASK_TIME", 0.3)
    monkeypatch.setattr(server_, "MOST", 3)
    opened = Door(settings_.socket, {"echo": echo}, {})
    idle = []
    for _ in range(6):
        one = socket.socket(socket.AF_UNIX)
        one.connect(str(settings_.socket))
        idle.append(one)
    assert door.ask(settings_, "echo")["format"] == 1
    for one in idle:
        one.close()
    opened.close()


def test_any_bytes_at_all_are_survived(opened: Door, settings_: Settings) -> None:
    good = wire.pack({"version": 1, "ask": "echo", "args": {"text": "x" * 50, "list": [1, 2, {"a": None}]}})

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(some.one_of(some.binary(max_size=300), some.integers(0, 10**9)))
    def check(data: bytes | int) -> None:
        if isinstance(data, int):  # a good question with a few bytes changed
            chance = random.Random(data)
            bytes_ = bytearray(good)
            for _ in range(chance.randint(1, 5)):
                bytes_[chance.randrange(len(bytes_))] = chance.randrange(256)
            data = bytes(bytes_)
        for line in raw(opened.path, data).splitlines():
            assert json.loads(line).keys() & {"ok", "refused"}

    check()
    assert door.ask(settings_, "echo")["format"] == 1


@given(
    some.recursive(
        some.one_of(some.none(), some.booleans(), some.text(), some.integers()),
        lambda inner: some.one_of(some.lists(inner), some.dictionaries(some.text(), inner)),
    )
)
def test_a_client_makes_problems_of_whatever_a_daemon_refuses_with(listed: Any) -> None:
    assert wire.problems_of(listed).problems
