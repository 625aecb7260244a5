# Copyright: the trueup authors
# GNU General Public License v3.0 or later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ansible-playbook that has its imports behind it: waits on a socket, and forks one process a run.

    python -I warm.py LISTENING OWNER

Both are descriptors: a listening Unix socket, and a pipe whose other end the owner holds and never writes to. When that
end is closed, however the owner ended, this process kills its runs and ends. ../warm.py is the owner, ../client.py.txt
the program that stands for ansible-playbook: it sends what it was started with (arguments, environment, folder, umask,
and its three standard descriptors) and waits for the exit status.

Ansible reads its settings while it is imported, so a run whose settings are not this process's own is turned away
(`cold`), and so is what is not understood. Then the client starts a process of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import selectors
import shutil
import signal
import socket
import struct
import sys
import tempfile
import warnings
from dataclasses import dataclass
from typing import NoReturn

MOST = 1 << 20
"""Bytes of a request: arguments and environment, which the kernel keeps to 2 MiB at most anyway."""
OF_A_RUN = ("AWX_", "RUNNER_")
"""Variables that may differ from run to run: the runner's own. None of them is read while Ansible is imported."""
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Request:
    argv: list[str]
    env: dict[str, str]
    folder: str
    umask: int
    fds: list[int]


def preload() -> None:
    """Import what every run of ours needs, and let Ansible read the documentation of its plugins, which holds their
    settings. What is forgotten here only costs time."""
    from ansible.cli import playbook  # type: ignore[import-untyped]  # noqa: F401
    from ansible.executor import playbook_executor  # type: ignore[import-untyped]  # noqa: F401
    from ansible.plugins import loader  # type: ignore[import-untyped]

    loader.init_plugin_loader([])
    for kind, name in (
        ("strategy", "linear"),
        ("callback", "default"),  # awx_display is made of it, but keeps what it reads of its run at import
        ("connection", "ssh"),
        ("connection", "local"),
        ("shell", "sh"),
        ("become", "sudo"),
        ("inventory", "yaml"),
        ("cache", "memory"),
        ("action", "trueup.host.visit"),
    ):
        with contextlib.suppress(Exception):
            getattr(loader, f"{kind}_loader").get(name, class_only=True)
    loader.vars_loader.get("host_group_vars")  # kept as it is given out, so not its class


class Server:
    def __init__(self, listening: socket.socket, owner: int) -> None:
        self.listening = listening
        self.owner = owner
        self.own = {name: value for name, value in os.environ.items() if not name.startswith(OF_A_RUN)}
        self.runs: dict[int, socket.socket] = {}
        """Process → the client that waits for it."""
        self.selector = selectors.DefaultSelector()

    def serve(self) -> NoReturn:
        woken, wakes = socket.socketpair()
        woken.setblocking(False)
        wakes.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        for source in (self.listening, self.owner, woken):
            self.selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listening:
                    self.accept()
                elif key.fileobj == self.owner:
                    self.end()
                elif key.fileobj is woken:
                    with contextlib.suppress(BlockingIOError):
                        woken.recv(4096)
                    self.reap()
                else:
                    self.heard(key.data)

    # ---- a run begins

    def accept(self) -> None:
        client, _ = self.listening.accept()
        with contextlib.ExitStack() as ends:
            ends.callback(client.close)
            uid = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
            if uid != os.getuid():
                return
            client.settimeout(5)
            request = read(client)
            if request is None or {k: v for k, v in request.env.items() if not k.startswith(OF_A_RUN)} != self.own:
                with contextlib.suppress(OSError):
                    client.sendall(b"cold\n")
                for fd in request.fds if request is not None else ():
                    os.close(fd)
                return
            try:
                client.sendall(b"runs\n")  # from here on nobody else starts it
                pid = os.fork()
            except OSError:
                return  # the client is gone, or there is no process to be had: it hears no exit status
            finally:
                if os.getpid() != SERVER:
                    run(request, client, self)
                for fd in request.fds:
                    os.close(fd)
            client.setblocking(False)
            ends.pop_all()
            self.runs[pid] = client
            self.selector.register(client, selectors.EVENT_READ, pid)

    # ---- a run ends

    def heard(self, pid: int) -> None:
        """The client passes a signal on (its number, one byte), or is gone: then its run is killed."""
        client = self.runs.get(pid)
        if client is None:
            return
        try:
            said = client.recv(16)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            self.selector.unregister(client)
        for number in said or bytes([signal.SIGKILL]):
            kill(pid, number)

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            client = self.runs.pop(pid, None)
            if client is not None:
                with contextlib.suppress(KeyError, ValueError):
                    self.selector.unregister(client)
                with contextlib.suppress(OSError):
                    client.send(b"%d\n" % os.waitstatus_to_exitcode(status))
                client.close()

    def end(self) -> NoReturn:
        for pid in self.runs:
            kill(pid, signal.SIGKILL)
        os._exit(0)


