"""The controller's own machine: versions, folders, keys, limits, the clock, the daemon."""

from __future__ import annotations

import importlib.metadata
import os
import re
import resource
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ..core.problem import Refused
from ..door.owner import name_of
from ..settings import Settings
from ..tell.clean import plural
from .finding import Finding, failed, ok, skipped, warning

LOW_DISK = 1024**3
NO_DISK = 100 * 1024**2
"""Bytes free under the state: below the first it is said, below the second DuckDB will soon fail."""
FEW_WATCHES = 4
"""inotify instances that should be left for this user."""


def python(settings: Settings) -> Finding:
    """Told only: an older one than 3.11 can't install trueup, let alone come here."""
    told = ".".join(map(str, sys.version_info[:3]))
    return ok("python", f"Python {told}")


def ansible(settings: Settings) -> Finding:
    """The modules that change hosts, at the versions that trueup is tested with."""
    wanted = "pip install 'ansible-core>=2.19,<2.20' ansible-runner, in trueup's own environment"
    try:
        core = importlib.metadata.version("ansible-core")
        runner = importlib.metadata.version("ansible-runner")
    except importlib.metadata.PackageNotFoundError as missing:
        return failed("ansible", f"{missing.name} is not installed", wanted)
    if not core.startswith("2.19."):
        return failed("ansible", f"ansible-core {core}, trueup is made for 2.19", wanted)
    return ok("ansible", f"ansible-core {core}, ansible-runner {runner}")


def ssh_client(settings: Settings) -> Finding:
    program = shutil.which("ssh")
    if program is None:
        return failed("ssh-client", "there is no ssh", "apt install openssh-client")
    said = _run([program, "-V"]).strip()
    found = re.search(r"OpenSSH_(\d+)\.(\d+)", said)
    if found and (int(found[1]), int(found[2])) < (8, 5):
        return warning("ssh-client", f"{found[0]} is old: 8.5 or newer is tested", "upgrade openssh-client")
    return ok("ssh-client", found[0] if found else said.splitlines()[0] if said else "ssh is there")


def git_command(settings: Settings) -> Finding:
    """Only those who push need it; a followed remote does without."""
    program = shutil.which("git")
    if program is None:
        return warning("git", "there is no git command: nobody can push to a repository here", "apt install git")
    return ok("git", _run([program, "--version"]).strip())


def state_dir(settings: Settings) -> Finding:
    place = settings.state_dir
    fix = f"install -d -m 0700 {place}, as the user that runs trueup"
    if not place.exists():
        parent = next((folder for folder in place.parents if folder.exists()), Path("/"))
        if os.access(parent, os.W_OK):
            return ok("state-dir", f"{place} is made at the first start")
        return failed("state-dir", f"{place} is not there and {parent} can't be written", fix)
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        owner = place.stat().st_uid
        return failed(
            "state-dir",
            f"{place} belongs to {name_of(owner)} and can't be written by {name_of(os.getuid())}",
            f"run as that user, or {fix}",
        )
    mode = stat.S_IMODE(place.stat().st_mode)
    if mode & 0o077:
        return warning("state-dir", f"{place} is open to others (mode {mode:04o})", f"chmod 0700 {place}")
    return ok("state-dir", f"{place} is trueup's alone")


