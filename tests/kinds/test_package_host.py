"""Package on lab hosts with a repository of their own: real apt and dpkg, no network. Its op beside the stock module."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import lab
from lab import LabHost, raw
from reconciler.core.kind import OpContext
from reconciler.core.model import Absent, Action, Change, Host, Key, Meaning, Op, Present, Reason, digest, observation
from reconciler.kinds.package.kind import KIND

sys.path.insert(0, str(Path(__file__).parent))
from hosts import run_op, run_probe, run_stock

pytestmark = pytest.mark.hosts

CONF = "Conffiles"


def deb(
    folder: Path, name: str, version: str, more: str = "", files: Mapping[str, str] | None = None, **scripts: str
) -> None:
    """Build one package; `files` in /etc are conffiles."""
    root = folder / f"{name}-{version}"
    (root / "DEBIAN").mkdir(parents=True)
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Lab <lab@example.com>\n{more}"
    (root / "DEBIAN/control").write_text(control + "Description: for a test\n")
    for path, text in (files or {}).items():
        (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (root / path.lstrip("/")).write_text(text)
    conffiles = [path for path in (files or {}) if path.startswith("/etc/")]
    (root / "DEBIAN/conffiles").write_text("".join(f"{path}\n" for path in conffiles))
    for script, text in scripts.items():
        (root / "DEBIAN" / script).write_text("#!/bin/sh\n" + text + "\n")
        (root / "DEBIAN" / script).chmod(0o755)
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", str(root), str(folder / f"{name}_{version}_all.deb")],
        check=True, capture_output=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A tar of a flat repository."""
    folder = tmp_path_factory.mktemp("debs")
    deb(
        folder,
        "hello-lab",
        "1.0-1",
        "Provides: greeter\n",
        {"/etc/hello-lab.conf": "one\n", "/usr/share/hello-lab": "1\n"},
    )
    deb(
        folder,
        "hello-lab",
        "2.0-1",
        "Provides: greeter\n",
        {"/etc/hello-lab.conf": "two\n", "/usr/share/hello-lab": "2\n"},
    )
    deb(folder, "hello-more", "1.0", "Depends: hello-lab\n")
    deb(folder, "c++-lab+", "1.0")
    deb(folder, "rude", "1.0", "Conflicts: hello-lab\n")
    # A daemon that keeps the output of its maintainer script open for ever.
    deb(folder, "noisy", "1.0", postinst="sleep 300 &")
    deb(folder, "fragile", "1.0", postinst="[ -e /etc/mended ]")
    for path in folder.iterdir():
        if path.is_dir():
            subprocess.run(["rm", "-r", str(path)], check=True)
    index = subprocess.run(["dpkg-scanpackages", "--multiversion", "."], cwd=folder, capture_output=True, check=False)
    if index.returncode:  # dpkg-dev is not everywhere: an index is a control file, its size and its digest
        import hashlib

        parts = []
        for path in sorted(folder.glob("*.deb")):
            control = subprocess.run(["dpkg-deb", "-f", str(path)], check=True, capture_output=True, text=True).stdout
            data = path.read_bytes()
            parts.append(
                f"{control}Filename: ./{path.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
            )
        (folder / "Packages").write_text("\n".join(parts))
    else:
        (folder / "Packages").write_bytes(index.stdout)
    return subprocess.run(["tar", "-C", str(folder), "-c", "."], check=True, capture_output=True).stdout


def stock_up(host: LabHost, archive: bytes) -> None:
    """Give a host the repository as its only source, never fetched yet."""
    import base64

    host.run(
        "mkdir -p /srv/debs && base64 -d | tar -C /srv/debs -x && chmod -R a+rX /srv/debs",
        input=base64.b64encode(archive).decode(),
    )
    host.run("rm -rf /etc/apt/sources.list.d/* /var/lib/apt/lists/*; mkdir -p /var/lib/apt/lists/partial")
    host.write("/etc/apt/sources.list", "deb [trusted=yes] file:/srv/debs ./\n")


@pytest.fixture(scope="module")
def pair(archive: bytes) -> Iterator[tuple[LabHost, LabHost]]:
    with lab.up(2) as hosts:
        for host in hosts:
            stock_up(host, archive)
        yield hosts[0], hosts[1]


