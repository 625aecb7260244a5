"""What is wrong, or risky, about an account as it is declared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ...core.kind import Code, Finding
from ...core.model import Json, State
from ...core.reference import is_secret
from . import keys, sudoers

NAME = re.compile(r"(?!\d+$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}[A-Za-z0-9_.$-]?")
"""What useradd takes on Debian and elsewhere (useradd(8): at most 32 characters, not digits alone)."""

ALIAS = re.compile(r"[A-Z][A-Z0-9_]*")
"""Names that sudoers(5) reads as an alias, ALL among them."""

HASH = re.compile(r"\$[0-9a-z]{1,8}\$[^:\s!*]+")
WEAK_HASH = re.compile(r"\$(1|md5|sha1)\$.*")

DISTRIBUTION = frozenset(
    {
        "daemon",
        "bin",
        "sys",
        "sync",
        "games",
        "man",
        "lp",
        "mail",
        "news",
        "uucp",
        "proxy",
        "www-data",
        "backup",
        "list",
        "irc",
        "gnats",
        "_apt",
        "nobody",
        "sshd",
        "messagebus",
        "systemd-network",
        "systemd-resolve",
        "systemd-timesync",
        "systemd-coredump",
    }
)
"""Accounts that Debian's base-passwd and base packages make."""

CODES: dict[str, Code] = {
    "bad-user-name": Code.error(
        "The name can't be an account's: useradd refuses it, or sudo would read it as something else.",
        "Use at most 32 letters, digits, `_`, `-` and `.`, not digits alone; not capitals alone with a sudo rule.",
    ),
    "second-root": Code.warning(
        "An account with uid 0 is root under another name: no sudo rule and no log tells them apart.",
        "Give it a number of its own and a sudo rule.",
    ),
    "reserved-uid": Code.warning(
        "Numbers from 1 to 99, and 65534 and 65535, belong to the distribution.",
        "Take a number from 1000 on, or from 100 on with `system: true`.",
    ),
    "system-account": Code.warning(
        "The account is the distribution's own: its packages expect it as they made it.",
        "Manage only what you need of it (groups), or make an account of your own.",
    ),
    "bad-comment": Code.error(
        "A comment is one field of a line of /etc/passwd: no colon, line break or control character fits in it.",
        "Write it without.",
    ),
    "bad-key": Code.error(
        "A line of sshKeys is no line of authorized_keys: sshd would ignore it, or it is a private key.",
        "Paste the whole line of a .pub file. A private key that was committed must be replaced.",
    ),
    "weak-key": Code.warning(
        "The key is of a sort that OpenSSH no longer takes (DSA), or too short (RSA below 2048 bits).",
        "Ask its owner for an ed25519 key.",
    ),
    "duplicate-key": Code.warning(
        "One key stands twice, with other options or another comment: sshd goes by the first that it reads.",
        "Keep one of the two lines.",
    ),
    "no-home": Code.error(
        "The account has sshKeys, but no home in which they could be.",
        "Give it a home, or leave sshKeys out.",
    ),
    "password-not-hashed": Code.error(
        "passwordHash holds something that crypt(5) doesn't make: perhaps the password itself.",
        "Write what `mkpasswd -m yescrypt` prints, or `*`. A password that was committed must be changed.",
    ),
    "weak-hash": Code.warning(
        "The password is hashed with MD5 or SHA-1, which is guessed in hours.",
        "Hash it anew with `mkpasswd -m yescrypt`.",
    ),
    "bad-sudo-command": Code.error(
        "A command can't be said in sudoers as it stands.",
        "Write the full path and the arguments as in a shell, on one line.",
    ),
}


