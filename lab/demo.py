"""`make demo`: three lab hosts, a bare repository, a push, and what comes of it. Leaves nothing behind.

Each step says what it does. Everything of the demo lies in one folder, /tmp/trueup-demo-…, that goes with it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from . import Lab, LabError, sweep, up

PROJECT = Path(__file__).resolve().parent.parent
TRUEUP = str(PROJECT / ".venv/bin/trueup")
NAMES = ("web-1", "web-2", "db-1")
OBSERVE_EVERY = 20
"""Seconds between two looks at a host in the demo, so that drift is seen healed while one watches."""


class DemoError(Exception):
    """A step of the demo failed; the text says which and why."""


def main(argv: list[str] | None = None) -> int:
    """Run the demo; gives the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--exit", action="store_true", help="end when the fleet is converged (make demo EXIT=1)")
    arguments = parser.parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    begin = time.monotonic()
    try:
        sweep()
        say("start 3 lab hosts: namespaces of this machine, each with its own sshd, cron, users and disk")
        with up(len(NAMES), names=NAMES) as hosts, _folder(hosts) as folder:
            for host in hosts:
                more(f"{host.name:<6} {host.address}  {host.host_keys[0][:40]}…")
            _run(hosts, folder, begin, arguments.exit)
            say("take everything away")
    except KeyboardInterrupt:
        print()
        return 0 if not arguments.exit else 130
    except (DemoError, LabError) as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 1
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def say(words: str) -> None:
    """Tell the next step."""
    print(f"\n\033[1m▸ {words}\033[0m" if sys.stdout.isatty() else f"\n> {words}", flush=True)


def more(words: str) -> None:
    """Tell a detail of the step."""
    for line in words.rstrip().splitlines():
        print(f"  {line}", flush=True)


