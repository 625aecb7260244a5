"""Lines of authorized_keys, as sshd(8) reads them: `[options ]type base64[ comment]`.

The probe reads the same form on the host; a test holds the two together.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

TYPES = frozenset(
    {
        "ssh-ed25519",
        "ssh-rsa",
        "ssh-dss",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)

FLAGS = frozenset(
    {
        "agent-forwarding",
        "cert-authority",
        "no-agent-forwarding",
        "no-port-forwarding",
        "no-pty",
        "no-touch-required",
        "no-user-rc",
        "no-x11-forwarding",
        "port-forwarding",
        "pty",
        "restrict",
        "user-rc",
        "verify-required",
        "x11-forwarding",
    }
)
SETTINGS = frozenset(
    {"command", "environment", "expiry-time", "from", "permitlisten", "permitopen", "principals", "tunnel"}
)

OPTION = re.compile(r'([A-Za-z0-9-]+)(="(?:[^"\\]|\\.)*")?')
LEAST_RSA_BITS = 2048


@dataclass(frozen=True, order=True, slots=True)
class Line:
    """One key with what it is allowed."""

    type: str
    key: str
    options: str = ""
    comment: str = ""

    def text(self) -> str:
        return " ".join(part for part in (self.options, self.type, self.key, self.comment) if part)


class BadKey(ValueError):
    """Text that is no line of authorized_keys. Never repeats the text: it might be a private key."""


def parse(text: str) -> Line:
    """The line that `text` says. Raises BadKey."""
    if "PRIVATE KEY" in text:
        raise BadKey("is a private key: take it out of the repository, it must count as known to others")
    if any(ord(char) < 32 and char != "\t" for char in text.strip()):
        raise BadKey("holds a line break or a control character: one key is one line")
    words = _words(text.strip())
    options = ""
    if words and words[0] not in TYPES:
        options = words.pop(0)
    if not words or words[0] not in TYPES:
        raise BadKey(f"has no key type (such as ssh-ed25519) where one is expected{_certificate(words)}")
    if len(words) < 2:
        raise BadKey("ends after the key type")
    kind, key = words[0], words[1]
    if not _is_key(kind, key):
        raise BadKey(f"holds no {kind} key after its type: cut off, or mistyped")
    for option in split_options(options):
        _check_option(option)
    return Line(type=kind, key=key, options=options, comment=" ".join(words[2:]))


def split_options(options: str) -> tuple[str, ...]:
    """`a,b="c,d"` → a, b="c,d"."""
    return tuple(part for part in re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^,"])+', options) if part)


def rsa_bits(line: Line) -> int:
    """The length of an RSA key's modulus (RFC 4253, 6.6); 0 for other types."""
    if line.type != "ssh-rsa":
        return 0
    raw = base64.b64decode(line.key)
    parts = []
    while len(raw) >= 4:
        size = int.from_bytes(raw[:4], "big")
        parts.append(raw[4 : 4 + size])
        raw = raw[4 + size :]
    return int.from_bytes(parts[2], "big").bit_length() if len(parts) == 3 else 0


def _words(text: str) -> list[str]:
    """Split at spaces, but not within the double quotes of the options."""
    return re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^\s"]|"(?=[^"]*$))+', text)


def _certificate(words: list[str]) -> str:
    return ": a certificate is no line here, its authority's key is" if any("-cert-v01" in w for w in words) else ""


def _is_key(kind: str, key: str) -> bool:
    """The blob repeats its type as a length-prefixed string (RFC 4253, 6.6), and more follows."""
    try:
        raw = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return False
    size = int.from_bytes(raw[:4], "big")
    return raw[4 : 4 + size] == kind.encode() and len(raw) > 4 + size + 4


def _check_option(option: str) -> None:
    match = OPTION.fullmatch(option)
    if match is None:
        raise BadKey('has options that sshd can\'t read: `flag,name="value"`, with no space outside the quotes')
    name, value = match[1].lower(), match[2]
    if name in FLAGS and not value:
        return
    if name in SETTINGS and value:
        return
    if name in FLAGS | SETTINGS:
        raise BadKey(f"has the option {name} {'with' if value else 'without'} a value")
    raise BadKey(f"has an option {match[1]} that sshd doesn't know; it would ignore the key")
