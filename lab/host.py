"""One lab host, from the outside: run things on it as it is, reach it by ssh, and hurt it."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from . import keeper, net
from .problems import PATH, LabError, need
from .relay import Relay


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a lab host is to be like."""

    name: str = ""
    """`lab-1`, `lab-2` … when left out."""
    port: int = 22
    """Where its sshd listens."""
    user: str = "root"
    """Who logs in with the lab's key; another one than root is made (uid 1000) and root has no key then."""
    sudo: Literal["none", "nopasswd", "password"] = "none"
    """The sudo rule of `user`."""
    password: str = ""
    """Of `user`; no white space. Empty: no password."""
    python: bool = True
    """False hides every Python of the host."""
    size: str = "2g"
    """Size of the host's whole disk, as tmpfs takes it (`40m`): memory that is used only as the disk fills."""
    root: str = "/"
    """The lower layer: `/`, or a Debian suite (`trixie`, `bullseye`) that is built once by debootstrap."""
    systemd: bool = False
    """Boots systemd by systemd-nspawn; needs a debootstrap root."""
    packages: str = ""
    """Further packages of a debootstrap root, with commas: another root is built for them."""

    @property
    def lower(self) -> tuple[str, bool, str]:
        """What is the same for hosts that share a lower layer."""
        return self.root, self.systemd, self.packages


