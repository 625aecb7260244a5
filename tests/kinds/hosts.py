"""Lab hosts for the kinds' own ops: run an op as a visit would, run the stock tasks of equal effect beside it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab import LabHost
from reconciler.core.model import Op

PROJECT = Path(__file__).resolve().parents[2]
KINDS = PROJECT / "reconciler" / "kinds"


def run_op(host: LabHost, kind: str, args: Mapping[str, Any], timeout: float = 120) -> dict[str, Any]:
    """Run kinds/KIND/op.py on the host, by the Python that is there, isolated (-I)."""
    source = (KINDS / kind / "op.py").read_text("utf-8")
    host.write("/run/op.py", source + "\nimport json, sys\nprint(json.dumps(run(json.loads(sys.argv[1]))))\n")
    done = host.run(f"python3 -I /run/op.py '{json.dumps(args)}'", timeout=timeout)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def run_probe(host: LabHost, kind: str, requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Run kinds/KIND/probe.py on the host as a script, isolated (-I)."""
    host.write("/run/probe.py", (KINDS / kind / "probe.py").read_text("utf-8"))
    done = host.run("python3 -I /run/probe.py", input=json.dumps(list(requests)))
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def run_stock(host: LabHost, kind: Any, *ops: Op) -> None:
    """Run the stock tasks of equal effect by a plain ansible-playbook."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tasks = [{"name": "stock", **task} for op in ops for task in kind.plain_tasks(op)]
        play = [{"name": "stock", "hosts": "all", "gather_facts": False, "tasks": tasks}]
        (folder / "play.yml").write_text(json.dumps(play), "utf-8")
        (folder / "known").write_text("".join(f"{host.address} {key}\n" for key in host.host_keys), "utf-8")
        (folder / "hosts.ini").write_text(
            f"{host.name} ansible_host={host.address} ansible_user=root ansible_ssh_private_key_file={host.key} "
            f"ansible_ssh_common_args='-o UserKnownHostsFile={folder}/known' ansible_python_interpreter=/usr/bin/python3\n",
            "utf-8",
        )
        done = subprocess.run(
            [str(PROJECT / ".venv/bin/ansible-playbook"), "-i", str(folder / "hosts.ini"), str(folder / "play.yml")],
            capture_output=True, text=True, check=False, timeout=180,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": name, "LC_ALL": "C.UTF-8", "ANSIBLE_LOCAL_TEMP": name},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
