"""nginx on a host: tested with a candidate in place, reloaded without losing a request, started where it doesn't run.

Sources: nginx.org/en/docs/control.html (HUP: new workers, then the old ones finish what they have begun);
ngx_process_cycle.c (an old worker calls itself `worker process is shutting down` when it accepts no more).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from . import op_disk as disk
from . import op_kernel as kernel
from .op_disk import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:  # not imported on hosts: it would cost each of them milliseconds
    from typing import Any

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TERM": "dumb"}
TEST_LIMIT = 60.0
START_LIMIT = 60.0
RELOAD_LIMIT = 20.0
"""Seconds that new workers have to take over. nginx itself tries five times in 2.5 s to get a port."""
MASTER = b"nginx: master"
HTTP2 = 'the "listen ... http2" directive is deprecated'
"""What nginx warns of from 1.25.1 on. Sites are written for older ones too, which know no `http2 on`."""
NO_MOUNTS = "no mounts of its own are permitted here, so nginx tested the new release in its place"


class Nginx:
    """The nginx of this host. Raises Failure when there is none."""

    def __init__(self) -> None:
        found = shutil.which("nginx", path=ENVIRONMENT["PATH"])
        if found is None:
            raise Failure("nginx is not installed on this host: declare Package/nginx, or install it")
        self.program = found
        _, self._built = run([found, "-V"], TEST_LIMIT)
        self.config = self._option("conf-path", "/etc/nginx/nginx.conf")

    def _option(self, name: str, default: str) -> str:
        match = re.search(r"--%s=(\S+)" % name, self._built)
        return match.group(1) if match else default

    # ---- testing

    def test(self, site: str, release: str) -> tuple[bool, str]:
        """Whether nginx takes the whole configuration with `release` of the site at path `site` (empty: without the
        site) in place of what is served; and its words. Seen by the test alone. Raises OSError where a process may
        not have mounts of its own."""
        releases = os.path.join(site, "releases")

        def stand_in() -> None:
            try:
                kernel.private_mounts()
                kept = os.open(releases, disk.FOLDER) if release else -1  # of these mounts: others can't be moved here
                kernel.mount_empty(site)
                if release:
                    os.mkdir(releases)
                    kernel.mount_over(kept, releases)
                    os.symlink("releases/" + release, os.path.join(site, "current"))
            except BaseException:
                os._exit(kernel.FORBIDDEN)

        code, said = run([self.program, "-t"], TEST_LIMIT, stand_in)
        if code == kernel.FORBIDDEN:
            raise OSError(NO_MOUNTS)
        return code == 0, words(said)

    def test_in_place(self) -> tuple[bool, str]:
        """The same for the configuration as it stands."""
        code, said = run([self.program, "-t"], TEST_LIMIT)
        return code == 0, words(said)

    # ---- the processes

    def pid_file(self) -> str:
        """Where the master writes its number. Raises OSError."""
        with open(self.config, encoding="utf-8", errors="replace") as file:
            match = re.search(r"^\s*pid\s+[\"']?([^\s;\"']+)", file.read(1 << 20), re.MULTILINE)
        if match:
            return os.path.join(os.path.dirname(self.config), match.group(1))
        return self._option("pid-path", "/run/nginx.pid")

    def master(self) -> int:
        """The master process; 0 when nginx doesn't run. (A test leaves an empty pid file where there is none.)"""
        try:
            with open(self.pid_file(), encoding="ascii", errors="replace") as file:
                pid = int(file.read(32))
        except (OSError, ValueError):
            return 0
        return pid if title(pid).startswith(MASTER) else 0

    def workers(self, master: int) -> dict[int, bool]:
        """Its workers, and whether each accepts requests."""
        found = {}
        for pid in children(master):
            name = title(pid)
            if name.startswith(b"nginx: worker"):
                found[pid] = b"shutting down" not in name
        return found

    def go_on(self) -> bool:
        """Serve by the configuration that stands there from now on: reload, or start; True when it was started. Gives
        back control when no worker of before accepts any more. Raises Failure with nginx's words when it can't."""
        master = self.master()
        if not master:
            self.start()
            return True
        old = [pid for pid, accepts in self.workers(master).items() if accepts]
        log = Log(master)
        os.kill(master, signal.SIGHUP)
        end = time.monotonic() + RELOAD_LIMIT
        while True:
            now = self.workers(master)
            if any(accepts for pid, accepts in now.items() if pid not in old) and not any(
                now.get(pid, False) for pid in old
            ):
                return False
            if self.master() != master:
                raise Failure("nginx ended while it reloaded: %s" % "; ".join(log.since())[-600:])
            errors = log.since()
            if any("bind() to" not in line for line in errors) or time.monotonic() > end:
                told = "; ".join(errors)[-600:] or "no new worker came up in %g s" % RELOAD_LIMIT
                raise Failure("nginx did not take the new configuration: " + self._taken(told))
            time.sleep(0.02)

    def start(self) -> None:
        """By what starts services here. Raises Failure with nginx's words when no worker comes up."""
        if os.path.isdir("/run/systemd/system"):
            run(["systemctl", "reset-failed", "nginx"], START_LIMIT)  # its start limit would refuse the next start
            began = "@%d" % time.time()
            code, said = run(["systemctl", "start", "nginx"], START_LIMIT)
            if code != 0:
                # systemctl says that it is masked, or not there; what nginx itself had against it is in the journal.
                journal = ["journalctl", "-q", "--unit", "nginx", "--since", began, "--no-pager", "-o", "cat"]
                said = said.partition("\n")[0] + "\n" + run(journal, START_LIMIT)[1]
        else:
            script = "/etc/init.d/nginx"
            code, said = run([script, "start"], START_LIMIT) if os.access(script, os.X_OK) else (1, "")
            if code != 0:  # Debian's script throws away why; nginx says it, or runs
                code, said = run([self.program], START_LIMIT)
        end = time.monotonic() + (RELOAD_LIMIT if code == 0 else 0.0)
        while True:
            master = self.master()
            if master and any(self.workers(master).values()):
                return
            if time.monotonic() >= end:
                told = words(said) or "no worker came up, and it says nothing"
                raise Failure("nginx does not start: %s" % self._taken(told))
            time.sleep(0.02)

    def _taken(self, told: str) -> str:
        """nginx's words, and who has the ports that it could not have (98: EADDRINUSE)."""
        for port in dict.fromkeys(re.findall(r"bind\(\) to \S*:(\d+) failed \(98:", told)):
            holder = self.holder(int(port))
            told += "; port %s is taken by %s" % (port, holder) if holder else ""
        return told

    def holder(self, port: int) -> str:
        """Who listens on a TCP port and isn't nginx; empty when nobody does."""
        inodes = listening(port)
        if not inodes:
            return ""
        master = self.master()
        if master and inodes & set(sockets(master)):
            return ""
        for pid in processes():
            if inodes & set(sockets(pid)):
                if title(pid).startswith(MASTER):
                    return "an nginx that %s doesn't name (process %d; kill -QUIT %d ends it)" % (
                        self.pid_file(),
                        pid,
                        pid,
                    )
                return "%s (process %d)" % (_named(pid), pid)
        return "another process"


