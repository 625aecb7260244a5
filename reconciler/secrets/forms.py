"""What a secret's value must be where it is put: one line, a certificate, a key. What is wrong is told, never the value."""

from __future__ import annotations

import base64
import binascii
import re

from .sources import chomped, refused

LONGEST_LINE = 900
"""Bytes of a value that stands in one line of a host's file (cron's own buffer holds 1,000)."""
PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----[ \t\r]*\n(.*?)-----END \1-----", re.DOTALL)
"""RFC 7468: a label, and what it is in base64."""
DER = b"\x30"
"""How a certificate and a key begin when they are unpacked: an ASN.1 SEQUENCE."""


def formed(value: bytes, form: str) -> bytes:
    """`value` as it is put into a field of this form (`x-takes-secret` of the kind's schema). Raises Refused."""
    if form == "line":
        return as_line(value)
    if form == "certificate":
        _pem(value, "certificate", rb"(?:X509 |TRUSTED )?CERTIFICATE", "the certificate first, then its chain")
    elif form == "key":
        _pem(value, "private key", rb"(?:[A-Z0-9]+ )?PRIVATE KEY", "one that begins with -----BEGIN PRIVATE KEY-----")
    return value


def as_line(value: bytes) -> bytes:
    """`value` as it can stand within one line of a host's file, without a closing newline. Raises Refused."""
    line = chomped(value)
    if any(byte < 32 or byte == 127 for byte in line):
        raise refused("its value has a line break or a control character, which this field can't hold", "use one line")
    if not line or line != line.strip() or line[:1] in (b'"', b"'"):
        raise refused("its value is empty, or has a blank or a quote at its end or beginning", "change the value")
    if len(line) > LONGEST_LINE:
        raise refused(f"its value has more than {LONGEST_LINE} bytes, which this field can't hold", "use a File")
    return line


def _pem(value: bytes, what: str, label: bytes, hint: str) -> None:
    """Raises Refused unless a part of the value is a `what`."""
    for found, body in PEM.findall(value):
        if b"ENCRYPTED" in found or b"ENCRYPTED" in body:
            message = f"its value is an encrypted {what}, and nobody is there to say its password when a server starts"
            raise refused(message, "keep the secret itself encrypted, and in it a key without a password")
        if re.fullmatch(label, found):
            try:
                if base64.b64decode(b"".join(body.split()), validate=True)[:1] == DER:
                    return
            except binascii.Error:
                pass
            raise refused(f"its value has the frame of a {what}, and what is in it is damaged", "encrypt it anew")
    raise refused(f"its value is no {what} in PEM", f"it must be {hint}")
