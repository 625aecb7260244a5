"""Starts, stops, reloads, enables or disables one service. Standard library, Python 3.8 on.

Does what `ansible.builtin.service` does, proved on lab hosts with and without systemd; beyond it: unit files that
changed are read first (daemon-reload), it waits until an init script's daemon says that it runs, and a failure says
what the service itself said.

Arguments: name; running, enabled: true, false, or left out for "as it is"; refresh: `restart`, `reload` or left out,
for a service that runs; limit: seconds for all of it.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import tempfile
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # not imported on hosts: it would cost each of them milliseconds
    from typing import Any

BOOTED = "/run/systemd/system"
INIT_SCRIPTS = "/etc/init.d"
SUFFIXES = (".service", ".socket", ".timer", ".path", ".mount", ".automount", ".swap", ".target", ".slice", ".device")
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TERM": "dumb"}
IN_USE = "Address already in use"
"""EADDRINUSE, as the C library says it (the journal has the service's own words)."""
PORT = re.compile(r"(?::|\bport )(\d{1,5})\b")
SETTLE = 5.0
"""Seconds that a daemon has to say that it runs, or that it is gone, after its script has ended."""


class Failure(Exception):
    """Carries what the operator reads."""


class Host:
    """Commands with one deadline for all of them."""

    def __init__(self, limit: float) -> None:
        self.deadline = time.monotonic() + limit

    def run(self, argv: list[str]) -> tuple[int, str]:
        try:
            # A file, not a pipe: the daemon may keep its output open for ever. A session of its own: it must outlive us.
            with tempfile.TemporaryFile() as output:
                done = subprocess.run(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=max(1.0, self.deadline - time.monotonic()),
                    env=ENVIRONMENT,
                    cwd="/",
                    start_new_session=True,
                )
                output.seek(0)
                return done.returncode, output.read().decode("utf-8", "replace").strip()
        except subprocess.TimeoutExpired:
            raise Failure(f"{' '.join(argv)} took longer than it may and was ended") from None

    def must(self, argv: list[str]) -> None:
        code, said = self.run(argv)
        if code != 0:
            raise Failure(f"{' '.join(argv)}: {said[-600:] or f'exit {code}'}")


# ---------------------------------------------------------------- systemd


def unit_of(name: str) -> str:
    return name if name.endswith(SUFFIXES) else name + ".service"


def shown(host: Host, unit: str) -> dict[str, str]:
    names = "LoadState,ActiveState,UnitFileState,CanReload,NeedDaemonReload"
    code, said = host.run(["systemctl", "show", "--no-pager", f"--property={names}", "--", unit])
    if code != 0:
        raise Failure(f"systemctl show {unit}: {said[-300:]}")
    return dict(line.split("=", 1) for line in said.split("\n") if "=" in line)


def by_systemd(args: dict[str, Any], host: Host) -> bool:
    unit = unit_of(args["name"])
    now = shown(host, unit)
    if now.get("NeedDaemonReload") == "yes" or now.get("LoadState") == "not-found":
        host.must(["systemctl", "daemon-reload"])
        now = shown(host, unit)
    wants_it = args.get("running") or args.get("enabled")
    if now.get("LoadState") == "not-found":
        if wants_it:
            raise Failure(f"there is no unit {unit} on this host")
        return False
    if now.get("LoadState") == "masked" and wants_it:
        raise Failure(f"{unit} is masked: `systemctl unmask {unit}` lets it start")
    changed = False
    enabled = now.get("UnitFileState") in ("enabled", "enabled-runtime")
    if args.get("enabled") is not None and (
        bool(args["enabled"]) != enabled or now.get("UnitFileState") == "generated"
    ):
        host.must(["systemctl", "enable" if args["enabled"] else "disable", "--", unit])
        changed = True
    active = now.get("ActiveState") in ("active", "reloading", "activating", "refreshing")
    verb = ""
    if args.get("running") is False:
        verb = "stop" if active else ""
    elif args.get("running") and not active:
        verb = "start"
    elif args.get("refresh") and active:
        verb = "reload" if args["refresh"] == "reload" and now.get("CanReload") == "yes" else "restart"
    if verb:
        if now.get("ActiveState") == "failed":
            host.run(["systemctl", "reset-failed", "--", unit])  # its start limit would refuse the next start
        systemctl(host, verb, unit)
    return changed or bool(verb)


def systemctl(host: Host, verb: str, unit: str) -> None:
    code, said = host.run(["systemctl", verb, "--", unit])
    if code == 0:
        return
    _, words = host.run(["journalctl", "--unit", unit, "--lines", "5", "--no-pager", "--output", "cat"])
    told = f"{said.splitlines()[0] if said else f'exit {code}'} {words[-500:]}".strip()
    raise Failure(f"systemctl {verb} {unit}: " + "; ".join([*taken(host, words, unit), told]))


def taken(host: Host, words: str, unit: str) -> list[str]:
    """Who has the ports that a service says it could not have, and what to do."""
    if not shutil.which("ss", path=ENVIRONMENT["PATH"]):
        return []
    found = []
    for port in dict.fromkeys(PORT.findall("\n".join(line for line in words.split("\n") if IN_USE in line))):
        _, said = host.run(["ss", "-Hltnp", f"sport = :{port}"])
        # Of a master and its workers the master: to end a worker frees no port.
        for pid, name in sorted((int(pid), name) for name, pid in re.findall(r'\("([^"]+)",pid=(\d+)', said))[:1]:
            found.append(
                f"port {port} is taken by {name} (process {pid}), which {unit} did not start: "
                "end it, or give one of the two another port"
            )
    return found


# ---------------------------------------------------------------- init scripts


def by_script(args: dict[str, Any], host: Host) -> bool:
    name = args["name"][: -len(".service")] if args["name"].endswith(".service") else args["name"]
    script = os.path.join(INIT_SCRIPTS, name)
    if not os.path.exists(script):
        if args.get("running") or args.get("enabled"):
            raise Failure(f"there is no {script}, and systemd doesn't run this host")
        return False
    changed = False
    if args.get("enabled") is not None and bool(args["enabled"]) != bool(boot_links(name)):
        enable(host, name, bool(args["enabled"]))
        changed = True
    running = host.run([script, "status"])[0] == 0
    verb = ""
    if args.get("running") is False:
        verb = "stop" if running else ""
    elif args.get("running") and not running:
        verb = "start"
    elif args.get("refresh") and running:
        verb = str(args["refresh"])
    if verb:
        host.must([script, verb])
        settle(host, script, verb != "stop")
    return changed or bool(verb)


def settle(host: Host, script: str, wanted: bool) -> None:
    """Wait until the status is as wanted. A script without a status is believed."""
    end = min(host.deadline, time.monotonic() + SETTLE)
    while True:
        code, said = host.run([script, "status"])
        if (code == 0) == wanted or re.search(r"usage", said, re.IGNORECASE):
            return
        if time.monotonic() >= end:
            what = "does not run after its script ended well" if wanted else "still runs after it was stopped"
            raise Failure(f"{script}: the service {what}: {said[-300:]}")
        time.sleep(0.1)


def boot_links(name: str) -> list[str]:
    links = glob.glob("/etc/rc[2345S].d/S[0-9][0-9]*")
    return [link for link in links if re.sub(r"^S[0-9][0-9]", "", os.path.basename(link)) == name]


def enable(host: Host, name: str, wanted: bool) -> None:
    if shutil.which("update-rc.d", path=ENVIRONMENT["PATH"]):
        if wanted and not glob.glob(f"/etc/rc[0-6S].d/[SK][0-9][0-9]{glob.escape(name)}"):
            host.must(["update-rc.d", name, "defaults"])
        host.must(["update-rc.d", name, "enable" if wanted else "disable"])
    elif shutil.which("chkconfig", path=ENVIRONMENT["PATH"]):
        host.must(["chkconfig", name, "on" if wanted else "off"])
    else:
        raise Failure("neither update-rc.d nor chkconfig is here: nothing says what starts at boot")


def run(args: dict[str, Any]) -> dict[str, Any]:
    """{"changed", "failed", "msg"}."""
    host = Host(float(args.get("limit", 120)))
    try:
        changed = by_systemd(args, host) if os.path.isdir(BOOTED) else by_script(args, host)
    except Failure as why:
        return {"changed": False, "failed": True, "msg": str(why)}
    except OSError as error:
        return {"changed": False, "failed": True, "msg": str(error)}
    return {"changed": changed, "failed": False, "msg": ""}
