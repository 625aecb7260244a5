"""Contents reach a host's store whoever logs in there and whatever carries the plan out, and the store is the same then."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

import lab
from lab import Spec
from reconciler.core.model import PACKINGS, Freight, Result
from reconciler.trip import AnsibleTrip, playbook

from .cargos import Sender, place, right, stored
from .conftest import Fleet

pytestmark = pytest.mark.hosts
PASSWORD = "lab-sudo-word"


def test_who_logs_in_needs_sudo_only(make_fleet: Callable[..., Fleet]) -> None:
    specs = [Spec(user="ops", sudo="nopasswd"), Spec(user="ops", sudo="password", password=PASSWORD)]
    with lab.up(specs) as hosts:
        sender = Sender(make_fleet(hosts, become_password=PASSWORD))
        blobs = [sender.contents.add(b"\n%d \xff\n" % number * 1000) for number in range(5)]
        blobs.append(sender.contents.add(random.Random(7).randbytes(20_000_000)))
        sender.send(blobs)
        for host in hosts:
            assert stored(host) == {place(blob): right(sender.contents, blob) for blob in blobs}


def test_batch_plain_and_the_exported_playbook_leave_the_same_store(
    make_fleet: Callable[..., Fleet], tmp_path: Path
) -> None:
    with lab.up(3) as hosts:
        sender = Sender(make_fleet(hosts))
        fleet = sender.fleet
        made = random.Random(8)
        # Git's own hash of each is what names it, on every way.
        contents = [b"", b"short", b"<p>packs well</p>\n" * 3000, made.randbytes(30_000)]
        blobs = [sender.contents.add(data) for data in contents]
        visits = sender.visits([Freight(blob=blob, packed=frozenset(PACKINGS)) for blob in blobs])

        clone = tmp_path / "clone"
        subprocess.run(["git", "init", "-q", str(clone)], check=True)
        for data, blob in zip(contents, blobs, strict=True):
            done = subprocess.run(
                ["git", "-C", str(clone), "hash-object", "-w", "--stdin"], input=data, capture_output=True, check=True
            )
            assert done.stdout.decode().strip() == blob

        fleet.set(strategy="plain")
        fleet.trip = AnsibleTrip(fleet.kinds, fleet.settings, sender.contents)
        (planned,) = sender.go(visits[:1]).values()
        assert planned.trouble is None, planned.trouble
        assert [outcome.result for outcome in planned.outcomes] == [Result.OK]
        fleet.set(strategy="batch")
        fleet.trip = AnsibleTrip(fleet.kinds, fleet.settings, sender.contents)
        (batched,) = sender.go(visits[1:2]).values()
        assert batched.trouble is None, batched.trouble
        _play(playbook.export(visits[2:], fleet.kinds), hosts[2], clone, tmp_path)

        first = stored(hosts[1])
        assert {name.partition(".")[0] for name in first} == {place(blob) for blob in blobs}
        assert stored(hosts[0]) == first
        # Two programs that pack need not agree on every byte; what they hold and its time must be the same.
        last = stored(hosts[2])
        assert {name: seen for name, seen in last.items() if "." not in name} == {
            name: seen for name, seen in first.items() if "." not in name
        }
        assert {(_form(name), seen[1], seen[3]) for name, seen in last.items()} == {
            (_form(name), seen[1], seen[3])
            for name, seen in first.items()
            if shutil.which("brotli") or ".br" not in name
        }
        assert hosts[0].read("/etc/marker") == hosts[1].read("/etc/marker") == hosts[2].read("/etc/marker")


def _form(name: str) -> tuple[str, str]:
    """The content, and the ending of the form."""
    return name.partition(".")[0], name.rpartition(".")[2] if "." in name else ""


def _play(text: str, host: lab.LabHost, clone: Path, folder: Path) -> None:
    """What somebody without trueup would do, in a clone."""
    (clone / "export.yml").write_text(text)
    known = folder / "known"
    known.write_text("".join(f"{host.address} {key}\n" for key in host.host_keys))
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"}
    env["ANSIBLE_SSH_CONTROL_PATH_DIR"] = tempfile.gettempdir()
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-playbook"), "-i", f"{host.name},",
            "-e", f"ansible_host={host.address}", "--private-key", str(host.key),
            "--ssh-common-args", f"-o UserKnownHostsFile={known}", "-u", "root", "export.yml",
        ],
        cwd=clone, env=env, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and "rescued=0" in done.stdout, done.stdout + done.stderr
