"""The pager: only on a terminal, only when the screen is too short, chosen by the reader."""

from __future__ import annotations

import os
import pty
from collections.abc import Mapping

import pytest

from reconciler.tell import pager

LONG = "".join(f"line {number}\n" for number in range(500))


@pytest.mark.parametrize(
    ("env", "program"),
    [
        ({}, ("less", "-FRX")),
        ({"PAGER": "more"}, ("more",)),
        ({"PAGER": "more", "TRUEUP_PAGER": "less -S"}, ("less", "-S")),
        ({"PAGER": "more", "TRUEUP_PAGER": ""}, ()),
        ({"PAGER": "cat"}, ()),
        ({"PAGER": "'"}, ()),
    ],
)
def test_who_chooses_the_pager(env: Mapping[str, str], program: tuple[str, ...]) -> None:
    assert pager.program(env) == program


def test_the_screen_holds_a_text_with_room_for_the_prompt() -> None:
    assert not pager.too_long("a\n" * 23, 80, 24)
    assert pager.too_long("a\n" * 24, 80, 24)
    assert pager.too_long("a" * 80 * 23 + "b\n", 80, 24), "a folded line takes more than one"


def shown(text: str, terminal: bool, **asked: object) -> str:
    """What arrives when a pager that says only `paged` is set."""
    reader, writer = pty.openpty() if terminal else os.pipe()
    env = {"TRUEUP_PAGER": "sh -c 'cat >/dev/null; echo paged'"}
    if "program" in asked:
        env["TRUEUP_PAGER"] = str(asked["program"])
    with os.fdopen(writer, "w") as stream:
        pager.show(text, wanted=bool(asked.get("wanted", True)), stream=stream, env=env)
        got = os.read(reader, 65536).decode() if text else ""
    os.close(reader)
    return got.replace("\r\n", "\n")


def test_only_a_long_text_on_a_terminal_is_paged() -> None:
    assert shown(LONG, terminal=True) == "paged\n"
    assert shown("short\n", terminal=True) == "short\n"
    assert shown(LONG, terminal=False) == LONG
    assert shown(LONG[:3000], terminal=True, wanted=False).startswith("line 0\n")


def test_a_pager_that_is_not_there_loses_nothing() -> None:
    assert shown(LONG[:3000], terminal=True, program="/nonexistent/pager").startswith("line 0\n")


def test_a_pager_that_is_left_early_is_no_error() -> None:
    assert shown("line\n" * 50000, terminal=True, program="echo left") == "left\n"
