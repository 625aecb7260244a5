"""What travels to hosts besides their orders: our program, the probes, and stock Ansible modules with what they import.

A bundle is `index` (JSON: dotted name → [package, marshalled, offset, length]) and a compressed blob. Marshalled code
goes only to a Python whose magic number is this one's; the others get source, without the parts that are documentation.
Bundles are kept on disk under a hash of all that they are made of: making one takes a second.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
import marshal
import os
import subprocess
import sys
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

HERE = Path(__file__).parent
MAGIC = importlib.util.MAGIC_NUMBER.hex()
DOCUMENTATION = frozenset({"DOCUMENTATION", "EXAMPLES", "RETURN"})
KEEP = 60
"""Files in the cache; older ones go."""
FINDER_LIMIT = 120.0

Sources = Mapping[str, tuple[bool, str]]
"""Dotted name → (is a package, source)."""


class CannotBundle(Exception):
    """A module that isn't there, or Ansible's finder failed; the text is its last line."""


@dataclass(frozen=True)
class Bundle:
    """A file that holds index and blob, one after the other."""

    path: Path
    offset: int
    """Where the index begins; the blob follows it."""
    index: int
    """Bytes of the index."""
    blob: int


@dataclass(frozen=True)
class Bundler:
    cache: Path
    """Folder for bundles and found sources."""
    probes: Mapping[str, str]
    """Kind → source of its probe."""
    kind_ops: Mapping[str, str]
    """Folder of a kind → source of its op.py; with more files, `FOLDER.op_x` → that of each (see batch.kind_ops)."""

    def bundle(self, modules: frozenset[str], kinds: frozenset[str], magic: str) -> Bundle:
        """A bundle with the stock `modules`, our host program, the probes of `kinds` and their ops, for a Python
        with that magic number (empty: not known yet). Raises CannotBundle."""
        marshalled = magic == MAGIC
        stock = frozenset(name for name in modules if not name.startswith("trueup."))
        own = {**self._program, **self._of_kinds(kinds, modules)}
        key = _hash(
            [self.core_version, sorted(stock), sorted((n, p, t) for n, (p, t) in own.items()), marshalled and MAGIC]
        )
        path = self.cache / f"bundle-{key}"
        sizes = _sizes(path)
        if sizes is None:
            found = self._stock(stock) if stock else {}
            index, blob = pack({**found, **own}, marshalled)
            _keep(path, b"%d %d\n" % (len(index), len(blob)) + index + blob)
            self._prune()
            sizes = (len(index), len(blob))
        return Bundle(path, len(b"%d %d\n" % sizes), *sizes)

    @cached_property
    def core_version(self) -> str:
        return importlib.metadata.version("ansible-core")

    @cached_property
    def _program(self) -> dict[str, tuple[bool, str]]:
        program = {"trueup_host": (True, ""), "trueup_probe": (True, ""), "trueup_op": (True, "")}
        for file in sorted((HERE / "host").glob("*.py")):
            if file.stem not in ("__init__", "boot", "blobs", "receive"):
                program[f"trueup_host.{file.stem}"] = (False, file.read_text(encoding="utf-8"))
        return program

    def _of_kinds(self, kinds: frozenset[str], modules: frozenset[str]) -> dict[str, tuple[bool, str]]:
        found = {f"trueup_probe.{kind}": (False, self.probes[kind]) for kind in kinds if kind in self.probes}
        wanted = {module.split(".")[1] for module in modules if module.startswith("trueup.")}
        packages = {name.partition(".")[0] for name in self.kind_ops if "." in name}
        for name, text in self.kind_ops.items():
            if name.partition(".")[0] in wanted:
                found[f"trueup_op.{name}"] = (name in packages, text)
        return found

    def _stock(self, modules: frozenset[str]) -> dict[str, tuple[bool, str]]:
        """Sources of the modules and of all they import, as Ansible's own finder gives them."""
        wanted = set(modules)
        if "ansible.builtin.package" in wanted:  # the host picks the one that fits
            wanted = wanted - {"ansible.builtin.package"} | {"ansible.builtin.apt", "ansible.builtin.dnf"}
        path = self.cache / f"sources-{_hash([self.core_version, sorted(wanted), _finder().read_text()])}"
        kept = _found(path)
        if kept is None:
            text = _find(sorted(wanted))
            _keep(path, text)
            kept = json.loads(text)
        found = {name: (bool(package), str(source)) for name, (package, source) in kept.items()}
        # A host that has an Ansible of its own must not mix it in: no search paths beyond what travels.
        found["ansible"] = (True, f"__version__ = {self.core_version!r}\n__author__ = 'Ansible, Inc.'\n")
        found["ansible.module_utils"] = (True, "")
        return found

    def _prune(self) -> None:
        files = sorted(self.cache.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in files[KEEP:]:
            file.unlink(missing_ok=True)


def pack(sources: Sources, marshalled: bool) -> tuple[bytes, bytes]:
    """Index and compressed blob of `sources`."""
    index: dict[str, tuple[bool, bool, int, int]] = {}
    parts: list[bytes] = []
    offset = 0
    for name in sorted(sources):
        package, text = sources[name]
        if marshalled:
            data = marshal.dumps(compile(stripped(text), f"<{name}>", "exec", dont_inherit=True, optimize=2))
        else:
            data = stripped(text).encode("utf-8")
        index[name] = (package, marshalled, offset, len(data))
        parts.append(data)
        offset += len(data)
    return json.dumps(index, separators=(",", ":")).encode(), zlib.compress(b"".join(parts), 6)


def stripped(text: str) -> str:
    """`text` without the assignments that only document a module. Lines keep their numbers."""
    lines = text.split("\n")
    for node in ast.parse(text).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], end_lineno=int(end)) if name in DOCUMENTATION:
                lines[node.lineno - 1 : end] = [""] * (end - node.lineno + 1)
    return "\n".join(lines)


def boot() -> bytes:
    """The first program that runs on a host."""
    return (HERE / "host" / "boot.py").read_bytes()


def receiver() -> bytes:
    """The program that takes contents into a host's store."""
    return b"".join((HERE / "host" / name).read_bytes() for name in ("blobs.py", "receive.py"))


def _finder() -> Path:
    return HERE / "collection" / "finder.py"


def _find(modules: Iterable[str]) -> bytes:
    """Ask Ansible's dependency finder, in a process of its own."""
    clean = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
    try:
        done = subprocess.run(
            [sys.executable, str(_finder()), *modules],
            capture_output=True,
            timeout=FINDER_LIMIT,
            env={**clean, "ANSIBLE_CONFIG": str(HERE / "collection" / "ansible.cfg")},
        )
    except subprocess.TimeoutExpired:
        raise CannotBundle(f"Ansible's finder took longer than {FINDER_LIMIT:g} s") from None
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CannotBundle(lines[-1] if lines else "Ansible's finder failed")
    return done.stdout


def _hash(value: object) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=16).hexdigest()


def _sizes(path: Path) -> tuple[int, int] | None:
    """From the file's first line, when the file is whole."""
    try:
        with path.open("rb") as file:
            line = file.readline(64)
            index, blob = (int(size) for size in line.split())
            return (index, blob) if path.stat().st_size == len(line) + index + blob else None
    except (OSError, ValueError):
        return None


def _found(path: Path) -> dict[str, tuple[bool, str]] | None:
    """Sources that were found before; None when they weren't, or a power cut left a file without its bytes."""
    try:
        kept = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return kept if isinstance(kept, dict) else None


def _keep(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(data)
    part.chmod(0o600)
    part.rename(path)