def change(
    host: LabHost, name: str, spec: Mapping[str, Any] | None, on_remove: str = "", was: Mapping[str, Any] | None = None
) -> Change:
    want = Meaning(spec=KIND.normal(name, spec), digest=digest(spec)) if spec is not None else None
    request = KIND.look(name, want.spec if want else (was or {}), OpContext(host=Host(name="lab-1"), fleet="lab"))
    (answer,) = run_probe(host, "package", [request])
    seen = observation(answer)
    gone = want is None or KIND.wants_absence(want.spec)
    action = Action.DELETE if gone else Action.UPDATE if isinstance(seen, Present) else Action.CREATE
    return Change(
        key=Key("lab-1", "Package", name),
        action=action,
        reason=Reason.NEW_IN_GIT,
        fields=(),
        want=want,
        have=seen,
        on_remove=on_remove,
    )


def op_of(made: Change) -> Op:
    (op,) = KIND.ops(made, OpContext(host=Host(name="lab-1"), fleet="lab"))
    return op


def seen(host: LabHost, name: str, **more: Any) -> Any:
    (answer,) = run_probe(host, "package", [{"names": [name], **more}])
    return observation(answer)


STEPS: list[tuple[str, dict[str, Any] | None, str]] = [
    ("hello-lab", {"version": "1.0-1"}, ""),
    ("hello-lab", {"version": "2.0-1"}, ""),
    ("hello-lab", {"version": "1.0-1"}, ""),
    ("both", {"names": ["hello-lab", "hello-more"]}, ""),
    ("both", {"names": ["hello-lab", "hello-more"], "state": "absent"}, ""),
    ("hello-lab", None, "purge"),
]


def test_the_op_and_the_stock_module_leave_the_same_state(pair: tuple[LabHost, LabHost]) -> None:
    """Install with lists that were never fetched, upgrade over an edited configuration file, downgrade, add, remove, purge."""
    ours, stock = pair
    for number, (name, spec, on_remove) in enumerate(STEPS):
        made = change(ours, name, spec, on_remove)
        op = op_of(made)
        result = run_op(ours, "package", op.args)
        assert not result["failed"], result
        assert result["changed"]
        run_stock(stock, KIND, op)
        left, right = (set(raw.read(host).text().splitlines()) for host in pair)
        assert {line for line in left ^ right if "/etc/apt" not in line} == set(), (number, name)
        predicted, found = KIND.after(made), seen(ours, name if name != "both" else "hello-more")
        if isinstance(predicted, Present) and spec and "version" in spec:
            assert isinstance(found, Present) and KIND.same("version", spec["version"], found.state["version"])
        if isinstance(predicted, Absent):
            assert found == Absent()
        if number == 0:
            for host in pair:
                host.write("/etc/hello-lab.conf", "mine\n")
        assert (
            ours.read("/etc/hello-lab.conf") == "mine\n"
            if number < len(STEPS) - 1
            else not ours.exists("/etc/hello-lab.conf")
        )


def test_what_is_right_already_changes_nothing(pair: tuple[LabHost, LabHost]) -> None:
    host = pair[0]
    run_op(host, "package", {"names": ["hello-lab"], "state": "present"})
    assert run_op(host, "package", {"names": ["hello-lab"], "state": "present"}) == {
        "changed": False,
        "failed": False,
        "msg": "",
    }
    assert run_op(host, "package", {"names": ["hello-more"], "state": "absent"})["changed"] is False


def test_a_virtual_name_is_there_when_something_provides_it(pair: tuple[LabHost, LabHost]) -> None:
    run_op(pair[0], "package", {"names": ["hello-lab"], "state": "present"})
    found = seen(pair[0], "greeter")
    assert isinstance(found, Present) and found.state["providedBy"] == {"greeter": "hello-lab"}
    assert seen(pair[0], "greeter", absent=True) == Absent()


def test_removing_never_takes_another_package_along(pair: tuple[LabHost, LabHost]) -> None:
    host = pair[0]
    run_op(host, "package", {"names": ["hello-lab", "hello-more"], "state": "present"})
    result = run_op(host, "package", {"names": ["hello-lab"], "state": "absent"})
    assert result["failed"] and "hello-more needs" in result["msg"]
    assert isinstance(seen(host, "hello-lab"), Present)
    assert run_op(host, "package", {"names": ["hello-lab", "hello-more"], "state": "absent"})["changed"]


