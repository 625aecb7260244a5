"""Probes and ops run on whatever Python a host has: 3.8 on, isolated (-I), with nothing of ours to import."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2] / "reconciler"
KINDS = [PROJECT / "kinds", *PROJECT.glob("systems/*/kinds")]
PROBES = sorted(path for kinds in KINDS for path in kinds.glob("*/probe.py"))
OPS = sorted(path for kinds in KINDS for path in kinds.glob("*/op.py"))
PARTS = sorted(path for kinds in KINDS for path in kinds.glob("*/op_*.py"))
"""What op.py imports by `from . import op_x`: they travel together."""


def interpreters() -> list[str]:
    """The present Python, and every other 3.8 or later that is found on PATH or kept by pyenv."""
    found = {sys.version_info[:2]: sys.executable}
    for minor in range(8, 16):
        if path := shutil.which(f"python3.{minor}"):
            done = subprocess.run(
                [path, "-I", "-c", "import sys; print(sys.version_info[1])"],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode == 0:  # a shim of pyenv may stand for a version that is not chosen
                found.setdefault((3, minor), path)
    for path in sorted(Path.home().glob(".pyenv/versions/3.*/bin/python3")):
        version = re.match(r"3\.(\d+)", path.parts[-3])
        if version and int(version[1]) >= 8:
            found.setdefault((3, int(version[1])), str(path))
    return [path for _, path in sorted(found.items())]


@pytest.mark.parametrize("probe", PROBES, ids=lambda path: path.parent.name)
def test_every_probe_answers_on_every_python(probe: Path) -> None:
    """With no request, with one it can't understand, and with one that may or may not be there: an answer for each."""
    requests = [
        {"name": "no-such-thing", "names": ["no-such-thing"], "path": "/no/such/thing", "home": "", "user": "root"},
        {},
    ]
    for python in interpreters():
        for given in ([], requests):
            done = subprocess.run(
                [python, "-I", str(probe)],
                input=json.dumps(given),
                capture_output=True,
                text=True,
                check=False,
                timeout=30,
                cwd="/",
            )
            assert done.returncode == 0, (python, done.stderr)
            answers = json.loads(done.stdout)
            assert len(answers) == len(given)
            for answer in answers:
                assert len(set(answer) & {"state", "absent", "unknown"}) == 1, (python, answer)


LOAD = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("own", sys.argv[1], submodule_search_locations=[sys.argv[1][:-6]])
own = sys.modules["own"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(own)
assert callable(own.run)
"""


@pytest.mark.parametrize("op", OPS, ids=lambda path: path.parent.name)
def test_every_op_can_be_loaded_on_every_python(op: Path) -> None:
    for python in interpreters():
        done = subprocess.run(
            [python, "-I", "-c", LOAD, str(op)], capture_output=True, text=True, check=False, timeout=30
        )  # fmt: skip
        assert done.returncode == 0, (python, done.stderr)


@pytest.mark.parametrize("path", PROBES + OPS + PARTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_they_are_python_3_8_and_import_the_standard_library_only(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"), feature_version=(3, 8))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            if node.level:
                files = [node.module] if node.module else [alias.name for alias in node.names]
                assert node.level == 1, "nothing of ours is there but what travels with it"
                assert all(name.startswith("op_") and (path.parent / f"{name}.py") in PARTS for name in files)
                continue
            names = [node.module or ""]
        for name in names:
            assert name.split(".")[0] in sys.stdlib_module_names, name


@pytest.mark.parametrize("probe", PROBES, ids=lambda path: path.parent.name)
def test_a_probe_opens_nothing_to_write(probe: Path) -> None:
    """Read in its text: no mode of open(), no call of os that changes a file system."""
    changing = {
        "remove",
        "unlink",
        "rename",
        "replace",
        "mkdir",
        "makedirs",
        "rmdir",
        "chmod",
        "chown",
        "symlink",
        "link",
        "truncate",
        "write",
        "utime",
    }
    for node in ast.walk(ast.parse(probe.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        of_os = isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "os"
        assert not (of_os and name in changing), f"os.{name}"
        if name == "open" and not of_os:
            modes = [arg.value for arg in node.args[1:2] if isinstance(arg, ast.Constant)]
            modes += [
                word.value.value
                for word in node.keywords
                if word.arg == "mode" and isinstance(word.value, ast.Constant)
            ]
            assert all(not set(str(mode)) & set("wax+") for mode in modes)