class Log:
    """What nginx adds to its error log from now on: a master's stderr is that log."""

    def __init__(self, master: int) -> None:
        self.path = os.path.realpath("/proc/%d/fd/2" % master)
        self.size = self._size()

    def _size(self) -> int:
        try:
            return os.stat(self.path).st_size if os.path.isfile(self.path) else -1
        except OSError:
            return -1

    def since(self) -> list[str]:
        """What nginx could not do, each once. (A port that is taken is tried five times in 2.5 s.)"""
        now = self._size()
        if now < 0:
            return []
        try:
            with open(self.path, "rb") as file:
                file.seek(max(self.size if 0 <= self.size <= now else 0, now - 65536))
                lines = file.read(65536).decode("utf-8", "replace").splitlines()
        except OSError:
            return []
        found = [re.sub(r"^.*?\[emerg\] (\d+#\d+: )?", "", line) for line in lines if "[emerg]" in line]
        return list(dict.fromkeys(found))


def words(said: str) -> str:
    """What nginx has against a configuration, with file and line, or its warnings when it takes it."""
    for level in (r"\[(emerg|alert|crit|error)\]", r"\[warn\]"):
        lines = [line for line in said.splitlines() if re.search(level, line) and HTTP2 not in line]
        if lines:
            told = [re.sub(r"^(nginx: |\S+ \S+ nginx\[\d+\]: )?(\[\w+\] )?", "", line) for line in lines]
            return "; ".join(dict.fromkeys(told))[-1200:]
    return "" if "test is successful" in said else said.strip()[-600:]


def run(argv: list[str], limit: float, before: Any = None, **more: str) -> tuple[int, str]:
    """Exit code and words; `more` variables of the environment. Into a file, and in a session of its own: what is started keeps its output, and outlives us."""
    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=limit,
                env={**ENVIRONMENT, **more},
                cwd="/",
                start_new_session=True,
                preexec_fn=before,
            )
        except subprocess.TimeoutExpired:
            raise Failure("%s took longer than %g s" % (" ".join(argv), limit)) from None
        output.seek(0)
        said = output.read(1 << 16).decode("utf-8", "replace")
        if done.returncode < 0:
            said = "%s was ended by signal %d. %s" % (" ".join(argv), -done.returncode, said)
        return done.returncode, said


# ---------------------------------------------------------------- /proc


def processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def title(pid: int) -> bytes:
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            return file.read(200)
    except OSError:
        return b""


def _named(pid: int) -> str:
    return title(pid).split(b"\0")[0].decode("utf-8", "replace").rpartition("/")[2] or "a process"


def children(parent: int) -> list[int]:
    found = []
    for pid in processes():
        try:
            with open("/proc/%d/stat" % pid, "rb") as file:
                # pid (comm) state ppid …: comm may hold spaces and brackets, so read from its last bracket (proc(5)).
                if int(file.read().rpartition(b")")[2].split()[1]) == parent:
                    found.append(pid)
        except (OSError, ValueError, IndexError):
            pass
    return found


def sockets(pid: int) -> list[str]:
    """The inodes of its open sockets."""
    found = []
    try:
        for fd in os.listdir("/proc/%d/fd" % pid):
            try:
                target = os.readlink("/proc/%d/fd/%s" % (pid, fd))
            except OSError:
                continue
            if target.startswith("socket:["):
                found.append(target[8:-1])
    except OSError:
        pass
    return found


def listening(port: int) -> set[str]:
    """The inodes of the TCP sockets that listen on it (proc(5), /proc/net/tcp; state 0A is LISTEN)."""
    found = set()
    for name in ("tcp", "tcp6"):
        try:
            with open("/proc/net/" + name, encoding="ascii") as lines:
                for line in lines:
                    parts = line.split()
                    if len(parts) > 9 and parts[3] == "0A" and parts[1].endswith(":%04X" % port):
                        found.add(parts[9])
        except OSError:
            pass
    return found
