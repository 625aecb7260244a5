"""Whether a password fits a line of an htpasswd file: the forms of RFC 2307 that nginx knows, and Apache's MD5.

bcrypt and the forms of crypt(3) are the C library's; the preview server can't check them by the standard library alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def fits(password: str, stored: str) -> bool:
    """False too for a form that isn't known here; see known()."""
    given = password.encode()
    if stored.startswith("{PLAIN}"):
        return hmac.compare_digest(given, stored[7:].encode())
    if stored.startswith("{SHA}"):
        return hmac.compare_digest(
            base64.b64encode(hashlib.sha1(given, usedforsecurity=False).digest()), stored[5:].encode()
        )
    if stored.startswith("{SSHA}"):
        try:
            raw = base64.b64decode(stored[6:], validate=True)
        except binascii.Error:
            return False
        return hmac.compare_digest(hashlib.sha1(given + raw[20:], usedforsecurity=False).digest(), raw[:20])
    if stored.startswith("$apr1$"):
        return hmac.compare_digest(_apr1(given, stored.split("$")[2]), stored)
    return False


def known(stored: str) -> bool:
    return stored.startswith(("{PLAIN}", "{SHA}", "{SSHA}", "$apr1$"))


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _apr1(password: bytes, salt: str) -> str:
    """Apache's variant of MD5 crypt (apr_md5.c)."""
    head = salt.encode()[:8]
    inner = _md5(password + head + password)
    mixed = password + b"$apr1$" + head + (inner * (len(password) // 16 + 1))[: len(password)]
    length = len(password)
    while length:
        mixed += b"\0" if length & 1 else password[:1]
        length >>= 1
    final = _md5(mixed)
    for turn in range(1000):
        step = (password if turn & 1 else final) + (head if turn % 3 else b"") + (password if turn % 7 else b"")
        final = _md5(step + (final if turn & 1 else password))
    out = ""
    for a, b, c in ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5)):
        out += _to64(final[a] << 16 | final[b] << 8 | final[c], 4)
    return f"$apr1${head.decode()}${out}{_to64(final[11], 2)}"


def _to64(value: int, count: int) -> str:
    return "".join(_ALPHABET[value >> 6 * at & 0x3F] for at in range(count))