def kill(pid: int, number: int) -> None:
    """The run's whole process group; the run alone while it has none yet."""
    for send in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            send(pid, number)
            return


def read(client: socket.socket) -> Request | None:
    """What a client sends: a length in a line, then so many bytes of words that end in NUL (folder, umask, how many
    arguments, those, `name=value`…), and three descriptors along with the first bytes. None when it is anything else."""
    fds: list[int] = []
    try:
        data, ancillary, flags, _ = client.recvmsg(65536, socket.CMSG_SPACE(3 * 4), socket.MSG_CMSG_CLOEXEC)
        for level, kind, packed in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds += struct.unpack(f"{len(packed) // 4}i", packed[: len(packed) // 4 * 4])
        line, _, body = data.partition(b"\n")
        size = int(line)
        if not 0 < size <= MOST or flags & socket.MSG_CTRUNC or len(fds) != 3:
            raise ValueError
        while len(body) < size:
            more = client.recv(65536)
            if not more:
                raise ValueError
            body += more
        words = [os.fsdecode(word) for word in body[:-1].split(b"\0")]
        count = int(words[2])
        pairs = [word.partition("=") for word in words[3 + count :]]
        env = {name: value for name, _, value in pairs}
        return Request(argv=words[3 : 3 + count], env=env, folder=words[0], umask=int(words[1]), fds=fds)
    except (OSError, ValueError, IndexError):
        for fd in fds:
            os.close(fd)
        return None


# ---------------------------------------------------------------- in the process of a run


def run(request: Request, client: socket.socket, server: Server) -> NoReturn:
    """Be the ansible-playbook that was asked for."""
    status = 250
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != SERVER:
            os._exit(status)  # it died before it could be watched
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, fd in enumerate(request.fds):
            os.dup2(fd, number)
        server.selector.close()
        for fd in (*request.fds, server.owner):
            os.close(fd)
        for open_socket in (client, server.listening, *server.runs.values()):
            open_socket.close()
        os.chdir(request.folder)
        os.umask(request.umask)
        os.environ.clear()
        os.environ.update(request.env)
        sys.argv = ["ansible-playbook", *request.argv]
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        status = play(sys.argv)
    except KeyboardInterrupt:
        status = 99  # ansible.errors.ExitCode.KEYBOARD_INTERRUPT, before Ansible itself listens
        with contextlib.suppress(OSError):
            os.write(2, b"[ERROR]: User interrupted execution\n")
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(2, f"ansible-playbook: {type(error).__name__}: {error}\n".encode())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(status)  # what is registered to happen at the server's end must not happen at a run's


def play(argv: list[str]) -> int:
    from ansible import constants  # type: ignore[import-untyped]
    from ansible.cli.playbook import PlaybookCLI  # type: ignore[import-untyped]

    warnings.filterwarnings("ignore", message="AnsibleCollectionFinder has already been configured")
    constants.DEFAULT_LOCAL_TMP = tempfile.mkdtemp(prefix="run-", dir=constants.DEFAULT_LOCAL_TMP)
    try:
        PlaybookCLI.cli_executor(argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        shutil.rmtree(constants.DEFAULT_LOCAL_TMP, ignore_errors=True)
    return 0


if __name__ == "__main__":
    SERVER = os.getpid()
    preload()
    gc.collect()
    gc.freeze()  # so that no run copies these pages only to find that nothing in them is garbage
    Server(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])).serve()
