"""The walls stand, and each of them can fail: a bad module planted in a copy of the tree breaks its contract."""

from __future__ import annotations

import ast
import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler import kinds

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "reconciler"

BAD: dict[str, tuple[str, str]] = {
    "core-is-pure": ("core/bad.py", "import time\n"),
    "core-stands-alone": ("core/bad.py", "from reconciler import settings\n"),
    "kinds-are-islands": ("kinds/bad/kind.py", "from reconciler.kinds.file import kind\n"),
    "systems-are-islands": ("systems/bad/bad.py", "from reconciler.systems import sites\n"),
    "kinds-know-core-only": ("kinds/bad/kind.py", "from reconciler.repo import held\n"),
    "rooms-do-not-call-the-line": ("repo/bad.py", "from reconciler import line\n"),
    "yaml-lives-in-manifests": ("door/bad.py", "import yaml\n"),
    "git-lives-in-repo": ("loop/bad.py", "import pygit2\n"),
    "ansible-lives-in-trip": ("cli/bad.py", "import ansible_runner\n"),
    "brotli-lives-in-trip": ("systems/bad/bad.py", "import brotli\n"),
    "duckdb-lives-in-store": ("web/bad.py", "import duckdb\n"),
    "http-lives-in-web": ("door/bad.py", "import starlette\n"),
    "watchdog-lives-in-loop": ("repo/bad.py", "import watchdog\n"),
    "buckets-live-in-outside": ("systems/bad/bad.py", "import fsspec\n"),
    "typer-lives-in-cli": ("tell/bad.py", "import typer\n"),
}


def _contracts() -> list[str]:
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    return [name.removeprefix("importlinter:contract:") for name in parser.sections() if ":contract:" in name]


def _lint(where: Path, *more: str) -> subprocess.CompletedProcess[str]:
    script = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as c; c()"
    return subprocess.run(
        [sys.executable, "-c", script, "--no-cache", *more],
        cwd=where,
        env={**os.environ, "PYTHONPATH": str(where)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_walls_stand() -> None:
    done = _lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_wall_has_a_module_that_breaks_it() -> None:
    assert sorted(BAD) == sorted(_contracts())


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("tree")
    shutil.copytree(PACKAGE, where / "reconciler", ignore=shutil.ignore_patterns("__pycache__", "*.md"))
    shutil.copy(ROOT / ".importlinter", where)
    return where


@pytest.mark.parametrize("contract", sorted(BAD))
def test_a_wall_can_fail(copy: Path, contract: str) -> None:
    name, source = BAD[contract]
    planted = copy / "reconciler" / name
    made_folder = not planted.parent.exists()
    planted.parent.mkdir(exist_ok=True)
    if made_folder:
        (planted.parent / "__init__.py").touch()
    planted.write_text(source)
    try:
        done = _lint(copy, "--contract", contract)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "reconciler." + name.removesuffix(".py").replace("/", ".") in done.stdout
    finally:
        planted.unlink()
        if made_folder:
            shutil.rmtree(planted.parent)


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").partition(".")[0])
    return found


def test_core_imports_the_standard_library_only() -> None:
    for path in sorted((PACKAGE / "core").glob("*.py")):
        assert _imports(path) <= set(sys.stdlib_module_names), path


def _host_side() -> list[Path]:
    kinds = [*PACKAGE.glob("kinds/*"), *PACKAGE.glob("systems/*/kinds/*")]
    programs = [file for kind in kinds for name in ("probe.py", "op.py", "op_*.py") for file in kind.glob(name)]
    return [*programs, *PACKAGE.glob("trip/host/*.py")]


def test_what_runs_on_hosts_imports_no_package() -> None:
    """Stock Ansible modules come in by name at run time; `trueup_host` is what these files themselves travel as."""
    for path in _host_side():
        outside = _imports(path) - set(sys.stdlib_module_names) - {"ansible", "trueup_host"}
        assert not outside, (path, outside)


def test_what_runs_on_hosts_is_python_3_8() -> None:
    """A later syntax would fail on an older host only; `ast` can parse as 3.8 does."""
    assert _host_side()
    for path in _host_side():
        ast.parse(path.read_text(), feature_version=(3, 8))


EXEMPT_FROM_NAMING = ("kinds/", "systems/", "manifests/schemas/")


def _kind_names() -> list[str]:
    names = []
    for path in [*PACKAGE.glob("kinds/*/kind.py"), *PACKAGE.glob("systems/*/kinds/*/kind.py")]:
        names += re.findall(r'^\s+name(?:: [^=]+)? = "(\w+)"', path.read_text(), re.MULTILINE)
    return names


def test_nobody_names_a_kind() -> None:
    """Outside a kind's folder and order.txt, no kind is a literal: not in Python, SQL, Jinja or YAML (schemas are exempt)."""
    names = _kind_names()
    assert len(names) >= 6
    quoted = re.compile(r"""["']({})(?:/[^"']*)?["']""".format("|".join(names)))
    found = []
    for path in sorted(PACKAGE.rglob("*")):
        inside = path.relative_to(PACKAGE).as_posix()
        if path.suffix not in {".py", ".sql", ".html", ".j2", ".js", ".yaml"} or inside.startswith(EXEMPT_FROM_NAMING):
            continue
        for number, line in enumerate(_code(path).splitlines(), 1):
            if quoted.search(line):
                found.append(f"{inside}:{number}: {line.strip()}")
    assert not found, "\n".join(found)


def _code(path: Path) -> str:
    """The text of a file without Python's docstrings, which may give an example."""
    text = path.read_text()
    if path.suffix != ".py":
        return text
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    return "\n".join(lines)


def test_no_name_of_the_kinds_folder_is_a_kinds_own() -> None:
    """Importing a kind puts its module in the place of what has its name there."""
    assert not set(kinds.__all__) & set(kinds.folders())


def test_the_line_can_be_read_in_one_look() -> None:
    assert len((PACKAGE / "line.py").read_text().splitlines()) <= 120


def test_every_room_is_named_where_a_library_has_its_home() -> None:
    """A new room can't slip past the walls: each `lives in` contract lists every room but the home itself."""
    rooms = {
        f"reconciler.{path.stem}"
        for path in PACKAGE.iterdir()
        if (path.is_dir() and (path / "__init__.py").exists()) or (path.suffix == ".py" and path.stem != "__init__")
    }
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    for section in parser.sections():
        name = section.rpartition(":")[2]
        if "-lives-in-" in name:
            listed = set(parser[section]["source_modules"].split())
            home = "reconciler." + name.rpartition("-")[2]
            assert rooms - listed == {home}, f"{name}: {sorted(rooms - listed - {home})} can import it unseen"