def disk(settings: Settings) -> Finding:
    place = next(folder for folder in (settings.state_dir, *settings.state_dir.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    told = f"{free / 1024**3:.1f} GiB free under {place}"
    fix = f"free space on the file system of {place}"
    if free < NO_DISK:
        return failed("disk", told, fix)
    return warning("disk", told, fix) if free < LOW_DISK else ok("disk", told)


def secret_files(settings: Settings) -> Finding:
    """Files that hold keys or passwords must be their owner's alone; ssh itself refuses a key that isn't."""
    named = {
        "sshKey": settings.ssh_key,
        "gitSshKey": settings.git_ssh_key,
        "becomePasswordFile": settings.become_password_file,
        "gitTokenFile": settings.git_token_file,
        "pageTokenFile": settings.page_token_file,
        "tlsKey": settings.tls_key,
        "vaultPasswordFile": settings.vault_password_file,
        "ageIdentityFile": settings.age_identity_file,
        "fleetKeyFile": settings.fleet_key_file if settings.fleet_key_file.exists() else None,
    }
    seen = 0
    for key, place in named.items():
        if place is None:
            continue
        seen += 1
        try:
            mode = stat.S_IMODE(place.stat().st_mode)
        except OSError as error:
            return failed(
                "secret-files",
                f"{key}: {place}: {error.strerror}",
                f"give {key} a file that is there and that trueup may read",
            )
        if mode & 0o077:
            return failed(
                "secret-files", f"{key}: {place} can be read by others (mode {mode:04o})", f"chmod 0600 {place}"
            )
        if not os.access(place, os.R_OK):
            return failed(
                "secret-files",
                f"{key}: {place} can't be read by {name_of(os.getuid())}",
                f"chown {name_of(os.getuid())} {place}",
            )
    return ok("secret-files", f"only their owner reads {plural(seen, 'file')} of keys and passwords")


def ssh_login(settings: Settings) -> Finding:
    """There must be something to log in with: a configured key, an agent with a key, or one of ssh's own."""
    if settings.ssh_key is not None:
        return (
            ok("ssh-login", f"the key {settings.ssh_key}")
            if settings.ssh_key.exists()
            else skipped("ssh-login", "see secret-files")
        )
    agent = os.environ.get("SSH_AUTH_SOCK", "")
    if agent and (program := shutil.which("ssh-add")):
        listed = _run([program, "-l"])
        if listed.strip() and "no identities" not in listed and "rror" not in listed:
            return ok("ssh-login", f"ssh's agent has {len(listed.strip().splitlines())} key(s)")
    own = [place for place in Path("~/.ssh").expanduser().glob("id_*") if place.suffix != ".pub"]
    if own:
        return ok("ssh-login", f"ssh's own keys: {', '.join(sorted(place.name for place in own))}")
    fix = "ssh-keygen -t ed25519 -N '' -f /etc/trueup/id_ed25519, set sshKey to it, and allow its .pub on the hosts"
    return failed("ssh-login", "no key to log in with: sshKey is not set, ssh has none and no agent holds one", fix)


def known_hosts(settings: Settings) -> Finding:
    place = settings.known_hosts
    if not place.exists():
        if settings.database.exists():
            return warning(
                "known-hosts",
                f"{place} is gone although there is a state: no host is pinned anew by itself",
                "give the file back from a backup, or commit hostKeys (trueup host-keys HOST prints them)",
            )
        how = (
            "hosts are pinned at their first visit"
            if settings.pin_on_first_use
            else "only hosts with committed hostKeys are visited"
        )
        return ok("known-hosts", f"no pins yet: {how}")
    if not os.access(place, os.R_OK | os.W_OK):
        return failed(
            "known-hosts", f"{place} can't be read and written", f"chown it to the user that runs trueup: {place}"
        )
    count = sum(
        1 for line in place.read_text(errors="replace").splitlines() if line.strip() and not line.startswith("#")
    )
    return ok("known-hosts", f"{plural(count, 'pin')} in {place}")


def inotify(settings: Settings) -> Finding:
    """Without it a push is seen late: one instance is all that trueup needs."""
    base = Path("/proc/sys/fs/inotify")
    try:
        limits = {name: int((base / name).read_text()) for name in ("max_user_instances", "max_user_watches")}
    except (OSError, ValueError):
        return skipped("inotify", "the kernel doesn't say its limits")
    used = _inotify_instances()
    if limits["max_user_instances"] - used < FEW_WATCHES:
        return failed(
            "inotify",
            f"{used} of {limits['max_user_instances']} inotify instances of this user are taken",
            "sysctl fs.inotify.max_user_instances=512 (and in /etc/sysctl.d), then restart trueup",
        )
    return ok(
        "inotify",
        f"{used} of {limits['max_user_instances']} instances taken, {limits['max_user_watches']} watches allowed",
    )


def _inotify_instances() -> int:
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid != os.getuid():
                continue
            for handle in (process / "fd").iterdir():
                try:
                    count += os.readlink(handle) == "anon_inode:inotify"
                except OSError:
                    continue
        except OSError:
            continue
    return count


def open_files(settings: Settings) -> Finding:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = settings.forks * 12 + 200
    if soft != resource.RLIM_INFINITY and soft < need:
        return warning(
            "open-files",
            f"{soft} open files allowed, {plural(settings.forks, 'host')} at once may need {need}",
            f"LimitNOFILE={need} in the unit, or fewer forks",
        )
    return ok("open-files", f"{soft if soft != resource.RLIM_INFINITY else 'any number of'} open files allowed")


def clock(settings: Settings) -> Finding:
    program = shutil.which("timedatectl")
    said = _run([program, "show", "-p", "NTPSynchronized", "--value"]).strip() if program else ""
    if said == "no":
        return warning(
            "clock",
            "the clock is not synchronised: ages and history will be wrong",
            "apt install systemd-timesyncd, or chrony",
        )
    return (
        ok("clock", "synchronised by NTP")
        if said == "yes"
        else skipped("clock", "nobody here says whether the clock is right")
    )


def daemon(settings: Settings) -> Finding:
    """Who serves this state, and whether the socket answers whoever asks here."""
    from ..loop.lock import holder

    place = settings.socket
    process = holder(settings.state_dir)
    if not place.exists():
        if process is not None:
            return failed(
                "daemon",
                f"process {process} serves this state, but its socket is not at {place}",
                "set TRUEUP_SOCKET (or runDir) as the daemon has it",
            )
        return warning(
            "daemon",
            "no trueup serve runs: nothing happens by itself",
            "trueup serve --repo PATH, or systemctl start trueup",
        )
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
            caller.settimeout(3)
            caller.connect(str(place))
    except PermissionError:
        return failed("daemon", f"user {os.getuid()} may not use {place}", "adduser YOU trueup, then log in anew")
    except OSError as error:
        return failed(
            "daemon",
            f"{place} is there and nobody answers: {error.strerror or error}",
            "trueup serve makes it anew; systemctl restart trueup",
        )
    return ok("daemon", f"trueup serve{f' (process {process})' if process else ''} answers on {place}")


def page(settings: Settings) -> Finding:
    """Whether the page can be served as it is set up, and something answers there."""
    from ..web import access, serve, tls

    host, _, port = settings.listen.rpartition(":")
    if not serve.is_loopback(host.strip("[]")) and not access.may_leave_loopback(settings):
        return failed(
            "page",
            f"{settings.listen} is reached by others, and the page asks nobody who he is: trueup serve refuses to start",
            "listen: 127.0.0.1:8080, or pageTokenFile with tlsCertificate and tlsKey, or pageProxies (docs/page.md)",
        )
    try:
        access.Access.of(settings)
        tls.Files.of(settings)
    except Refused as refused:
        problem = refused.problems[0]
        return failed("page", f"{problem.path} {problem.message}".strip(), problem.hint or "mend it in server.yaml")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=2):
            return ok("page", f"something answers on {settings.listen}")
    except OSError:
        return skipped("page", f"nobody listens on {settings.listen}: the page is served by trueup serve")


def config_file(settings: Settings, environ: Mapping[str, str] = os.environ) -> Finding:
    place = Path(environ.get("TRUEUP_CONFIG") or "/etc/trueup/server.yaml")
    if not place.exists():
        return ok("config-file", f"no {place}: the defaults and TRUEUP_* variables count")
    mode = stat.S_IMODE(place.stat().st_mode)
    if mode & 0o022:
        return failed(
            "config-file",
            f"{place} can be written by others (mode {mode:04o}): it names commands and keys",
            f"chmod 0640 {place}",
        )
    return ok("config-file", str(place))


def _run(argv: list[str]) -> str:
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=5, check=False, stdin=subprocess.DEVNULL, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


CHECKS = (python, ansible, ssh_client, git_command, config_file, state_dir, disk, secret_files, ssh_login, known_hosts, inotify, open_files, clock, daemon, page)  # fmt: skip
"""In the order in which a set-up is made."""
