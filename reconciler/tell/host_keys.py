"""How the keys that a host shows read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .clean import clean

if TYPE_CHECKING:
    from ..core.model import Host
    from ..trip.host_keys import Shown


def text(host: Host, shown: Shown) -> str:
    """For a person who is about to commit them."""
    from ..trip.host_keys import fingerprint

    where = f"{clean(host.name)} ({clean(host.address or host.name)}, port {host.port})"
    if shown.trouble is not None:
        return f"? {where} showed no key: {clean(shown.trouble.why)}\n  next: {clean(shown.trouble.next_step)}\n"
    lines = [
        f"{where} shows these keys. Nothing vouches for them yet: compare with what the host itself says, on its console:"
    ]
    lines += ["  for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $f; done"]
    lines += [f"  {fingerprint(key)}  {key.split()[0]}" for key in shown.keys]
    if shown.changed:
        lines += ["", f"✗ {clean(host.name)} is known by other keys:"]
        lines += [f"  {fingerprint(key)}  {clean(key.split()[0])}" for key in shown.known]
        lines += ["  If nobody reinstalled it, somebody may be in between: commit nothing, and ask."]
    elif shown.known:
        lines += ["", "✓ This is how it is known already."]
    lines += ["", "When they are the same, commit them in its manifest:", "", "spec:", "  hostKeys:"]
    return "\n".join([*lines, *(f"    - {key}" for key in shown.keys)]) + "\n"


def document(host: Host, shown: Shown) -> str:
    """For programs."""
    from ..trip.host_keys import fingerprint

    answer = {
        "format": 1,
        "host": host.name,
        "keys": [{"key": key, "fingerprint": fingerprint(key)} for key in shown.keys],
        "verified": False,
        "known": list(shown.known),
        "changed": shown.changed,
        "trouble": shown.trouble.why if shown.trouble else "",
    }
    return json.dumps(answer, indent=2) + "\n"
