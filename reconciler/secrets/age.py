"""age-encrypted texts (age-encryption.org/v1), by pyrage, the binding of the `age` crate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

ARMOR = "-----BEGIN AGE ENCRYPTED FILE-----"
BINARY = "age-encryption.org/v1"


class BadAge(ValueError):
    """What can't be opened or made, and why, without a word of what it holds."""


def is_encrypted(data: bytes) -> bool:
    """Whether it begins as an age file does, armored or not."""
    return data.startswith((ARMOR.encode(), BINARY.encode()))


def identities(text: str, where: str) -> list[Any]:
    """The identities of an identities file (age(1)): one a line, `#` begins a comment; or one SSH private key.

    Raises BadAge with the line, never with its content.
    """
    import pyrage  # type: ignore[import-untyped]

    if "PRIVATE KEY-----" in text:
        try:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        except Exception:
            raise BadAge(f"{where} holds an SSH key that can't be used, perhaps because it has a passphrase") from None
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            try:
                found.append(pyrage.x25519.Identity.from_str(line.strip()))
            except Exception:  # the library's own errors share no base but Exception
                raise BadAge(f"{where}:{number} is no age identity (AGE-SECRET-KEY-1…)") from None
    if not found:
        raise BadAge(f"{where} holds no identity")
    return found


def recipients(text: str, where: str) -> list[Any]:
    """The recipients of a recipients file: `age1…` or an SSH public key a line, `#` begins a comment. Raises BadAge."""
    import pyrage

    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            make = pyrage.ssh.Recipient if line.startswith("ssh-") else pyrage.x25519.Recipient
            try:
                found.append(make.from_str(line.strip()))
            except Exception:
                raise BadAge(f"{where}:{number} is no recipient (age1… or an SSH public key)") from None
    if not found:
        raise BadAge(f"{where} names no recipient")
    return found


def decrypt(data: bytes, known: Sequence[Any]) -> bytes:
    """The plaintext of an age file. Raises BadAge when no identity fits or the file is broken."""
    import pyrage

    if not known:
        raise BadAge("no age identity is configured")
    try:
        return bytes(pyrage.decrypt(data, list(known)))
    except pyrage.DecryptError as error:
        fits = "No matching keys" in str(error)
        raise BadAge("no identity that is known here opens it" if fits else "it is broken, or no age file") from None


def encrypt(plain: bytes, to: Sequence[Any], *, armored: bool = True) -> bytes:
    """An age file of `plain` for the recipients `to`."""
    import pyrage

    return bytes(pyrage.encrypt(plain, list(to), armored=armored))


def generated() -> tuple[str, str]:
    """A new identity, and its recipient."""
    import pyrage

    made = pyrage.x25519.Identity.generate()
    return str(made), str(made.to_public())
