"""Wheels of this tree and of its past, and places to install them into: the dependencies come from the environment of
the tests, so that nothing is downloaded."""

from __future__ import annotations

import importlib.metadata
import io
import re
import shutil
import subprocess
import sys
import tarfile
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = "trueup"
GIT = ("git", "-c", "safe.directory=*", "-C", str(ROOT))
"""Root may test a checkout that is somebody else's."""


def sources(*tops: str) -> list[str]:
    """The files below `tops` as paths from the root: what was written, not what Python left beside it."""
    found = [path for top in tops for path in ((ROOT / top).rglob("*") if (ROOT / top).is_dir() else [ROOT / top])]
    return sorted(
        str(path.relative_to(ROOT))
        for path in found
        if path.is_file() and path.suffix != ".pyc" and not any(part.endswith(".egg-info") for part in path.parts)
    )


def of_tree(into: Path) -> Path:
    """The wheel of the files here, as they are now; built in a copy, so that nothing is left."""
    copy = into / "tree"
    for name in sources("reconciler", "reports", "schemas", "share", "agent", "pyproject.toml", "LICENSE", "README.md"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    return _built(copy, into)


def of_commit(commit: str, into: Path) -> Path:
    """The wheel of a commit."""
    packed = subprocess.run([*GIT, "archive", commit], check=True, capture_output=True).stdout
    copy = into / "tree"
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(copy, filter="data")
    return _built(copy, into)


def _built(copy: Path, into: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index",
         "--no-build-isolation", "--wheel-dir", into, copy],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shutil.rmtree(copy)
    (made,) = into.glob("*.whl")
    return made


def place(folder: Path) -> Path:
    """A fresh virtual environment that finds the dependencies, and nothing of this tree."""
    venv.create(folder, with_pip=False, symlinks=True)
    site = next(folder.glob("lib/python3*/site-packages"))
    # A path in a .pth is looked through for modules, not for further .pth files: an editable install there stays unseen.
    (site / "dependencies.pth").write_text("\n".join(sorted({str(where) for where in _homes()})) + "\n")
    for name, text in programs(folder / "bin/python").items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    return folder


def programs(python: Path) -> dict[str, str]:
    """The commands of the dependencies, as pip writes them."""
    return {
        point.name: f"#!{python}\nimport sys\nfrom {point.module} import {point.attr}\nsys.exit({point.attr}())\n"
        for dist in ("ansible-core", "ansible-runner")
        for point in importlib.metadata.distribution(dist).entry_points
        if point.group == "console_scripts"
    }


def _homes() -> Iterator[Path]:
    for name in ("pygit2", "ansible-core"):
        yield Path(str(importlib.metadata.distribution(name).locate_file("")))


def install(wheel: Path, into: Path) -> Path:
    """Install as a person does, over what is there; gives the command."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(into / "bin/python"), "install", "--quiet", "--no-index", "--no-deps",
         "--disable-pip-version-check", "--force-reinstall", str(wheel)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return into / "bin/trueup"


def dependencies() -> list[tuple[Path, str]]:
    """Every file of what trueup needs, as (file, path below site-packages): for a machine that has nothing."""
    found: dict[str, Path] = {}
    seen: set[str] = set()
    todo = [NAME]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        dist = importlib.metadata.distribution(name)
        for wanted in dist.requires or ():
            needed, _, marker = wanted.partition(";")
            if "extra" not in marker:
                word = re.match(r"[A-Za-z0-9._-]+", needed.strip())
                assert word
                try:
                    importlib.metadata.distribution(word[0])
                except importlib.metadata.PackageNotFoundError:
                    continue  # for another platform or Python
                todo.append(word[0])
        if name != NAME:
            for file in dist.files or ():
                place_ = Path(str(dist.locate_file(file)))
                if not str(file).startswith("..") and place_.is_file() and "__pycache__" not in str(file):
                    found[str(file)] = place_
    return [(place_, name) for name, place_ in sorted(found.items())]
