"""A fleet on lab hosts: a repository of manifests, the command `trueup` with a state of its own, and the daemon.

What the demo, the end-to-end tests and the benchmarks stand on. Nothing of it is shared with the machine's own trueup:
state, socket, page and settings lie in the fleet's folder.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .host import LabHost
from .problems import LabError

PROJECT = Path(__file__).resolve().parent.parent
TRUEUP = PROJECT / ".venv/bin/trueup"

FLEET = """\
apiVersion: trueup.dev/v1
kind: Fleet
metadata:
  name: {name}
spec:
  mode: enforce
  waves:
    - percent: 100
"""

HOST = """\
apiVersion: trueup.dev/v1
kind: Host
metadata:
  name: {name}
  labels: {{{labels}}}
spec:
  address: {address}
  port: {port}
  user: {user}
  become: {become}
  hostKeys:
"""


@dataclass(eq=False, kw_only=True)
class Fleet:
    """A fleet in `folder`: `fleet/` is a clone to work in, `fleet.git` the bare repository that it pushes to."""

    hosts: Sequence[LabHost]
    folder: Path
    key: Path
    """The private key that trueup logs in with."""
    settings: dict[str, str] = field(default_factory=dict)
    """TRUEUP_* variables beyond those that keep the fleet apart from the machine's."""
    command: Path = TRUEUP
    """Which `trueup`: another install than this tree's."""

    @property
    def bare(self) -> Path:
        return self.folder / "fleet.git"

    @property
    def clone(self) -> Path:
        return self.folder / "fleet"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def socket(self) -> Path:
        return self.folder / "run/fleet.sock"

    @property
    def log(self) -> Path:
        return self.folder / "serve.log"

    def variables(self) -> dict[str, str]:
        """The settings, as environment variables."""
        return {
            "TRUEUP_CONFIG": str(self.folder / "server.yaml"),
            "TRUEUP_STATE_DIR": str(self.state),
            "TRUEUP_RUN_DIR": str(self.folder / "run"),
            "TRUEUP_SOCKET": str(self.socket),
            "TRUEUP_SSH_KEY": str(self.key),
            "TRUEUP_REPO": str(self.bare),
            **self.settings,
        }

    def environment(self) -> dict[str, str]:
        path = f"{self.command.parent}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        mine = {name: value for name, value in os.environ.items() if not name.startswith("TRUEUP_")}
        return {**mine, **self.variables(), "PATH": path}

    # ---- the repository

    def make(self) -> None:
        """Make the bare repository with its hooks, and an empty clone of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "server.yaml").write_text("# All is said by TRUEUP_* variables.\n", encoding="utf-8")
        self.trueup("init", "--bare", str(self.bare))
        self.clone.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", str(self.bare))
        self.git("config", "branch.main.remote", "origin")
        self.git("config", "branch.main.merge", "refs/heads/main")
        if not self.git("config", "user.email", check=False).stdout.strip():
            self.git("config", "user.name", "Ada")
            self.git("config", "user.email", "ada@example.com")

    def inventory(self, name: str = "lab", labels: Mapping[str, str] | None = None) -> None:
        """Write trueup.yaml and a Host for each lab host; `labels`: for a host's name, `role: web, site: ams`."""
        self.write("trueup.yaml", FLEET.format(name=name))
        for host in self.hosts:
            self.host(host, (labels or {}).get(host.name, ""))

    def host(self, host: LabHost, labels: str = "", extra: str = "") -> None:
        """Write the Host of one lab host; `extra` are further lines of its spec."""
        text = HOST.format(
            name=host.name,
            labels=labels,
            address=host.address,
            port=host.port,
            user=host.user,
            become="true" if host.user != "root" else "false",
        )
        text += "".join(f"    - {key}\n" for key in host.host_keys)
        self.write(f"hosts/{host.name}.yaml", text + textwrap.indent(textwrap.dedent(extra), "  "))

    def write(self, path: str, text: str) -> None:
        """Write a file of the clone; common indentation is taken out, and apiVersion is put in front where it is missing."""
        text = textwrap.dedent(text)
        if path.endswith((".yaml", ".yml")) and not path.startswith(("files/", "templates/")):
            text = "\n---\n".join(
                part if "apiVersion:" in part else f"apiVersion: trueup.dev/v1\n{part.strip()}\n"
                for part in text.split("\n---\n")
            )
        target = self.clone / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def remove(self, path: str) -> None:
        (self.clone / path).unlink()

    def commit(self, message: str = "A change") -> str:
        """Commit all of the clone; gives the commit's id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD").stdout.strip()

    def push(self, *options: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Push main; `options` are git's own (`-o`, `wait`)."""
        return self.git("push", *options, "origin", "main", check=check, timeout=timeout)

    def land(self, message: str = "A change", *options: str) -> str:
        """Commit and push; gives the commit's id."""
        commit = self.commit(message)
        self.push(*options)
        return commit

    def git(self, *words: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return self._call(
            ["git", *words], check=check, timeout=timeout, cwd=self.clone if self.clone.exists() else self.folder
        )

    # ---- trueup

    def trueup(
        self, *words: str, expect: int | Sequence[int] | None = 0, timeout: float = 180, input: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run `trueup WORDS`; raises LabError unless it ends with `expect` (None: however it ends)."""
        done = self._call([str(self.command), *words], check=False, timeout=timeout, cwd=self.folder, input=input)
        codes = (expect,) if isinstance(expect, int) else expect
        if codes is not None and done.returncode not in codes:
            raise LabError(
                f"`trueup {' '.join(words)}` ended with {done.returncode}, not {expect}:\n{done.stdout}{done.stderr}{self._log_tail()}"
            )
        return done

    def apply(self, expect: int | Sequence[int] | None = 0) -> subprocess.CompletedProcess[str]:
        """One walk of the line, in a process of its own or by the daemon where it runs."""
        return self.trueup("apply", expect=expect)

    @contextmanager
    def serve(self, limit: float = 30, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run the daemon; `settings` are TRUEUP_* without the prefix. It ends with this process, however that goes
        (setpriv sets PR_SET_PDEATHSIG, prctl(2))."""
        variables = {f"TRUEUP_{name.upper()}": value for name, value in settings.items()}
        self.settings.setdefault("TRUEUP_LISTEN", f"127.0.0.1:{free_port()}")
        with self.log.open("ab") as out:
            daemon = subprocess.Popen(
                [
                    "setpriv",
                    "--pdeathsig",
                    "TERM",
                    "--",
                    str(self.command),
                    "serve",
                    "--repo",
                    str(self.bare),
                    "--branch",
                    "main",
                ],
                env={**self.environment(), **variables},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            end = time.monotonic() + limit
            while not self._answers():
                if daemon.poll() is not None or time.monotonic() > end:
                    raise LabError(f"trueup serve does not start:{self._log_tail()}")
                time.sleep(0.02)
            yield daemon
        finally:
            if daemon.poll() is None:
                daemon.terminate()
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(daemon.pid, signal.SIGKILL)
                daemon.wait(timeout=10)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
            line.connect(str(self.socket))
            return True
        return False

    def _log_tail(self) -> str:
        with contextlib.suppress(OSError):
            tail = self.log.read_text(encoding="utf-8", errors="replace")[-3000:]
            return f"\nThe daemon's log ends with:\n{tail}" if tail else ""
        return ""

    def _call(
        self, argv: list[str], *, check: bool, timeout: float, cwd: Path, input: str = ""
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            argv, env=self.environment(), cwd=cwd, input=input, capture_output=True, text=True, errors="replace",
            timeout=timeout, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise LabError(
                f"`{' '.join(argv)}` ended with {done.returncode}:\n{done.stdout}{done.stderr}{self._log_tail()}"
            )
        return done


def free_port(*liked: int) -> int:
    """A free TCP port on loopback, one of `liked` if that is free."""
    for port in (*liked, 0):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)) as server:
            return int(server.getsockname()[1])
    raise LabError("no TCP port is free on 127.0.0.1")
