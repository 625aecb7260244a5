"""The one line that runs on a host: it finds a Python and gives it what comes on stdin; with `bootstrap` it installs one
first where there is none, by the host's own package manager.

All of it is for /bin/sh (POSIX), in one exec of the connection that carries the visit: nothing on stdin is read before a
Python is found, so what was meant for it is still there after an installation.
"""

from __future__ import annotations

import shlex

from ..core.model import Host, Key, Outcome, Result

BOOT = (
    "import sys; sys.version_info >= (3, 8) or sys.exit(99); s = sys.stdin.buffer; "
    'exec(compile(s.read(int(s.readline())), "trueup", "exec"), {"STDIN": s})'
)
_TRY = (
    "for p in /usr/bin/python3 /usr/libexec/platform-python python3; do "
    'command -v "$p" >/dev/null 2>&1 || continue; '
    f"\"$p\" -I -c '{BOOT}'; r=$?; [ $r = 99 ] || exit $r; done; "
)
"""The distribution's own Python comes first: it has python3-apt."""
_NONE = "echo trueup: no python 3.8 or newer >&2; exit 97"
COMMAND = _TRY + _NONE

LIMIT = 600
"""Seconds that an installation may take: a slow mirror, and an apt that waits for another's lock."""
INSTALLED = "trueup: installed python3"
FAILED = "trueup: python3 can't be installed"
INSTALL = (
    "PATH=$PATH:/usr/sbin:/sbin LC_ALL=C DEBIAN_FRONTEND=noninteractive; export PATH LC_ALL DEBIAN_FRONTEND; "
    'has() { command -v "$1" >/dev/null 2>&1; }; '
    "apt() { apt-get -q -y --no-remove -o DPkg::Lock::Timeout=60 install --no-install-recommends python3; }; "
    "if has apt-get; then apt || { apt-get -q update && apt; }; "
    "elif has zypper; then zypper --non-interactive install python3; "
    "elif has dnf; then dnf -y install python3; "
    "elif has yum; then yum -y install python3; "
    "elif has apk; then apk --wait 60 add python3 || apk --wait 60 --update-cache add python3; "
    'else echo "no package manager is known here: neither apt, zypper, dnf nor apk"; exit 1; fi'
)
"""One line: a login shell of the csh family takes no line break in quotes."""


def command(bootstrap: bool) -> str:
    """The line for a host that may, or may not, be given a Python."""
    if not bootstrap:
        return COMMAND
    limit = f"$(command -v timeout >/dev/null 2>&1 && echo timeout {LIMIT})"
    return (
        f"{_TRY}said=$({limit} /bin/sh -c {shlex.quote(INSTALL)} 2>&1 </dev/null) || "
        f'{{ echo "{FAILED}: $(echo "$said" | tail -n 2 | tr "\\n" " ")" >&2; exit 96; }}; '
        f'echo "{INSTALLED}" >&2; {_TRY}{_NONE}'
    )


def installed(host: Host, said: str) -> tuple[Outcome, ...]:
    """The outcome of an installation that the host's line told of on stderr."""
    if not host.bootstrap or INSTALLED not in said:
        return ()
    key = Key(host.name, "Host", host.name)
    return (Outcome(key=key, result=Result.OK, op="install python3 (bootstrap)", changed=True),)