def test_installing_never_removes_another_package(pair: tuple[LabHost, LabHost]) -> None:
    host = pair[0]
    run_op(host, "package", {"names": ["hello-lab"], "state": "present"})
    result = run_op(host, "package", {"names": ["rude"], "state": "present"})
    assert result["failed"] and "would remove hello-lab" in result["msg"], result
    assert isinstance(seen(host, "hello-lab"), Present)


def test_a_held_package_is_told_and_left(pair: tuple[LabHost, LabHost]) -> None:
    host = pair[0]
    run_op(host, "package", {"names": ["hello-lab"], "state": "present", "version": "1.0-1"})
    host.run("apt-mark hold hello-lab")
    try:
        found = seen(host, "hello-lab")
        assert "apt-mark unhold" in KIND.refuses("hello-lab", {"version": "2.0-1"}, found)
        result = run_op(host, "package", {"names": ["hello-lab"], "state": "present", "version": "2.0-1"})
        assert result["failed"] and "held package" in result["msg"], result
    finally:
        host.run("apt-mark unhold hello-lab")


def test_an_unknown_name_fails_in_apts_words(pair: tuple[LabHost, LabHost]) -> None:
    result = run_op(pair[0], "package", {"names": ["no-such-thing"], "state": "present"})
    assert result["failed"] and "Unable to locate package no-such-thing" in result["msg"]


def test_a_name_is_a_name_and_no_pattern(pair: tuple[LabHost, LabHost]) -> None:
    """For apt-get, `hello.lab` is a regular expression when no package has that name, and `remove hello-lab+` installs."""
    host = pair[0]
    host.run("apt-get -q -y purge hello-lab; apt-get -q update")
    for name, state in (
        ("hello.lab", "present"),
        ("hello-la", "present"),
        ("hello-lab+", "present"),
        ("hello-lab+", "absent"),
    ):
        result = run_op(host, "package", {"names": [name], "state": state})
        assert result["failed"] and "Unable to locate package" in result["msg"], (name, state, result)
        assert isinstance(seen(host, "hello-lab"), Absent), (name, state)
    assert not run_op(host, "package", {"names": ["c++-lab+"], "state": "present"})["failed"]
    assert isinstance(seen(host, "c++-lab+"), Present)
    assert not run_op(host, "package", {"names": ["c++-lab+"], "state": "absent"})["failed"]
    assert isinstance(seen(host, "c++-lab+"), Absent)


def test_it_waits_while_another_process_holds_the_lock(pair: tuple[LabHost, LabHost]) -> None:
    host = pair[0]
    run_op(host, "package", {"names": ["hello-lab", "hello-more"], "state": "absent"})
    hold = (
        "import fcntl, time, os\nf = open('/var/lib/dpkg/lock-frontend', 'w')\nfcntl.lockf(f, fcntl.LOCK_EX)\n"
        "open('/run/held', 'w')\ntime.sleep(4)\n"
    )
    host.write("/run/hold.py", hold)
    host.run(
        "rm -f /run/held; nohup setsid python3 /run/hold.py >/dev/null 2>&1 & while [ ! -e /run/held ]; do sleep 0.1; done"
    )
    assert run_op(host, "package", {"names": ["hello-lab"], "state": "present"})["changed"]
    host.run(
        "rm -f /run/held; nohup setsid python3 /run/hold.py >/dev/null 2>&1 & while [ ! -e /run/held ]; do sleep 0.1; done"
    )
    result = run_op(host, "package", {"names": ["hello-lab"], "state": "absent", "limit": 1})
    assert result["failed"] and "locked" in result["msg"]


def test_a_daemon_that_keeps_the_output_open_delays_nobody(pair: tuple[LabHost, LabHost]) -> None:
    assert run_op(pair[0], "package", {"names": ["noisy"], "state": "present"}, timeout=60)["changed"]


def test_what_an_interruption_left_half_way_is_mended(pair: tuple[LabHost, LabHost]) -> None:
    host = pair[0]
    assert run_op(host, "package", {"names": ["fragile"], "state": "present"})["failed"]
    assert (
        seen(host, "fragile") == Absent()
    )  # unpacked, not configured: it counts as missing, so the next round mends it
    host.write("/etc/mended", "")
    assert not run_op(host, "package", {"names": ["fragile"], "state": "present"})["failed"]
    assert isinstance(seen(host, "fragile"), Present)
