"""The way to one host, step by step, as a visit goes it: name, port, key, login, Python, sudo. Nothing is changed there,
and no key is pinned: what a first visit would pin is looked at in a copy of the pins.
"""

from __future__ import annotations

import dataclasses
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ..core.model import Host
from ..settings import Settings
from ..tell.clean import plural
from ..trip import ssh, troubles
from .finding import Finding, failed, ok, skipped, warning

SKEW = 120.0
"""Seconds that a host's clock may be off: history and cron run by it."""

_QUESTIONS = """\
echo "date=$(date +%s)"
for p in python3 /usr/libexec/platform-python /usr/bin/python3; do
  if command -v "$p" >/dev/null 2>&1; then echo "python=$p $("$p" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>&1 | tail -n1)"; break; fi
done
echo "user=$(id -un)"
echo "tmp=$(df -Pk /tmp 2>/dev/null | awk 'NR==2{print $4}')"
echo "var=$(df -Pk /var/lib 2>/dev/null | awk 'NR==2{print $4}')"
if [ "$(id -u)" != 0 ]; then
  if command -v sudo >/dev/null 2>&1; then s=$(sudo -n true 2>&1) && echo "sudo=yes" || echo "sudo=no $s"; else echo "sudo=none"; fi
fi
"""


def host_findings(settings: Settings, host: Host) -> Iterator[Finding]:
    """Each step in turn; after the first that fails, those that need it are skipped."""
    address = host.address or host.name
    if host.proxy_jump:
        yield skipped("resolves", f"reached through {host.proxy_jump}: the name is looked up there")
    else:
        name = _resolves(address)
        yield name
        if name.status.value == "failed":
            return
        port = _port(settings, host, address)
        yield port
        if port.status.value == "failed":
            return
    yield _vouched(settings, host)
    yield from _login(settings, host)


def _resolves(address: str) -> Finding:
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)}
    except OSError as error:
        return failed(
            "resolves",
            f"{address}: {error.strerror or error}",
            "give the Host an address, or its name to DNS or /etc/hosts",
        )
    return ok(
        "resolves",
        f"{address} is an address" if found == {address} else f"{address} is {', '.join(sorted(found))}",
    )


def _port(settings: Settings, host: Host, address: str) -> Finding:
    started = time.monotonic()
    try:
        with socket.create_connection((address, host.port), timeout=settings.connect_timeout) as way:
            way.settimeout(settings.connect_timeout)
            banner = way.recv(64)
    except TimeoutError:
        return failed(
            "port",
            f"no answer on port {host.port} within {settings.connect_timeout:g} s",
            "is it up, and does a firewall let the port through?",
        )
    except OSError as error:
        return failed(
            "port",
            f"port {host.port}: {error.strerror or error}",
            "is sshd running there? (systemctl status ssh, on its console)",
        )
    if not banner.startswith(b"SSH-"):
        return failed("port", f"what listens on port {host.port} is no SSH server", "correct the Host's port")
    return ok("port", f"{troubles.clean(banner.decode('ascii', 'replace'))} after {time.monotonic() - started:.2f} s")


def _vouched(settings: Settings, host: Host) -> Finding:
    if host.host_keys:
        return ok("host-key", f"{plural(len(host.host_keys), 'key')} committed")
    if ssh.pinned(settings.known_hosts, host.name):
        return ok("host-key", "pinned at an earlier visit")
    if settings.pin_on_first_use:
        return warning(
            "host-key",
            "nobody vouches for its key yet: the first visit pins what it finds",
            f"trueup host-keys {host.name} prints the lines to compare and commit",
        )
    return failed(
        "host-key",
        "its key is neither committed nor pinned, and pinOnFirstUse is off",
        f"trueup host-keys {host.name} prints the lines to compare and commit",
    )


