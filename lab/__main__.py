"""`python -m lab`: lab hosts by hand.

up [N]       start N hosts (3) that stay until `down`, or with --hold until Ctrl-C
status       what is up
shell NAME   a root shell inside a host, without ssh (or a command: shell NAME -- COMMAND ...)
down [LAB]   take away what `up` started (or only the labs named), and what dead processes left (--all: running
             tests' hosts too)
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from . import Lab, LabError, Spec, keeper, labs, sweep, up
from .host import inside
from .problems import PATH, need


def main(argv: list[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m lab", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="start hosts")
    start.add_argument("count", nargs="?", type=int, default=3)
    start.add_argument("--name", action="append", default=[], help="names of the first hosts, in order")
    start.add_argument("--root", default="/", help="/ or a Debian suite: trixie, bookworm, bullseye")
    start.add_argument("--systemd", action="store_true", help="boot systemd (with --root SUITE)")
    start.add_argument("--port", type=int, default=22, help="sshd's port")
    start.add_argument("--user", default="root", help="who logs in")
    start.add_argument("--sudo", choices=["none", "nopasswd", "password"], default="none")
    start.add_argument("--no-python", action="store_true", help="hide Python")
    start.add_argument("--size", default="2g", help="size of each host's disk: 40m, 2g")
    start.add_argument("--hold", action="store_true", help="stay in the foreground until Ctrl-C")
    start.add_argument("--held-by", type=int, default=0, help=argparse.SUPPRESS)
    commands.add_parser("status", help="what is up")
    stop = commands.add_parser("down", help="take hosts away")
    stop.add_argument("labs", nargs="*", metavar="LAB", help="ids, as `up` and `status` say them; none: all")
    stop.add_argument("--all", action="store_true", help="also labs that a running process holds")
    shell = commands.add_parser("shell", help="a root shell inside a host")
    shell.add_argument("--lab", default="", help="the lab's id, where several have a host of that name (TRUEUP_LAB)")
    shell.add_argument("name")
    shell.add_argument("words", nargs=argparse.REMAINDER, help="-- COMMAND ...")
    arguments = parser.parse_args(argv)
    try:
        if arguments.command == "up":
            run = _hold if arguments.hold or arguments.held_by else _up
        else:
            run = {"status": _status, "down": _down, "shell": _shell}[arguments.command]
        code = run(arguments)
        sys.stdout.flush()
        return code
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader (head) has gone: what it read is what it wanted. Nothing is left to flush at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _specs(arguments: argparse.Namespace) -> list[Spec]:
    names = [*arguments.name, *("" for _ in range(arguments.count))][: arguments.count]
    return [
        Spec(
            name=name,
            root=arguments.root,
            systemd=arguments.systemd,
            port=arguments.port,
            user=arguments.user,
            sudo=arguments.sudo,
            python=not arguments.no_python,
            size=arguments.size,
        )
        for name in names
    ]


def _hold(arguments: argparse.Namespace) -> int:
    """Keep a lab up until a signal; with --held-by, say on stdout in one line that it is up."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with up(_specs(arguments)) as lab:
        if arguments.held_by:
            (lab.folder / "detached").touch()
            print(lab.id, flush=True)
            null = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(null, number)
        else:
            _tell(lab)
            print("Ctrl-C takes them away.", flush=True)
        while True:
            time.sleep(3600)


def _up(arguments: argparse.Namespace) -> int:
    """Start a process of its own that holds the lab."""
    holder = subprocess.Popen(
        [sys.executable, "-m", "lab", *sys.argv[1:], f"--held-by={os.getpid()}"],
        stdout=subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        cwd=Path(__file__).resolve().parent.parent,
    )
    assert holder.stdout is not None
    name = holder.stdout.readline().strip()
    if not name:
        return holder.wait(timeout=60) or 1
    _tell_book(name, labs()[name])
    print(f"down:  {sys.executable} -m lab down {name}")
    return 0


def _tell(lab: Lab) -> None:
    _tell_book(lab.id, labs()[lab.id])


def _tell_book(name: str, book: dict[str, Any]) -> None:
    print(f"lab {name}, bridge {book.get('bridge', '?')}")
    for host in book.get("hosts", ()):
        print(f"  {host['name']:<12} ssh -i {book['key']} -p {host['port']} {host['user']}@{host['address']}")


def _status(arguments: argparse.Namespace) -> int:
    found = labs()
    for name, book in found.items():
        _tell_book(name, book)
        if not (book.get("owner") and keeper.alive(book["owner"])):  # type: ignore[arg-type]
            print("  its owner is gone; next: python -m lab down")
    if not found:
        print("no lab is up")
    return 0


def _down(arguments: argparse.Namespace) -> int:
    need("ip")
    gone = []
    there = labs()
    if unknown := [name for name in arguments.labs if name not in there]:
        raise LabError(f"no lab is called {unknown[0]}; there are: {', '.join(there) or 'none'}")
    for name, book in there.items():
        if arguments.labs and name not in arguments.labs:
            continue
        owner: Any = book.get("owner")
        folder = Path("/run/trueup-lab") / name
        if owner and keeper.alive(owner) and ((folder / "detached").exists() or arguments.all):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(owner[0]), signal.SIGTERM)
            end = time.monotonic() + 20
            while folder.exists() and time.monotonic() < end:
                time.sleep(0.02)
            gone.append(f"lab {name}")
    gone += sweep(also_running=arguments.all)
    print("\n".join(f"removed {what}" for what in gone) or "nothing to take away")
    return 0


def _shell(arguments: argparse.Namespace) -> int:
    need("nsenter")
    wanted = arguments.lab or os.environ.get("TRUEUP_LAB", "")
    books: dict[str, Any] = {name: book for name, book in labs().items() if wanted in ("", name)}
    found = [
        (name, host) for name, book in books.items() for host in book.get("hosts", ()) if host["name"] == arguments.name
    ]
    if len(found) > 1:
        names = ", ".join(name for name, _ in found)
        raise LabError(
            f"{arguments.name} is in several labs ({names}); next: shell --lab {found[0][0]} {arguments.name}"
        )
    if not found:
        there = ", ".join(host["name"] for book in books.values() for host in book.get("hosts", ()))
        raise LabError(f"no lab host is called {arguments.name}; there are: {there or 'none'}")
    host = found[0][1]
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    argv = [*inside(host["pid"], host["systemd"]), *(words or ["/bin/bash", "-l"])]
    os.chdir("/")
    terminal = os.environ.get("TERM", "dumb")
    os.execvpe(argv[0], argv, {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": terminal})


if __name__ == "__main__":
    sys.exit(main())
