"""The plain strategy and the exported playbook, as people ask for them, leave one state. That the batch leaves it too, and
ansible-lint's word on such a playbook: tests/trip/test_strategies.py."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from lab import Fleet, raw
from lab.fleet import PROJECT

from .test_first_apply import EVERYTHING, user


def fill(fleet: Fleet, public: str) -> None:
    for path, text in EVERYTHING.items():
        fleet.write(path, text.replace("This is {{ host }}", "Hello"))
    fleet.write("ada.yaml", user(public))
    fleet.land()


def test_plain_and_playbook(make_fleet: Callable[..., Fleet], ssh_key: tuple[Path, str], tmp_path: Path) -> None:
    plain, alone = make_fleet(1, strategy="plain"), make_fleet(1)
    for fleet in (plain, alone):
        fill(fleet, ssh_key[1])
    plain.apply()
    alone.trueup("observe")
    playbook(alone, tmp_path)
    left, right = (raw.read(fleet.hosts[0]) for fleet in (plain, alone))
    assert "/home/ada/.ssh/authorized_keys" in left.files
    assert left.differs(right) == []


def playbook(fleet: Fleet, folder: Path) -> None:
    """Run what `plan --format playbook` gives by a plain ansible-playbook."""
    path = folder / "site.yml"
    path.write_text(fleet.trueup("plan", "--format", "playbook", expect=(0, 2)).stdout)
    (host,) = fleet.hosts
    known = folder / "known_hosts"
    known.write_text("".join(f"{host.address} {key}\n" for key in host.host_keys))
    inventory = folder / "hosts.ini"
    inventory.write_text(
        f"{host.name} ansible_host={host.address} ansible_user=root ansible_ssh_private_key_file={fleet.key} "
        f"ansible_ssh_common_args='-o UserKnownHostsFile={known}' ansible_python_interpreter=/usr/bin/python3\n"
    )
    run = [str(PROJECT / ".venv/bin/ansible-playbook"), "-i", str(inventory), str(path)]
    done = subprocess.run(
        run, env=fleet.environment(), cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