def _login(settings: Settings, host: Host) -> Iterator[Finding]:
    with tempfile.TemporaryDirectory(prefix="trueup-doctor-") as folder:
        pins = Path(folder) / "known_hosts"
        if settings.known_hosts.exists():
            shutil.copyfile(settings.known_hosts, pins)
        try:
            ways = ssh.Ways(settings=dataclasses.replace(settings, known_hosts=pins), folder=Path(folder), strict=False)
            config = ways.config(host, known=False)
        except ssh.BadAddress as error:
            yield failed("login", str(error), "correct the Host manifest")
            return
        limit = settings.connect_timeout + 30
        try:
            done = subprocess.run(
                ["ssh", "-F", str(config), "-o", "ControlPath=none", "-T", host.name, "/bin/sh"],
                input=_QUESTIONS, capture_output=True, text=True, errors="replace", timeout=limit, check=False,
                env=ssh.environment(),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            yield failed(
                "login",
                f"sshd accepts and then says nothing within {limit:g} s",
                "look at sshd and the disk on its console",
            )
            return
        except OSError as error:
            yield failed("login", f"ssh can't be started: {error.strerror}", "apt install openssh-client")
            return
    answers = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    if "date" not in answers:
        wrong = troubles.told(done.stderr, host, settings.connect_timeout)
        yield failed("login", wrong.why, wrong.next_step)
        return
    yield ok("login", f"as {troubles.clean(answers.get('user', host.user))}")
    yield _python(host, answers.get("python", ""))
    yield _sudo(settings, host, answers.get("sudo", ""))
    yield _clock(answers["date"])
    yield _disk(answers)


def _python(host: Host, said: str) -> Finding:
    place, _, version = troubles.clean(said).partition(" ")
    if not place:
        fix = (
            "set bootstrap: true on the Host, or: apt install python3"
            if not host.bootstrap
            else "the first visit installs it (bootstrap: true)"
        )
        return failed("host-python", "there is no Python", fix)
    try:
        numbers = tuple(int(part) for part in version.split("."))
    except ValueError:
        return failed("host-python", f"{place} doesn't run: {version}", "repair Python on the host")
    if numbers < (3, 8):
        return failed("host-python", f"{place} is {version}, 3.8 is the oldest", "install a newer Python on the host")
    return ok("host-python", f"{place} {version}")


def _sudo(settings: Settings, host: Host, said: str) -> Finding:
    word, _, rest = troubles.clean(said).partition(" ")
    if word == "":
        return ok("sudo", "the login is root's: none is needed")
    if not host.become:
        return failed("sudo", f"{host.user} is not root, and become is off", "set become: true on the Host")
    if word == "yes":
        return ok("sudo", "without a password")
    if word == "none":
        return failed("sudo", "there is no sudo on the host", "install sudo there, or log in as root")
    if settings.become_password or settings.become_password_file:
        return ok("sudo", "wants a password, and one is configured")
    return failed(
        "sudo",
        f"sudo -n is refused: {rest}",
        f"'{host.user} ALL=(ALL) NOPASSWD: ALL' in /etc/sudoers.d there, or becomePasswordFile in server.yaml",
    )


def _clock(said: str) -> Finding:
    try:
        off = float(said) - time.time()
    except ValueError:
        return skipped("host-clock", "it doesn't tell its time")
    if abs(off) > SKEW:
        return warning(
            "host-clock",
            f"its clock is {abs(off):.0f} s {'ahead' if off > 0 else 'behind'}",
            "timedatectl set-ntp true, on the host",
        )
    return ok("host-clock", f"{abs(off):.0f} s off")


def _disk(answers: dict[str, str]) -> Finding:
    for name, place in (("tmp", "/tmp"), ("var", "/var/lib")):  # noqa: S108 (a name to print, nothing is written)
        free = answers.get(name, "")
        if free.isdigit() and int(free) < 20 * 1024:
            return failed(
                "host-disk", f"{int(free) // 1024} MiB free under {place}", f"free space under {place} on the host"
            )
    return ok("host-disk", "there is room under /tmp and /var/lib")


__all__ = ["host_findings"]
