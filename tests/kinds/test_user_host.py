"""The ops on lab hosts: they do what the stock module does, and nobody sees a hash on the way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lab
from reconciler.core.model import Op
from reconciler.kinds.user.kind import KIND

sys.path.insert(0, str(Path(__file__).parent))
from hosts import run_op, run_stock

from lab import raw

pytestmark = pytest.mark.hosts

ONE = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"
TWO = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"


@pytest.fixture(scope="module")
def host() -> Iterator[lab.LabHost]:
    with lab.up(1) as hosts:
        yield hosts[0]


def shadow(host: lab.LabHost, name: str) -> list[str]:
    """All fields of the account's line but its name."""
    return host.run(f"getent shadow {name}").stdout.strip().split(":")[1:]


@pytest.mark.parametrize("before", ["*", "!", "!*", f"!{ONE}", ONE, TWO])
@pytest.mark.parametrize("wanted", [ONE, "*"])
def test_it_leaves_the_line_that_the_stock_module_leaves(host: lab.LabHost, before: str, wanted: str) -> None:
    host.run("userdel ours 2>/dev/null; userdel stock 2>/dev/null; useradd -M ours; useradd -M stock", check=False)
    for name in ("ours", "stock"):
        host.run(f"usermod -p '{before}' {name}")
    answer = run_op(host, "user", {"name": "ours", "password": wanted})
    assert answer == {"changed": before != wanted, "failed": False, "msg": ""}
    run_stock(host, KIND, Op(module="trueup.user.op", args={"name": "stock", "password": wanted}))
    assert shadow(host, "ours") == shadow(host, "stock")
    assert shadow(host, "ours")[0] == wanted
    assert run_op(host, "user", {"name": "ours", "password": wanted})["changed"] is False


def test_the_hash_is_in_no_arguments(host: lab.LabHost) -> None:
    """chpasswd is put aside by one that writes down how it was called."""
    host.run("useradd -M seen; mv /usr/sbin/chpasswd /usr/sbin/chpasswd.real")
    host.write(
        "/usr/sbin/chpasswd",
        '#!/bin/sh\ntr "\\0" " " < /proc/$$/cmdline > /run/called\nexec /usr/sbin/chpasswd.real "$@"\n',
    )
    host.run("chmod 755 /usr/sbin/chpasswd")
    assert run_op(host, "user", {"name": "seen", "password": TWO})["changed"]
    assert "chpasswd -e" in host.read("/run/called") and TWO not in host.read("/run/called")
    assert shadow(host, "seen")[0] == TWO


def test_a_failure_is_told_without_the_hash(host: lab.LabHost) -> None:
    answer = run_op(host, "user", {"name": "nobody-there", "password": TWO})
    assert answer["failed"] and "nobody-there" in answer["msg"] and TWO not in answer["msg"]
    assert run_op(host, "user", {"name": "root", "password": "a:b"})["failed"]


ACCOUNTS: dict[str, dict[str, Any]] = {
    "plain": {"create_home": True},
    "homeless": {"create_home": False},
    "daemon1": {"create_home": False, "system": True},
    "daemon2": {"create_home": True, "system": True, "home": "/var/lib/daemon2", "shell": "/usr/sbin/nologin"},
    "whole": {"create_home": True, "uid": 4711, "group": "users", "groups": ["sudo", "adm"], "shell": "/bin/bash",
              "home": "/home/whole", "comment": "Who le, Room 1"},
    "bygid": {"create_home": True, "group": "100"},
    "nobodys": {"create_home": False, "home": "/nonexistent", "groups": []},
    "taken": {"create_home": True},
    "astray": {"create_home": True, "home": "/srv/deep/down/astray"},
    "there": {"create_home": True, "home": "/home/there"},
    "blank": {"create_home": True, "comment": "", "groups": ["games", "games"]},
    "end.s$": {"create_home": True, "uid": 4700, "system": True},
}  # fmt: skip


def test_new_accounts_are_as_the_stock_module_makes_them() -> None:
    """Every way in which the kind asks for one, judged by all of /etc, /home and /srv."""
    made = {name: {"system": False, **spec} for name, spec in ACCOUNTS.items()}
    with lab.up(2) as (ours, stock):
        for host in (ours, stock):
            host.run(
                "groupadd -g 4444 taken; mkdir -p /home/there; echo kept > /home/there/file; echo hi > /etc/skel/.greeting"
            )
        for name, spec in made.items():
            assert run_op(ours, "user", {"name": name, "create": spec}) == {"changed": True, "failed": False, "msg": ""}
        asked = (Op(module="trueup.user.op", args={"name": name, "create": spec}) for name, spec in made.items())
        run_stock(stock, KIND, *asked)
        assert raw.read(ours).differs(raw.read(stock)) == []
        assert "/home/plain/.greeting" in raw.read(ours).files


@pytest.mark.parametrize(
    ("name", "spec", "words"),
    [
        ("root", {}, "already exists"),
        ("fresh", {"group": "no-such-group"}, "no-such-group"),
        ("fresh", {"groups": ["adm", "no-such-group"]}, "no-such-group"),
        ("fresh", {"uid": 0}, "not unique"),
        ("bad name", {}, "bad name"),
        ("--root=/tmp", {}, "invalid user name"),
    ],
)
def test_an_account_that_cannot_be_made(host: lab.LabHost, name: str, spec: dict[str, Any], words: str) -> None:
    before = host.read("/etc/passwd")
    answer = run_op(host, "user", {"name": name, "create": {"system": False, "create_home": False, **spec}})
    assert answer["failed"] and words in answer["msg"], answer
    assert host.read("/etc/passwd") == before
