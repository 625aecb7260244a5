"""A repository in memory for tests: what manifests.read asks of one, and a small fleet that is right."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Mapping

from reconciler.core.model import Commit

FLEET = """\
apiVersion: trueup.dev/v1
kind: Fleet
metadata:
  name: prod
spec:
  mode: enforce
  vars: {site: ams}
"""
HOSTS = """\
apiVersion: trueup.dev/v1
kind: Host
metadata:
  name: web-1
  labels: {role: web}
---
apiVersion: trueup.dev/v1
kind: Host
metadata:
  name: web-2
  labels: {role: web}
---
apiVersion: trueup.dev/v1
kind: Host
metadata:
  name: db-1
  labels: {role: db, env: prod}
"""


class MemoryFiles:
    """The files of a commit, from a dict. Counts what is read, so that a cache can be seen to work."""

    def __init__(self, files: Mapping[str, str | bytes], commit: str = "3f9c2e1aaa") -> None:
        self._files = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        self.commit = Commit(id=commit, author="Ada")
        self.reads: list[str] = []
        self._paths = {path: hashlib.sha1(data).hexdigest() for path, data in sorted(self._files.items())}

    def paths(self) -> Mapping[str, str]:
        return self._paths

    def read(self, path: str) -> bytes:
        self.reads.append(path)
        return self._files[path]

    def size(self, path: str) -> int:
        return len(self._files[path])

    def author(self, path: str, line: int) -> Commit:
        return self.commit if path in self._files else Commit()


def fleet(files: Mapping[str, str | bytes]) -> MemoryFiles:
    """`files` beside a policy and three hosts (web-1, web-2, db-1); texts are dedented, an empty one is left out."""
    whole: dict[str, str | bytes] = {"trueup.yaml": FLEET, "hosts.yaml": HOSTS}
    whole.update({path: textwrap.dedent(text) if isinstance(text, str) else text for path, text in files.items()})
    return MemoryFiles({path: text for path, text in whole.items() if text})


def manifest(kind: str, name: str, spec: str, hosts: str = "all", more: str = "") -> str:
    """One document; `spec` and `more` (of metadata) are lines without indentation."""
    head = f"apiVersion: trueup.dev/v1\nkind: {kind}\nmetadata:\n  name: {name}\n"
    return (
        head
        + textwrap.indent(textwrap.dedent(more), "  ")
        + f"spec:\n  hosts: {hosts}\n"
        + textwrap.indent(textwrap.dedent(spec), "  ")
    )
