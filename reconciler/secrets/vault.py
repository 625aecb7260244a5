"""Ansible Vault's format 1.1 and 1.2, as ansible-core's docs/"Encrypting content with Ansible Vault" lays it down:

    $ANSIBLE_VAULT;1.1;AES256            or  $ANSIBLE_VAULT;1.2;AES256;LABEL
    hex( hex(salt) \\n hex(hmac) \\n hex(ciphertext) ), in lines of 80

PBKDF2-HMAC-SHA256 with 10,000 rounds makes 80 bytes of the password: 32 for AES-256-CTR, 32 for the HMAC-SHA256 over the
ciphertext, 16 for the counter; the plaintext is padded as PKCS#7 says. Written here on `cryptography`, because importing
Ansible's own takes 0.2 s and its plugins; tests hold the two against one another both ways.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
import textwrap
from collections.abc import Mapping

MARK = "$ANSIBLE_VAULT;"
DEFAULT = "default"
"""The label of a password that has none: of files that name no label."""
MOST = 4 << 20
"""Characters of a vaulted text; more is refused before anything is reckoned."""
_ROUNDS = 10_000
_BLOCK = 16


class BadVault(ValueError):
    """What can't be opened, and why, without a word of what it holds."""


def label(text: str) -> str:
    """The vault id that a vaulted text names; empty when it names none. Raises BadVault."""
    parts = text.lstrip().split("\n", 1)[0].strip().split(";")
    if len(parts) < 3 or parts[0] != MARK[:-1] or parts[1] not in ("1.1", "1.2") or parts[2] != "AES256":
        raise BadVault("it is not in a format of Ansible Vault that is known here (1.1 or 1.2, AES256)")
    return parts[3].strip() if len(parts) > 3 else ""


def decrypt(text: str, passwords: Mapping[str, bytes]) -> bytes:
    """The plaintext. The password of the text's own label is tried first, then the others, as Ansible does.

    Raises BadVault when the text is broken or no password fits.
    """
    wanted = label(text)
    if len(text) > MOST:
        raise BadVault(f"it is larger than {MOST:,} characters")
    try:
        body = binascii.unhexlify("".join(text.split()[1:]))
        salt, mac, cipher = (binascii.unhexlify(part) for part in body.split(b"\n"))
    except ValueError:
        raise BadVault("its body is broken") from None
    for _, password in sorted(passwords.items(), key=lambda item: (item[0] != (wanted or DEFAULT), item[0])):
        key, mac_key, counter = _keys(password, salt)
        if hmac.compare_digest(hmac.new(mac_key, cipher, hashlib.sha256).digest(), mac):
            return _unpadded(_ctr(key, counter, cipher))
    named = f" of the vault id {wanted}" if wanted else ""
    raise BadVault(f"no password that is known here opens it{'' if passwords else ': none is configured'}{named}")


def encrypt(plain: bytes, password: bytes, name: str = "") -> str:
    """A vaulted text of `plain`, with a closing newline; `name` is its vault id, none when empty."""
    salt = os.urandom(32)
    key, mac_key, counter = _keys(password, salt)
    pad = _BLOCK - len(plain) % _BLOCK
    cipher = _ctr(key, counter, plain + bytes([pad]) * pad)
    mac = hmac.new(mac_key, cipher, hashlib.sha256).digest()
    body = binascii.hexlify(b"\n".join(binascii.hexlify(part) for part in (salt, mac, cipher))).decode()
    head = f"{MARK}1.2;AES256;{name}" if name and name != DEFAULT else f"{MARK}1.1;AES256"
    return "\n".join([head, *textwrap.wrap(body, 80)]) + "\n"


def _keys(password: bytes, salt: bytes) -> tuple[bytes, bytes, bytes]:
    made = hashlib.pbkdf2_hmac("sha256", password, salt, _ROUNDS, 80)
    return made[:32], made[32:64], made[64:]


def _ctr(key: bytes, counter: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import (
        Cipher,
        algorithms,
        modes,
    )  # 10 ms: only who has vaulted texts pays

    step = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return step.update(data) + step.finalize()


def _unpadded(plain: bytes) -> bytes:
    pad = plain[-1] if plain else 0
    if not 0 < pad <= _BLOCK or plain[-pad:] != bytes([pad]) * pad:
        raise BadVault("its padding is broken")
    return plain[:-pad]
