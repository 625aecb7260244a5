"""What a host is, read from its own files and tools: by this the tests judge, not by what trueup says of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .host import LabHost

TREES = "/etc /srv /home /root /usr/local/bin /usr/local/sbin /var/spool/cron"
"""What manifests of the tests write to; kept small, as every byte in it is read."""
VOLATILE = (
    # Written by what merely happens on a host, not by what is set on it.
    "/etc/ld.so.cache", "/etc/mtab", "/etc/.pwd.lock", "/etc/resolv.conf", "/etc/passwd-", "/etc/shadow-", "/etc/group-",
    "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-", "/etc/hostname", "/etc/hosts", "/etc/machine-id", "/etc/ssh", "/root/.ssh", "*/.ansible",
)  # fmt: skip

SCAN = r"""
find %s -xdev \( %s \) -prune -o -printf '%%p\t%%y\t%%m\t%%u\t%%g\t%%l\n'
echo ===
find %s -xdev \( %s \) -prune -o -type f -print0 | xargs -0 -r sha256sum
echo ===
cat /etc/passwd; echo ===; cat /etc/shadow; echo ===; cat /etc/group; echo ===
dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\n'; echo ===
find /etc/systemd/system /etc/rc?.d -type l 2>/dev/null | sort
"""


@dataclass(frozen=True, kw_only=True)
class Raw:
    """A host's state. Times are left out: two ways to one state differ in them."""

    files: dict[str, str]
    """Path → type, mode, owner, group, link target and, of a file, the SHA-256 of its bytes."""
    passwd: tuple[str, ...]
    shadow: tuple[str, ...]
    """Without the day of the last change."""
    group: tuple[str, ...]
    packages: tuple[str, ...]
    enabled: tuple[str, ...]
    """Links that enable units and init scripts."""

    def differs(self, other: Raw) -> list[str]:
        """The facts that only one of the two has, theirs with `+` in front, ours with `-`."""
        mine, theirs = set(self.text().splitlines()), set(other.text().splitlines())
        return sorted(
            [f"- {line}" for line in mine - theirs] + [f"+ {line}" for line in theirs - mine], key=lambda x: x[2:]
        )

    def text(self) -> str:
        """All of it, one fact a line, for comparing."""
        lines = [f"{path} {what}" for path, what in sorted(self.files.items())]
        for name in ("passwd", "shadow", "group", "packages", "enabled"):
            lines += [f"{name}: {line}" for line in getattr(self, name)]
        return "\n".join(lines) + "\n"


def read(host: LabHost) -> Raw:
    """Read a host as root, not over ssh."""
    prune = " -o ".join(f"-path '{path}'" for path in VOLATILE)
    trees = TREES
    done = host.run(SCAN % (trees, prune, trees, prune), timeout=120)
    stats, sums, passwd, shadow, group, packages, enabled = done.stdout.split("===\n")
    files = {line.split("\t", 1)[0]: line.split("\t", 1)[1].replace("\t", " ") for line in stats.splitlines()}
    for line in sums.splitlines():
        digest, path = line.split(None, 1)
        files[path] = f"{files.get(path, '?')} {digest}"
    return Raw(
        files=files,
        passwd=tuple(sorted(passwd.splitlines())),
        shadow=tuple(sorted(":".join((f := line.split(":"))[:2] + f[3:]) for line in shadow.splitlines())),
        group=tuple(sorted(group.splitlines())),
        packages=tuple(sorted(packages.splitlines())),
        enabled=tuple(enabled.splitlines()),
    )


def own_file(host: LabHost, fleet: str = "lab") -> dict[str, Any]:
    """The file that trueup keeps on the host."""
    found: dict[str, Any] = json.loads(host.read(f"/var/lib/trueup/{fleet}.json"))
    return found
