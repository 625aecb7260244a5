"""The password op on a lab host: it does what the stock module does, and nobody sees the hash on the way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab
from reconciler.core.model import Op
from reconciler.kinds.user.kind import KIND

sys.path.insert(0, str(Path(__file__).parent))
from hosts import run_op, run_stock

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
