"""Three ways to one state: the batch, the plain strategy, and the exported playbook run by ansible-playbook alone.
Judged by the raw hosts, byte for byte."""

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


def changed(fleet: Fleet) -> None:
    fleet.remove("link.yaml")
    fleet.write("late.yaml", "kind: Group\nmetadata: {name: late}\nspec: {hosts: all, gid: 2005}\n")
    fleet.write("job.yaml", EVERYTHING["job.yaml"].replace("15 4", "20 5"))
    fleet.land()


def test_batch_plain_and_playbook(make_fleet: Callable[..., Fleet], ssh_key: tuple[Path, str], tmp_path: Path) -> None:
    fleets = [make_fleet(1), make_fleet(1, strategy="plain"), make_fleet(1)]
    for fleet in fleets:
        fill(fleet, ssh_key[1])
    fleets[0].apply()
    fleets[1].apply()
    fleets[2].trueup("observe")
    playbook(fleets[2], tmp_path)
    batch, plain, alone = (raw.read(fleet.hosts[0]) for fleet in fleets)
    assert "/home/ada/.ssh/authorized_keys" in batch.files
    assert batch.differs(plain) == []
    assert batch.differs(alone) == []
    for fleet in fleets:
        changed(fleet)
    fleets[0].apply()
    fleets[1].apply()
    batch, plain = (raw.read(fleet.hosts[0]) for fleet in fleets[:2])
    assert "/srv/app/current" not in batch.files and any(line.startswith("late:") for line in batch.group)
    assert batch.differs(plain) == []


def playbook(fleet: Fleet, folder: Path) -> None:
    """Run what `plan --format playbook` gives by a plain ansible-playbook, and let ansible-lint read it."""
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
    lint = [str(PROJECT / ".venv/bin/ansible-lint"), "--offline", "--nocolor", "--profile", "production", str(path)]
    said = subprocess.run(
        lint, env=fleet.environment(), cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert said.returncode == 0, said.stdout + said.stderr
