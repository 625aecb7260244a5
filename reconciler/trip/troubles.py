"""Every way in which a visit can fail to get through, in one table: code, what it means, who must act, the next step.

What ssh, sudo and Ansible say is matched here and nowhere else, first match wins. A sentence of a row may use
{host}, {port}, {user}, {connect} (seconds), {limit} (seconds) and {detail} (the line that matched).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..core.model import Host, Trouble


@dataclass(frozen=True, kw_only=True)
class Row:
    code: str
    why: str
    """What happened, a sentence for people."""
    who: str
    """Who must act."""
    next_step: str
    patterns: tuple[str, ...] = ()
    """Regular expressions over what ssh, sudo and Ansible said."""
    sent: bool = False
    """True when something may have been done on the host before: its changes count as lost, not as not begun."""


TABLE = (
    # First, because it ends in the words of a package manager, which may look like any other.
    Row(
        code="no-python-installed",
        why="there is no Python, and bootstrap failed: {detail}",
        who="whoever runs the host",
        next_step="install python3 there by hand; its package manager says what is in the way",
        patterns=("trueup: python3 can't be installed",),
    ),
    Row(
        code="host-key-changed",
        why="its host key is not the one that is known; nothing was sent",
        who="whoever runs the host",
        next_step="trueup host-keys {host}, compare on the host's console; then commit it (hostKeys), or trueup reborn {host}",
        patterns=("REMOTE HOST IDENTIFICATION HAS CHANGED", "POSSIBLE DNS SPOOFING", "Host key .* has changed"),
    ),
    Row(
        code="host-key-unknown",
        why="nobody vouches for its host key, and pinning at first use is off; nothing was sent",
        who="whoever runs the host",
        next_step="trueup host-keys {host} prints the lines to compare and to commit as hostKeys",
        patterns=("host key is known for .* and you have requested strict checking", "Host key verification failed"),
    ),
    Row(
        code="silent",
        why="something accepts connections on port {port} and says nothing ({connect:g} s)",
        who="whoever runs the host",
        next_step="look at sshd on its console: it hangs, is overloaded, or is something else",
        patterns=(
            "banner exchange: .*timed out",
            "Timed out during banner exchange",
            "banner exchange: .* Connection timed",
        ),
    ),
    Row(
        code="timed-out",
        why="connection timed out ({connect:g} s)",
        who="whoever runs the host or the network",
        next_step="is it up, and does a firewall let port {port} through?",
        patterns=("Connection timed out", "Operation timed out", "connect to host .* timed out"),
    ),
    Row(
        code="no-answer",
        why="no answer on port {port}: {detail}",
        who="whoever runs the host",
        next_step="is sshd running there, on this port?",
        patterns=("Connection refused",),
    ),
    Row(
        code="no-route",
        why="there is no way to it: {detail}",
        who="whoever runs the network",
        next_step="check its address and the routes from here",
        patterns=("No route to host", "Network is unreachable", "Host is down"),
    ),
    Row(
        code="no-name",
        why="its name has no address: {detail}",
        who="whoever edits the inventory",
        next_step="set `address` of Host {host}, or mend the name service",
        patterns=("Could not resolve hostname", "Name or service not known", "Temporary failure in name resolution"),
    ),
    Row(
        code="key-unusable",
        why="the private key can't be used: {detail}",
        who="the administrator of this controller",
        next_step="check sshKey of server.yaml: 0600, without a passphrase or in the agent",
        patterns=(
            "UNPROTECTED PRIVATE KEY FILE",
            "Load key .*: ",
            "no such identity: ",
            "Identity file .* not accessible",
        ),
    ),
    Row(
        code="login-refused",
        why="login as {user} refused: {detail}",
        who="whoever runs the host",
        next_step="put the controller's public key into {user}'s authorized_keys",
        patterns=("Permission denied", "Too many authentication failures", "No supported authentication methods"),
    ),
    Row(
        code="login-expired",
        why="the account {user} can't log in: {detail}",
        who="whoever runs the host",
        next_step="give the account a shell, and take its expiry away",
        patterns=("account has expired", "account is currently not available", "password has expired", "PAM.*denied"),
    ),
    Row(
        code="sudo-password-wrong",
        why="sudo refused the password",
        who="the administrator of this controller",
        next_step="check becomePasswordFile (or TRUEUP_BECOME_PASSWORD) against {user} on the host",
        patterns=("Incorrect sudo password", "Sorry, try again", r"\d incorrect password attempt"),
    ),
    Row(
        code="sudo-password-missing",
        why="sudo wants a password",
        who="the administrator of this controller",
        next_step="set becomePasswordFile, or let {user} use sudo without one (NOPASSWD)",
        patterns=("Missing sudo password", "a password is required", "a terminal is required to read the password"),
    ),
    Row(
        code="sudo-requiretty",
        why="sudo wants a terminal (requiretty)",
        who="whoever runs the host",
        next_step="a line in sudoers: Defaults:{user} !requiretty",
        patterns=("you must have a tty to run sudo", "no tty present"),
    ),
    Row(
        code="sudo-not-allowed",
        why="{user} may not use sudo: {detail}",
        who="whoever runs the host",
        next_step="a rule for {user} in /etc/sudoers.d",
        patterns=("is not in the sudoers file", "is not allowed to (run sudo|execute)", "may not run sudo"),
    ),
    Row(
        code="sudo-missing",
        why="there is no sudo there",
        who="whoever runs the host",
        next_step="install sudo, or log in as root",
        patterns=("sudo: (command )?not found", "sudo: No such file", "sudo: inaccessible", "executable file .*sudo"),
    ),
    Row(
        code="sudo-broken",
        why="sudo does not work there: {detail}",
        who="whoever runs the host",
        next_step="visudo -c on its console",
        patterns=(
            "sudo: .*(parse error|syntax error|no valid sudoers|unknown user|setuid bit)",
            "unable to initialize policy",
        ),
    ),
    Row(
        code="sudo-silent",
        why="sudo gave no answer ({connect:g} s)",
        who="whoever runs the host",
        next_step="try sudo there by hand: a name service or PAM may hang",
        patterns=("waiting for privilege escalation prompt",),
    ),
    Row(
        code="hang",
        why="the visit took longer than {limit:g} s and was cut off",
        who="whoever runs the host",
        next_step="look for what hangs there; visitLimit sets how long a visit may take",
        sent=True,
    ),
    Row(
        code="disk-full",
        why="no space left: {detail}",
        who="whoever runs the host",
        next_step="free space there",
        patterns=("No space left on device", "Disk quota exceeded"),
    ),
    Row(
        code="no-python",
        why="there is no Python 3.8 or newer",
        who="whoever edits the inventory",
        next_step="install python3 there, or write bootstrap: true into Host {host}: the next visit installs it",
        patterns=("no python 3.8 or newer",),
    ),
    Row(
        code="too-many",
        why="sshd turned the connection away before a login: {detail}",
        who="whoever runs the host",
        next_step="tried again at the next round; if it stays, look at sshd's log and MaxStartups",
        patterns=("kex_exchange_identification", "banner exchange", "Connection (closed|reset) by .* \\[preauth\\]"),
    ),
    Row(
        code="no-kex",
        why="ssh and the host have no method in common: {detail}",
        who="the administrator of this controller",
        next_step="check kex of server.yaml, and how old the host's sshd is",
        patterns=("Unable to negotiate", "no matching .* found", "Bad SSH2 KexAlgorithms"),
    ),
    Row(
        code="jump-failed",
        why="the jump host doesn't let through: {detail}",
        who="whoever runs the jump host",
        next_step="ssh to it by hand; it must allow forwarding (AllowTcpForwarding)",
        patterns=("stdio forwarding failed", "administratively prohibited", "UNKNOWN port 65535", "open failed"),
    ),
    Row(
        code="closed",
        why="ssh closed in the middle: {detail}",
        who="nobody yet",
        next_step="read again at the next round; what was done stays done",
        patterns=(
            "closed by remote host",
            "Broken pipe",
            "Connection reset",
            "server .*not responding",
            "Connection to .* closed",
            "Connection closed by",
            "Data could not be sent",
        ),
        sent=True,
    ),
    # What the program on the host says of itself.
    Row(
        code="reborn",
        why="it is another machine than before: {detail}",
        who="whoever runs the host",
        next_step="if it was replaced on purpose: trueup reborn {host}; nothing is owned there then, and all is looked at anew",
    ),
    Row(
        code="renamed",
        why="it is the machine that is known as {detail}",
        who="whoever wrote its Host manifest",
        next_step="if it was renamed, write metadata.previousName: {detail}; if it is a clone, give it a machine-id of its own",
    ),
    Row(
        code="leased",
        why="another trueup is responsible for it: {detail}",
        who="the administrators of both",
        next_step="stop one of the two, or wait until the lease ends",
    ),
    Row(
        code="busy",
        why="{detail}",
        who="nobody yet",
        next_step="tried again at the next round",
    ),
    Row(
        code="store",
        why="its store of contents can't be used: {detail}",
        who="whoever runs the host",
        next_step="/srv/trueup and what is in it must be folders of root's, 0755, on a disk that can be written",
    ),
    Row(
        code="host-error",
        why="the visit failed there: {detail}",
        who="whoever runs the host",
        next_step="trueup doctor {host}",
        sent=True,
    ),
    Row(
        code="bad-answer",
        why="its answer makes no sense: {detail}",
        who="whoever runs the host",
        next_step="trueup doctor {host}; something on it may be broken or hostile",
        sent=True,
    ),
    # What is wrong on this side.
    Row(
        code="bad-address",
        why="its entry in the inventory can't be used: {detail}",
        who="whoever edits the inventory",
        next_step="correct Host {host}",
    ),
    Row(
        code="become-password",
        why="sudo's password can't be read here: {detail}",
        who="the administrator of this controller",
        next_step="becomePasswordFile must exist and be readable by its owner only (0600)",
    ),
    Row(
        code="secret",
        why="what belongs into its visit can't be had: {detail}",
        who="the administrator of this controller",
        next_step="is fleetKeyFile the one that sealed it, and does its source still give it?",
    ),
    Row(
        code="cargo",
        why="contents for it can't be had here: {detail}",
        who="the administrator of this controller",
        next_step="trueup sync reads the commit again; look at the space and the rights of stateDir",
    ),
    Row(
        code="runner",
        why="Ansible did not run: {detail}",
        who="the administrator of this controller",
        next_step="trueup doctor",
    ),
)

BY_CODE: Mapping[str, Row] = {row.code: row for row in TABLE}


def trouble(code: str, host: Host, detail: str = "", connect: float = 10.0, limit: float = 0.0) -> Trouble:
    """The Trouble of a row, its sentences filled in. `detail` comes from the host: it is cut and cleaned."""
    row = BY_CODE[code]
    words = {
        "host": host.name,
        "port": host.port,
        "user": host.user,
        "connect": connect,
        "limit": limit,
        "detail": clean(detail) or "it did not say why",
    }
    return Trouble(code=code, why=row.why.format(**words), next_step=row.next_step.format(**words))


def told(said: str, host: Host, connect: float, limit: float = 0.0) -> Trouble:
    """What ssh, sudo or Ansible said, as a Trouble: the first row that knows it, `host-error` when none does."""
    for row in TABLE:
        for pattern in row.patterns:
            if re.search(pattern, said, re.IGNORECASE):
                return trouble(row.code, host, _line(pattern, said), connect, limit)
    last = [line for line in said.strip().splitlines() if line.strip()]
    return trouble("host-error", host, last[-1] if last else "", connect, limit)


def login(said: str, host: Host, connect: float) -> Trouble | None:
    """A failed task's words, if it was sudo that failed and not the task."""
    found = told(said, host, connect)
    return found if found.code.startswith("sudo-") else None


def _line(pattern: str, said: str) -> str:
    """The line that matched, without the prefixes that Ansible puts before it."""
    for line in said.splitlines():
        if re.search(pattern, line, re.IGNORECASE):
            line = re.sub(r"^.*?(via ssh|over ssh): ", "", line)
            return re.sub(r"^(ssh|sudo): ", "", line)
    return ""


def clean(text: str, most: int = 300) -> str:
    """Text from a host for a person's terminal: one line, no control characters, at most `most` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= most else line[: most - 1] + "…"
