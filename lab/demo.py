"""`make demo`: three lab hosts, a bare repository, a push, and what comes of it. Leaves nothing behind.

Each step says what it does. Everything of the demo lies in one folder, /tmp/trueup-demo-…, that goes with it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from . import Lab, LabError, sweep, up
from .fleet import PROJECT, Fleet, free_port

NAMES = ("web-1", "web-2", "db-1")
OBSERVE_EVERY = 20
"""Seconds between two looks at a host in the demo, so that drift is seen healed while one watches."""


def main(argv: list[str] | None = None) -> int:
    """Run the demo; gives the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--exit", action="store_true", help="end when the fleet is converged (make demo EXIT=1)")
    arguments = parser.parse_args(argv)
    # SIGINT too: a shell's background job has it ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
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
    except LabError as error:
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
    port = free_port(8080)
    settings = {"TRUEUP_LISTEN": f"127.0.0.1:{port}", "TRUEUP_OBSERVE_EVERY": str(OBSERVE_EVERY)}
    fleet = Fleet(hosts=hosts, folder=folder, key=hosts.key, settings=settings)

    say(f"make a bare repository, with the hooks that check a push: trueup init --bare {fleet.bare}")
    fleet.make()

    say(f"start the daemon that holds the fleet to it: trueup serve --repo {fleet.bare} --branch main")
    with fleet.serve():
        more(f"it writes to {fleet.log}")
        say("commit example-repo/ with the addresses and host keys of the lab hosts, and push it")
        shutil.copytree(PROJECT / "example-repo", fleet.clone, dirs_exist_ok=True)
        for host in hosts:
            write_host(fleet.clone / f"hosts/{host.name}.yaml", host.address, host.host_keys)
        web = [host.address for host in hosts if host.name.startswith("web-")]
        write_domains(fleet.clone / "web/manual.yaml", web)
        fleet.trueup("secrets", "identity")
        fleet.trueup("secrets", "encrypt", "backup-key", "--repo", str(fleet.clone), input=token_hex(16))
        more("its one secret, a backup's key, is encrypted for this controller: trueup secrets encrypt backup-key")
        commit = fleet.commit("The fleet as it should be")
        _show(fleet, "git", "push", "origin", "main")

        say(f"wait until every host is as the commit says: trueup wait {commit[:7]}")
        _show(fleet, "trueup", "wait", commit)

        say("the fleet's status: trueup status")
        _show(fleet, "trueup", "status")
        print(f"\nConverged {time.monotonic() - begin:.1f} s after the start. The page: http://127.0.0.1:{port}/")
        print(
            f"The site that {' and '.join(host.name for host in hosts if host.address in web)} serve, trueup's manual: http://{web[0]}/"
        )
        if leave:
            return
        _next(fleet, hosts.id, f"http://{web[0]}/")
        while True:
            time.sleep(3600)


def write_host(path: Path, address: str, host_keys: tuple[str, ...]) -> None:
    """Give a Host manifest another address, and the host keys that are to be trusted."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("  address:"):
            line = f"  address: {address}\n  hostKeys:" + "".join(f"\n    - {key}" for key in host_keys)
        lines.append(line)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_domains(path: Path, addresses: list[str]) -> None:
    """Let a Site answer by addresses too: no name server knows its domains."""
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"(domains: \[.*)\]", rf"\1, {', '.join(addresses)}]", text), encoding="utf-8")


def _show(fleet: Fleet, *argv: str) -> None:
    """Run one command of a step, its words below the step's as they come; raises LabError when it fails."""
    process = subprocess.Popen(
        argv, env=fleet.environment(), cwd=fleet.clone, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL, text=True, errors="replace",
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        more(line)
    if process.wait() != 0:
        log = fleet.log.read_text(encoding="utf-8", errors="replace")[-3000:]
        raise LabError(f"`{' '.join(argv)}` ended with {process.returncode}\nThe daemon's log ends with:\n{log}")


def _next(fleet: Fleet, lab_id: str, site: str) -> None:
    """Write the settings for another terminal, and tell what to try in it."""
    (fleet.folder / "env").write_text(
        "".join(f"export {name}='{value}'\n" for name, value in fleet.variables().items())
        + f"export PATH='{PROJECT}/.venv/bin':\"$PATH\":/usr/sbin:/sbin\n"
        + f"export TRUEUP_LAB='{lab_id}' SITE='{site}'\n"
        + f"lab() {{ (cd '{PROJECT}' && .venv/bin/python -m lab \"$@\"); }}\n"
        + f"cd '{fleet.clone}'\n",
        encoding="utf-8",
    )
    print(f"""
What to try, in another terminal{", as root (sudo -s)" if os.environ.get("SUDO_UID") else ""}:

  . {fleet.folder}/env                                  # the demo's settings; goes into the clone
  sed -i 's/Saturday/Sunday/' trueup.yaml && git commit -am "Maintenance moves to Sunday"
  git push -o plan                                # what it would change; nothing lands
  git push -o wait                                # push, and watch it converge
  lab shell web-1 -- sh -c 'echo hacked > /etc/motd; cat /etc/motd'   # drift, by hand
  trueup status                                   # healed within {OBSERVE_EVERY} s; lab shell web-1 -- cat /etc/motd
  git rm users/bo.yaml && git commit -m "Bo left" && git push -o wait
  sed -i 's/one page/a single page/' web/manual/index.html && git commit -am "Better words" && git push -o wait   # the site
  trueup history                                  # all that happened; trueup --help says what else there is

Ctrl-C ends the demo and takes everything away.""", flush=True)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
