"""Encrypts anew what a working tree holds encrypted: for other age recipients, or under another password of Ansible Vault.

Everything is opened and made anew in memory first, and only then written, each file beside its place and renamed over it:
a file on disk is the old ciphertext or the new one, never anything in between, and never plaintext.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.problem import Problem, Refused
from ..ports import Files
from . import age, vault
from .sources import FOLDER, Sources

RECIPIENTS = FOLDER + "recipients.txt"
"""Of the repository: whom age-encrypted secrets are for, one `age1…` or SSH public key a line."""
_VAULTED = re.compile(r"^([ \t]*)\$ANSIBLE_VAULT;[^\n]*\n(?:\1[0-9a-f]+[ \t]*(?:\n|\Z))+", re.MULTILINE)
_AGE = re.compile(r"^([ \t]*)-----BEGIN AGE ENCRYPTED FILE-----\n.*?^\1-----END AGE ENCRYPTED FILE-----$", re.M | re.S)
_HAS_VAULTED = re.compile(r"^[ \t]*\$ANSIBLE_VAULT;[0-9]", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """What is encrypted with from now on; None leaves what is encrypted that way alone."""

    recipients: tuple[Any, ...] | None = None
    label: str = vault.DEFAULT
    password: bytes | None = None
    """The new password of the vault id `label`; other vault ids stay as they are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rewritten:
    """A file as it is to be: ciphertext."""

    path: str
    content: bytes
    values: int
    """How many encrypted values of it are made anew."""


def prepared(files: Files, sources: Sources, keys: Keys) -> tuple[Rewritten, ...]:
    """Every file that changes, in memory. Raises Refused with all that can't be opened: then nothing is to be written."""
    made: list[Rewritten] = []
    problems: list[Problem] = []
    for path in files.paths():
        data = files.read(path)
        if b"$ANSIBLE_VAULT;" not in data and not age.is_encrypted(data) and age.ARMOR.encode() not in data:
            continue
        try:
            content, count = _anew(data, sources, keys)
        except Refused as refused:
            problems += [
                Problem(code="cannot-rekey", path=path, message=one.message, hint=one.hint) for one in refused.problems
            ]
            continue
        if count:
            made.append(Rewritten(path=path, content=content, values=count))
    if problems:
        raise Refused(*problems)
    return tuple(made)


def write(folder: Path, rewritten: tuple[Rewritten, ...]) -> None:
    """Put them in place, all or none: when one can't be written, those before it get their old ciphertext back."""
    done: list[tuple[Path, bytes]] = []
    try:
        for one in rewritten:
            path = folder / one.path
            old = path.read_bytes()
            replace(path, one.content)
            done.append((path, old))
    except OSError as error:
        for path, old in reversed(done):
            replace(path, old)
        raise Refused(
            Problem(
                code="cannot-rekey",
                path=str(error.filename or folder),
                message=f"can't be written: {error.strerror}",
                hint="nothing was changed; make the working tree writable, and try again",
            )
        ) from None


def replace(path: Path, content: bytes) -> None:
    """Write ciphertext atomically, with the mode that the file has, 0644 for a new one."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(fd, "wb") as file:
            os.fchmod(fd, mode)
            file.write(content)
            file.flush()
            os.fsync(fd)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _anew(data: bytes, sources: Sources, keys: Keys) -> tuple[bytes, int]:
    if age.is_encrypted(data):
        if keys.recipients is None:
            return data, 0
        return age.encrypt(sources.opened(data), keys.recipients, armored=data.startswith(b"-")), 1
    text = data.decode("utf-8", "surrogateescape")
    text, vaulted = _each(text, _VAULTED, lambda found: _vaulted(found, sources, keys))
    text, aged = _each(text, _AGE, lambda found: _aged(found, sources, keys))
    if keys.password is not None and len(_HAS_VAULTED.findall(text)) > len(_VAULTED.findall(text)):
        raise Refused(
            Problem(
                code="cannot-rekey",
                message="it has a vaulted text in a form that can't be rewritten here",
                hint="write it as a block: `!vault |`, with the lines below it, all indented alike",
            )
        )
    return text.encode("utf-8", "surrogateescape"), vaulted + aged


def _each(text: str, pattern: re.Pattern[str], anew: Callable[[str], str | None]) -> tuple[str, int]:
    """`text` with each encrypted block replaced by a new one in the same indentation; blocks for which there is none stay."""
    count = 0

    def one(match: re.Match[str]) -> str:
        nonlocal count
        indent, found = match.group(1), match.group()
        made = anew("\n".join(line.strip() for line in found.strip().split("\n")) + "\n")
        if made is None:
            return found
        count += 1
        lines = "\n".join(indent + line for line in made.rstrip("\n").split("\n"))
        return lines + ("\n" if found.endswith("\n") else "")

    return pattern.sub(one, text), count


def _vaulted(text: str, sources: Sources, keys: Keys) -> str | None:
    try:
        label = vault.label(text)
    except vault.BadVault as bad:
        raise Refused(
            Problem(code="cannot-rekey", message=str(bad), hint="encrypt it with a newer ansible-vault")
        ) from None
    if keys.password is None or (label or vault.DEFAULT) != keys.label:
        return None
    return vault.encrypt(sources.value({"vault": text}, None), keys.password, label)


def _aged(text: str, sources: Sources, keys: Keys) -> str | None:
    if keys.recipients is None:
        return None
    return age.encrypt(sources.value({"age": text}, None), keys.recipients).decode("ascii")


def recipients_of(files: Mapping[str, str], read: Callable[[str], bytes]) -> tuple[Any, ...] | None:
    """The repository's own recipients; None when it has no such file. Raises Refused."""
    if RECIPIENTS not in files:
        return None
    try:
        return tuple(age.recipients(read(RECIPIENTS).decode("utf-8", "replace"), RECIPIENTS))
    except age.BadAge as bad:
        raise Refused(
            Problem(code="bad-recipients", path=RECIPIENTS, message=str(bad), hint="one recipient a line")
        ) from None