@dataclass(eq=False, kw_only=True)
class LabHost:
    """A running lab host."""

    spec: Spec
    name: str
    address: str
    key: Path
    """The private key that `user` logs in with."""
    host_keys: tuple[str, ...]
    """Its public host keys, `ssh-ed25519 AAAA…`."""
    machine_id: str
    link: str
    """The machine's end of its cable."""
    gateway: str
    log: Path
    pid: int = 0
    """Of its PID 1, as the machine sees it."""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def port(self) -> int:
        return self.spec.port

    @property
    def user(self) -> str:
        return self.spec.user

    @property
    def password(self) -> str:
        return self.spec.password

    # ---- as it is

    def enter(self) -> list[str]:
        """The words in front of a command that runs inside the host, as its root, without ssh."""
        return inside(self.pid, self.spec.systemd)

    def run(
        self, command: str, *, check: bool = True, input: str | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command inside the host as root, not over ssh; raises LabError when it fails and `check` is set."""
        done = subprocess.run(
            [*self.enter(), "/bin/sh", "-c", command],
            input=input if input is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            env={"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb"},
            cwd="/",
        )
        if check and done.returncode:
            raise LabError(
                f"{self.name}: `{command}` ended with {done.returncode}: {(done.stderr or done.stdout).strip()}"
            )
        return done

    def read(self, path: str) -> str:
        """The text of a file of the host."""
        return self.run(f"cat -- {shlex.quote(path)}").stdout

    def write(self, path: str, text: str) -> None:
        """Overwrite a file of the host, as somebody who logged in would."""
        self.run(f"cat > {shlex.quote(path)}", input=text)

    def exists(self, path: str) -> bool:
        return self.run(f"[ -e {shlex.quote(path)} ] || [ -L {shlex.quote(path)} ]", check=False).returncode == 0

    def _inside(self) -> int:
        return _nspawn_leader(self.pid) if self.spec.systemd else self.pid

    # ---- over ssh

    def ssh_argv(self, *command: str, user: str = "", key: Path | None = None) -> list[str]:
        """The ssh command line to the host, as `user` with the lab's key unless others are given; the host's key is
        checked against its own."""
        known = self.log.with_suffix(".known_hosts")
        where = self.address if self.port == 22 else f"[{self.address}]:{self.port}"
        known.write_text("".join(f"{where} {key}\n" for key in self.host_keys), encoding="utf-8")
        options = (
            "BatchMode=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}", "GlobalKnownHostsFile=/dev/null",
            "IdentitiesOnly=yes", "ConnectTimeout=10", "LogLevel=ERROR",
        )  # fmt: skip
        words = ["ssh", "-F", "/dev/null", "-i", str(key or self.key), "-p", str(self.port)]
        for option in options:
            words += ["-o", option]
        return [*words, f"{user or self.user}@{self.address}", *command]

    def ssh(
        self, command: str, *, user: str = "", key: Path | None = None, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command over ssh, as `user` with the lab's key unless others are given."""
        done = subprocess.run(
            self.ssh_argv(command, user=user, key=key),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode:
            raise LabError(f"{self.name}: ssh ended with {done.returncode}: {done.stderr.strip()}")
        return done

    def wait_ssh(self, limit: float = 30) -> None:
        """Return when sshd greets; raises LabError with the host's log when it doesn't within `limit` seconds."""
        end = time.monotonic() + limit
        while True:
            with contextlib.suppress(OSError), socket.create_connection((self.address, self.port), timeout=2) as line:
                if line.recv(4) == b"SSH-":
                    return
            if time.monotonic() > end or not self.alive:
                raise LabError(
                    f"{self.name}: no sshd on {self.address}:{self.port} after {limit:g} s: {self.last_words()}"
                )
            time.sleep(0.01)

    def last_words(self) -> str:
        """The end of what the host's start wrote."""
        with contextlib.suppress(OSError):
            return self.log.read_text(encoding="utf-8", errors="replace").strip()[-2000:] or "its log is empty"
        return "it has no log"

    # ---- faults

    @property
    def alive(self) -> bool:
        return bool(self.pid and keeper.started(self.pid))

    def kill(self) -> None:
        """The host is gone, disk and all."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait(timeout=20)

    def crash(self) -> None:
        """A power cut: the cable is dead and every process gone at once; the disk stays. `boot` brings it back."""
        self.cut()
        there = [[str(pid), keeper.started(pid)] for pid in self.processes()]
        for _ in range(20):
            if not self._signal(signal.SIGKILL):
                return
        end = time.monotonic() + 10  # a busy machine takes its time to end what it killed
        while any(keeper.alive(one) for one in there) and time.monotonic() < end:
            time.sleep(0.01)

    def boot(self) -> None:
        """After `crash`: sshd and cron start, the cable is in."""
        self.run("rm -rf /run/* && mkdir -p /run/sshd /run/lock && cron && /usr/sbin/sshd")
        self.mend()
        self.wait_ssh()

    def new_host_key(self) -> str:
        """The host gets another key, and its sessions end, as with one that was installed anew; gives the public key."""
        self.run(
            "rm -f /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; "
            "pkill -x sshd; while pgrep -x sshd >/dev/null; do sleep 0.02; done; /usr/sbin/sshd"
        )
        self.host_keys = (" ".join(self.read("/etc/ssh/ssh_host_ed25519_key.pub").split()[:2]),)
        self.wait_ssh()
        return self.host_keys[0]

    def freeze(self) -> None:
        """Every process stands still: connections are accepted by the kernel and nobody answers."""
        for _ in range(20):
            if not self._signal(signal.SIGSTOP):
                return

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def cut(self) -> None:
        """Its cable is out."""
        net.ip(f"link set {self.link} down")

    def mend(self) -> None:
        """Its cable is in again."""
        net.ip(f"link set {self.link} up")

    def lose(self, percent: int) -> None:
        """Drop `percent` of the packets that come in, at random; 0 ends it. The rule lives in the host's own network
        namespace. Raises LabError where the kernel has no numgen."""
        need("nft")
        rules = "add table inet lab\ndelete table inet lab\n"
        if percent:
            rules += (
                "add table inet lab\n"
                "add chain inet lab in { type filter hook input priority -300; }\n"
                f'add rule inet lab in iifname "eth0" numgen random mod 100 < {percent} drop\n'
            )
        done = subprocess.run(
            ["nsenter", "--target", str(self.pid), "--net", "--", "nft", "-f", "-"],
            input=rules, capture_output=True, text=True, check=False, timeout=20,
        )  # fmt: skip
        if done.returncode:
            raise LabError(f"{self.name}: nft refuses to lose packets: {done.stderr.strip()}")

    @contextmanager
    def slow(self, delay: float) -> Iterator[tuple[str, int]]:
        """A relay to the host's sshd that holds every byte back for `delay` seconds each way; gives its address and port."""
        with Relay(target=(self.address, self.port), listen=self.gateway, delay=delay) as relay:
            yield relay.address

    def processes(self) -> list[int]:
        """The pids, as the machine sees them, of all processes of the host but its PID 1 (and systemd-nspawn)."""
        spaces = {self._pid_space(self.pid)}
        if self.spec.systemd:
            spaces.add(self._pid_space(self._inside()))
        spare = {self.pid}
        return [
            pid
            for pid in (int(name) for name in os.listdir("/proc") if name.isdigit())
            if pid not in spare and self._pid_space(pid) in spaces and keeper.started(pid)
        ]

    @staticmethod
    def _pid_space(pid: int) -> str:
        with contextlib.suppress(OSError):
            return os.readlink(f"/proc/{pid}/ns/pid")
        return "gone"

    def _signal(self, number: signal.Signals) -> bool:
        """Send a signal to all of the host's processes; True while one is left that may have forked meanwhile."""
        left = False
        for pid in self.processes():
            if number is signal.SIGSTOP and _state(pid) == "T":
                continue
            left = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return left


def inside(pid: int, systemd: bool) -> list[str]:
    """The words in front of a command that runs in the namespaces of a lab host whose PID 1 is `pid` for the machine;
    with systemd the host proper is what systemd-nspawn booted below it."""
    target = _nspawn_leader(pid) if systemd else pid
    # The root as the host has it: a mount namespace has one of its own, which is the machine's when we are in a chroot.
    # And the folder as PID 1 has it: that of the caller lies outside of the host, where no getcwd(3) finds it.
    return ["nsenter", "--target", str(target), "--mount", "--root", "--wd", "--uts", "--ipc", "--net", "--pid", "--"]


def _state(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    return ""


def _nspawn_leader(nspawn: int) -> int:
    """The pid of the systemd that `nspawn` booted: the only process whose innermost pid is 1 and whose parent it is."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{name}/status").read_text(encoding="utf-8")
                if re.search(rf"^PPid:\t{nspawn}$", status, re.M) and re.search(r"^NSpid:\t.*\t1$", status, re.M):
                    return int(name)
    raise LabError("systemd-nspawn has not started its host yet, or has ended")