@contextmanager
def _folder(hosts: Lab) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="trueup-demo-"))
    hosts.also_remove(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(hosts: Lab, folder: Path, begin: float, leave: bool) -> None:
    bare, clone = folder / "fleet.git", folder / "fleet"
    port = _free_port()
    settings = {
        "TRUEUP_CONFIG": str(folder / "server.yaml"),
        "TRUEUP_STATE_DIR": str(folder / "state"),
        "TRUEUP_RUN_DIR": str(folder / "run"),
        "TRUEUP_SOCKET": str(folder / "run/fleet.sock"),
        "TRUEUP_LISTEN": f"127.0.0.1:{port}",
        "TRUEUP_SSH_KEY": str(hosts.key),
        "TRUEUP_OBSERVE_EVERY": str(OBSERVE_EVERY),
    }
    (folder / "server.yaml").write_text("# The demo says everything by TRUEUP_* variables.\n", encoding="utf-8")
    environment = {
        **os.environ,
        **settings,
        "PATH": f"{PROJECT}/.venv/bin:{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
    }

    say(f"make a bare repository, with the hooks that check a push: trueup init --bare {bare}")
    _call([TRUEUP, "init", "--bare", str(bare)], environment)

    say(f"start the daemon that holds the fleet to it: trueup serve --repo {bare} --branch main")
    with _daemon(bare, folder, environment):
        say("commit example-repo/ with the addresses and host keys of the lab hosts, and push it")
        commit = _clone(hosts, bare, clone, environment)
        _call(["git", "push", "origin", "main"], environment, clone, show=True)

        say(f"wait until every host is as the commit says: trueup wait {commit[:7]}")
        _call([TRUEUP, "wait", commit], environment, clone, show=True)

        say("the fleet's status: trueup status")
        _call([TRUEUP, "status"], environment, clone, show=True)
        print(f"\nConverged {time.monotonic() - begin:.1f} s after the start. The page: http://127.0.0.1:{port}/")
        if leave:
            return
        _next(folder, clone, settings)
        while True:
            time.sleep(3600)


def _clone(hosts: Lab, bare: Path, clone: Path, environment: Mapping[str, str]) -> str:
    """Make a clone that holds the example with the lab's hosts in it; gives the commit."""
    shutil.copytree(PROJECT / "example-repo", clone)
    for host in hosts:
        write_host(clone / f"hosts/{host.name}.yaml", host.address, host.host_keys)
    _call(["git", "init", "--quiet", "--initial-branch=main"], environment, clone)
    if not _ask(["git", "config", "user.email"], environment, clone):
        _call(["git", "config", "user.name", "Demo"], environment, clone)
        _call(["git", "config", "user.email", "demo@localhost"], environment, clone)
    _call(["git", "remote", "add", "origin", str(bare)], environment, clone)
    _call(["git", "config", "branch.main.remote", "origin"], environment, clone)
    _call(["git", "config", "branch.main.merge", "refs/heads/main"], environment, clone)
    _call(["git", "add", "--all"], environment, clone)
    _call(["git", "commit", "--quiet", "--message", "The fleet as it should be"], environment, clone)
    return _ask(["git", "rev-parse", "HEAD"], environment, clone)


def write_host(path: Path, address: str, host_keys: tuple[str, ...]) -> None:
    """Give a Host manifest another address, and the host keys that are to be trusted."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("  address:"):
            line = f"  address: {address}\n  hostKeys:" + "".join(f"\n    - {key}" for key in host_keys)
        lines.append(line)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@contextmanager
def _daemon(bare: Path, folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """`trueup serve`, until the end; it ends with this process, however that goes (setpriv, PR_SET_PDEATHSIG)."""
    log = folder / "serve.log"
    with log.open("wb") as out:
        daemon = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "--", TRUEUP, "serve", "--repo", str(bare), "--branch", "main"],
            env=environment, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        end = time.monotonic() + 20
        while not Path(environment["TRUEUP_SOCKET"]).exists():
            if daemon.poll() is not None or time.monotonic() > end:
                raise DemoError(
                    f"trueup serve does not start:\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}"
                )
            time.sleep(0.02)
        more(f"it writes to {log}")
        yield
    except DemoError as error:
        tail = log.read_text(encoding="utf-8", errors="replace")[-3000:]
        raise DemoError(f"{error}\nThe daemon's log ends with:\n{tail}") from error
    finally:
        daemon.terminate()
        try:
            daemon.wait(timeout=15)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait(timeout=10)


def _free_port() -> int:
    """8080 where it is free, else any."""
    for port in (8080, 0):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)) as server:
            return int(server.getsockname()[1])
    raise DemoError("no TCP port is free on 127.0.0.1")


def _ask(argv: list[str], environment: Mapping[str, str], cwd: Path) -> str:
    done = subprocess.run(argv, env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip()


def _call(argv: list[str], environment: Mapping[str, str], cwd: Path = PROJECT, *, show: bool = False) -> None:
    """Run one command of a step, its words below the step's; raises DemoError when it fails."""
    process = subprocess.Popen(
        argv, env=environment, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        text=True, errors="replace",
    )  # fmt: skip
    assert process.stdout is not None
    words = []
    for line in process.stdout:
        words.append(line)
        if show:
            more(line)
    if process.wait() != 0:
        raise DemoError(
            f"`{' '.join(argv)}` ended with {process.returncode}" + ("" if show else f":\n{''.join(words)}")
        )


def _next(folder: Path, clone: Path, settings: Mapping[str, str]) -> None:
    (folder / "env").write_text(
        "".join(f"export {name}='{value}'\n" for name, value in settings.items())
        + f"export PATH='{PROJECT}/.venv/bin':\"$PATH\":/usr/sbin:/sbin\n"
        + f"lab() {{ (cd '{PROJECT}' && .venv/bin/python -m lab \"$@\"); }}\n"
        + f"cd '{clone}'\n",
        encoding="utf-8",
    )
    print(f"""
What to try, in another terminal{", as root (sudo -s)" if os.environ.get("SUDO_UID") else ""}:

  . {folder}/env                                  # the demo's settings; goes into the clone
  sed -i 's/Saturday/Sunday/' trueup.yaml && git commit -am "Maintenance moves to Sunday"
  git push -o plan                                # what it would change; nothing lands
  git push -o wait                                # push, and watch it converge
  lab shell web-1 -- sh -c 'echo hacked > /etc/motd; cat /etc/motd'   # drift, by hand
  trueup status                                   # healed within {OBSERVE_EVERY} s; lab shell web-1 -- cat /etc/motd
  git rm users/bo.yaml && git commit -m "Bo left" && git push -o wait
  trueup history                                  # all that happened; trueup --help says what else there is

Ctrl-C ends the demo and takes everything away.""", flush=True)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
