"""Which paths trueup's own way in to a host hangs on: changing one of them by mistake locks everybody out.

The way in is ssh as the host's user, then sudo where the host says `become`. Both read what is listed here.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import lru_cache

from ...core.model import Host, Json, State

FORBIDDEN = ("/proc", "/sys", "/dev", "/run/trueup", "/var/lib/trueup")
"""The kernel's own trees, where a file is no file, and trueup's own memory on the host."""

HARMLESS_IN_SSH = ("ssh_config", "ssh_config.d", "ssh_known_hosts", "moduli")
"""What in /etc/ssh only concerns the client."""

LOGIN = (
    ("/etc/passwd", "the accounts of the host, the login's own among them"),
    ("/etc/shadow", "the passwords and expiry of all accounts"),
    ("/etc/group", "the groups of the host"),
    ("/etc/gshadow", "the groups of the host"),
    ("/etc/nsswitch.conf", "how the host finds accounts"),
    ("/etc/nologin", "while it is there only root can log in"),
    ("/run/nologin", "while it is there only root can log in"),
    ("/var/run/nologin", "while it is there only root can log in"),
    ("/etc/hosts.deny", "which addresses sshd turns away"),
    ("/etc/hosts.allow", "which addresses sshd lets in"),
    ("/etc/security/access.conf", "who may log in, by PAM"),
    ("/etc/pam.d/sshd", "how sshd lets accounts in"),
    ("/etc/pam.d/common-auth", "how every login is checked"),
    ("/etc/pam.d/common-account", "how every login is checked"),
    ("/etc/pam.d/common-session", "how every login is checked"),
    ("/etc/pam.d/common-password", "how every login is checked"),
    ("/etc/pam.conf", "how every login is checked"),
    ("/etc/ld.so.preload", "code that every program loads, sshd too"),
    ("/etc/default/ssh", "the options that sshd starts with"),
    ("/etc/init.d/ssh", "how sshd is started"),
    ("/etc/systemd/system/ssh.service", "how sshd is started"),
    ("/etc/systemd/system/ssh.socket", "how sshd is started"),
    ("/etc/systemd/system/sshd.service", "how sshd is started"),
    ("/lib/systemd/system/ssh.service", "how sshd is started"),
    ("/lib/systemd/system/ssh.socket", "how sshd is started"),
    ("/usr/lib/systemd/system/ssh.service", "how sshd is started"),
    ("/usr/lib/systemd/system/ssh.socket", "how sshd is started"),
    ("/etc/systemd/system/sshd.socket", "how sshd is started"),
    ("/lib/systemd/system/sshd.service", "how sshd is started"),
    ("/usr/lib/systemd/system/sshd.service", "how sshd is started"),
    ("/etc/sysconfig/sshd", "the options that sshd starts with"),
    ("/etc/pam.d/system-auth", "how every login is checked"),
    ("/etc/pam.d/password-auth", "how every login is checked"),
    ("/usr/sbin/sshd", "sshd itself"),
    ("/usr/lib/openssh/sshd-session", "a part of sshd, from OpenSSH 9.8 on"),
    ("/usr/lib/openssh/sshd-auth", "a part of sshd, from OpenSSH 9.9 on"),
    ("/usr/libexec/openssh/sshd-session", "a part of sshd, from OpenSSH 9.8 on"),
    ("/usr/libexec/openssh/sshd-auth", "a part of sshd, from OpenSSH 9.9 on"),
    ("/usr/bin/python3", "the Python that trueup's visits run on"),
    ("/bin/sh", "the shell that every visit starts with"),
    ("/usr/bin/sh", "the shell that every visit starts with"),
    ("/bin/bash", "the shell of the login"),
    ("/usr/bin/bash", "the shell of the login"),
)

BELOW = (
    ("/run/systemd/system/ssh.service.d", "how sshd is started"),
    ("/usr/lib/systemd/system/ssh.service.d", "how sshd is started"),
    ("/lib/systemd/system/ssh.service.d", "how sshd is started"),
    ("/etc/systemd/system/sshd.socket.d", "how sshd is started"),
    ("/etc/systemd/system/ssh.service.d", "how sshd is started"),
    ("/etc/systemd/system/ssh.socket.d", "how sshd is started"),
    ("/etc/systemd/system/sshd.service.d", "how sshd is started"),
)

BECOME = (
    ("/etc/sudoers", "sudo's rules, which this host's login needs"),
    ("/etc/sudo.conf", "how sudo works, which this host's login needs"),
    ("/etc/pam.d/sudo", "how sudo checks the login"),
    ("/usr/bin/sudo", "sudo itself"),
)

_LOGIN, _BECOME = dict(LOGIN), dict(BECOME)
_DEFAULTS = re.compile(r"^\s*(Defaults|ALL\s|#include|@include)", re.MULTILINE)


@lru_cache(maxsize=4096)
def normal_path(path: str) -> str:
    """One spelling for each path: no `//`, `.`, `..` or closing slash (POSIX lets a leading `//` mean something else;
    Linux doesn't, so it goes too)."""
    return posixpath.normpath(re.sub(r"^/+", "/", path))


@lru_cache(maxsize=4096)
def parents(path: str) -> tuple[str, ...]:
    """The directories that lead to `path`, nearest first, without the root."""
    found = []
    path = posixpath.dirname(path)
    while path not in ("/", ""):
        found.append(path)
        path = posixpath.dirname(path)
    return tuple(found)


def forbidden(path: str) -> str:
    """Why nothing may be declared at `path`; empty when it may."""
    if path == "/":
        return "the root directory itself can't be declared"
    for tree in FORBIDDEN:
        if path == tree or path.startswith(tree + "/"):
            what = (
                "trueup keeps its own memory there" if "trueup" in tree else "that tree is the kernel's, not a disk's"
            )
            return f"nothing can be declared in {tree}: {what}"
    return ""


def home_of(user: str) -> str:
    """Where the login's home is, by custom. Another home is found by nobody before the host is asked."""
    return "/root" if user == "root" else f"/home/{user}"


def cut_by(path: str, spec: State | None, host: Host) -> str:
    """What of trueup's way in to `host` a File at `path` touches (None: its removal); empty when nothing."""
    direct = _direct(path, spec, host)
    if direct:
        return f"{path}: {direct}"
    if spec is not None and _plain_directory(path, spec, host):
        return ""
    return _leads(path, host.user, host.become)


@lru_cache(maxsize=4096)
def _leads(path: str, user: str, become: bool) -> str:
    """A plan asks it of each of ten thousand hosts, which are mostly alike."""
    for watched, why in _watched(user, become):
        if watched.startswith(path + "/"):
            return f"{path} leads to {watched}, {why}"
    return ""


def _watched(user: str, become: bool) -> Iterator[tuple[str, str]]:
    yield "/etc/ssh/sshd_config", "sshd's configuration"
    yield f"{home_of(user)}/.ssh/authorized_keys", f"the keys of the login {user}"
    yield from LOGIN
    if become:
        yield from BECOME
        yield "/etc/sudoers.d/trueup", "sudo's rules, which this host's login needs"


def _direct(path: str, spec: State | None, host: Host) -> str:
    if path.startswith("/etc/ssh/"):
        first = path.split("/")[3]
        return "" if first in HARMLESS_IN_SSH else "part of sshd's configuration"
    ssh = f"{home_of(host.user)}/.ssh/"
    if path.startswith(ssh) and path[len(ssh) :] in ("authorized_keys", "authorized_keys2", "rc", "environment"):
        return f"read when the login {host.user} comes in"
    if path in _LOGIN:
        return _LOGIN[path]
    if host.become and path in _BECOME:
        return _BECOME[path]
    for tree, why in BELOW:
        if path == tree or path.startswith(tree + "/"):
            return why
    if host.become and path.startswith("/etc/sudoers.d/"):
        return _sudo_rule(path, spec, host.user)
    return ""


def _sudo_rule(path: str, spec: State | None, user: str) -> str:
    """A rule for somebody else is harmless; one that names the login, sets defaults, or can't be read may not be."""
    name = posixpath.basename(path)
    if name in (user, "trueup") or name.split("-")[-1] == user:
        return f"the sudo rule of the login {user}"
    if spec is None or "state" in spec:
        return ""
    content: Json = spec.get("content")
    if not isinstance(content, str):
        return "a sudo rule that nobody can read here"
    if re.search(rf"(?<![\w.-]){re.escape(user)}(?![\w.-])", content) or _DEFAULTS.search(content):
        return f"a sudo rule that concerns the login {user}"
    return ""


def _plain_directory(path: str, spec: State, host: Host) -> bool:
    """A directory that is only asked to be there: it takes nothing away from what lies in it. In the login's own home
    sshd asks for more (sshd_config(5), StrictModes): the login's, and writable by nobody else."""
    if spec.get("state") != "directory":
        return False
    home = home_of(host.user)
    if path == home or path.startswith(home + "/"):
        mode = int(spec.get("mode", "0700"), 8)
        own = bool(spec.get("owner", host.user) == host.user)
        return own and mode & 0o722 == 0o700
    harmless = {"owner": "root", "group": "root", "mode": "0755"}
    return all(spec.get(name, value) == value for name, value in harmless.items())
