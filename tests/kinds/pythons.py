"""The Python interpreters that are at hand: probes must run on whatever a host has, from 3.8 on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

KINDS = Path(__file__).resolve().parents[2] / "reconciler" / "kinds"
VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")

DRIVER = """
import json, sys
order = json.load(sys.stdin)
space = {"__name__": "probe"}
exec(compile(open(order["probe"]).read(), "probe.py", "exec"), space)
space.update(order["patch"])
print(json.dumps(space["probe"](order["requests"])))
"""


@cache
def interpreters() -> Mapping[str, str]:
    """Version → a program that really is of that version: on PATH, in pyenv's folder, and the present one."""
    found = {f"{sys.version_info.major}.{sys.version_info.minor}": sys.executable}
    for version in VERSIONS:
        pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
        for program in [shutil.which(f"python{version}"), *map(str, pyenv)]:
            if program and version not in found and _version_of(program) == version:
                found[version] = program
    return dict(sorted(found.items(), key=lambda item: int(item[0].split(".")[1])))


def _version_of(program: str) -> str:
    done = subprocess.run(
        [program, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout.strip()


def probe_with(python: str, kind: str, requests: Any, patch: Mapping[str, Any]) -> Any:
    """The probe's answers on another interpreter, isolated as on a host, with paths of its module put elsewhere."""
    done = subprocess.run(
        [python, "-I", "-c", DRIVER],
        input=json.dumps({"probe": str(KINDS / kind / "probe.py"), "requests": requests, "patch": dict(patch)}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