def of(name: str, spec: State) -> Iterable[Finding]:
    yield from _name(name, spec)
    yield from _number(name, spec)
    yield from _comment(spec.get("comment", ""))
    yield from _keys(spec.get("sshKeys", ()))
    if spec.get("sshKeys") and spec.get("home") == "/nonexistent":
        yield _error("no-home", "sshKeys need a home to be in", "home", hint="give it a home, or leave sshKeys out")
    if not is_secret(spec.get("passwordHash")):
        yield from _password(spec.get("passwordHash"))
    sudo = spec.get("sudo")
    if isinstance(sudo, Mapping):
        for index, why in sudoers.faults(sudo["commands"]):
            yield _error(
                "bad-sudo-command",
                f"command {index + 1} {why}",
                "sudo",
                "commands",
                index,
                hint="write it as in a shell, with its full path",
            )


def _error(code: str, message: str, *field: str | int, hint: str = "") -> Finding:
    return Finding(code=code, message=message, field=field, hint=hint)


def _warning(code: str, message: str, *field: str | int, hint: str = "") -> Finding:
    return Finding(code=code, message=message, field=field, hint=hint, severity="warning")


def _name(name: str, spec: State) -> Iterable[Finding]:
    if not NAME.fullmatch(name):
        yield _error(
            "bad-user-name",
            f"`{name}` can't be the name of an account",
            hint="choose at most 32 letters, digits, `_`, `-` and `.`, not digits alone",
        )
    elif spec.get("sudo", "none") != "none" and ALIAS.fullmatch(name):
        yield _error(
            "bad-user-name", f"sudo would read `{name}` as an alias", "sudo", hint="use a small letter in the name"
        )
    changing = {"uid", "group", "shell", "home", "passwordHash"} & set(spec)
    if name in DISTRIBUTION and changing:
        what = ", ".join(sorted(changing))
        yield _warning(
            "system-account", f"{name} is the distribution's own account", min(changing), hint=f"leave out {what}"
        )


def _number(name: str, spec: State) -> Iterable[Finding]:
    uid = spec.get("uid")
    if uid == 0 and name != "root":
        yield _warning(
            "second-root", f"with uid 0, {name} is root", "uid", hint="take another number, and give it a sudo rule"
        )
    elif isinstance(uid, int) and (0 < uid < 100 or uid in (65534, 65535)) and name not in DISTRIBUTION:
        yield _warning("reserved-uid", f"uid {uid} belongs to the distribution", "uid", hint="take one from 1000 on")


def _comment(comment: str) -> Iterable[Finding]:
    if ":" in comment or any(ord(char) < 32 or ord(char) == 127 for char in comment):
        yield _error(
            "bad-comment", "a comment has no colon, line break or control character", "comment", hint="leave them out"
        )


def _keys(lines: Iterable[str]) -> Iterable[Finding]:
    first: dict[tuple[str, str], int] = {}
    for index, text in enumerate(lines):
        try:
            line = keys.parse(text)
        except keys.BadKey as why:
            yield _error(
                "bad-key",
                f"key {index + 1} {why}",
                "sshKeys",
                index,
                hint="replace it with the whole line of a .pub file",
            )
            continue
        bits = keys.rsa_bits(line)
        if line.type == "ssh-dss" or 0 < bits < keys.LEAST_RSA_BITS:
            what = "DSA, which sshd no longer takes" if not bits else f"RSA with {bits} bits"
            yield _warning(
                "weak-key", f"key {index + 1} is {what}", "sshKeys", index, hint="replace it with an ed25519 key"
            )
        before = first.setdefault((line.type, line.key), index)
        if before != index:
            yield _warning(
                "duplicate-key",
                f"key {index + 1} is key {before + 1} again",
                "sshKeys",
                index,
                hint="keep one of the two",
            )


def _password(value: Json) -> Iterable[Finding]:
    if not isinstance(value, str) or value == "*":
        return
    if not HASH.fullmatch(value):
        yield _error(
            "password-not-hashed",
            "passwordHash is no hash",
            "passwordHash",
            hint="write what `mkpasswd -m yescrypt` prints",
        )
    elif WEAK_HASH.fullmatch(value):
        yield _warning(
            "weak-hash",
            "the hash is easily guessed",
            "passwordHash",
            hint="replace it with what `mkpasswd -m yescrypt` prints",
        )
