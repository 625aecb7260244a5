"""Package: packages are installed, perhaps at one version, or they are not there.

There is no `latest`: what it means changes while Git stays the same. A version in Git is what a review can judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import ClassVar

from ...core.kind import Claim, Code, Finding, Kind, OpContext
from ...core.model import Absent, Action, Change, Host, Json, Observation, Op, Present, Ref, State
from .versions import same_version

OP = "trueup.package.op"
LIMIT = 1200.0
"""Seconds for one installation: a slow mirror and a large package, and an apt that waits for another's lock."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*(:[a-z0-9-]+)?\Z")

VITAL = frozenset(
    [
        "apt",
        "base-files",
        "base-passwd",
        "bash",
        "coreutils",
        "dash",
        "dnf",
        "dpkg",
        "glibc",
        "init-system-helpers",
        "libc6",
        "libpam-modules",
        "libpam-runtime",
        "login",
        "openssh",
        "openssh-server",
        "openssh-sftp-server",
        "passwd",
        "python3",
        "python3-minimal",
        "rpm",
        "shadow-utils",
        "systemd",
        "systemd-sysv",
        "util-linux",
        "zypper",
        "apk-tools",
        "busybox",
        "musl",
    ]
)
"""What ssh, a shell, Python and the package manager itself come from; sudo where the login becomes root by it."""
NETWORK = frozenset(
    [
        "ifupdown",
        "ifupdown2",
        "netplan.io",
        "network-manager",
        "NetworkManager",
        "isc-dhcp-client",
        "dhcpcd",
        "dhcpcd-base",
    ]
)
VITAL_PATTERN = re.compile(r"(lib)?python3(\.\d+)?(-minimal|-stdlib|-libs)?\Z|trueup(-.*)?\Z|linux-image-.*\Z")

DAEMON_SUFFIX = re.compile(r"-(server|daemon|common|core|full|light|extras)\Z")
KNOWN_DAEMONS: Mapping[str, tuple[str, ...]] = {
    "openssh-server": ("ssh", "sshd"),
    "apache2": ("apache2", "www-data"),
    "httpd": ("httpd", "apache"),
    "mariadb-server": ("mariadb", "mysql"),
    "mysql-server": ("mysql",),
    "postgresql": ("postgresql", "postgres"),
    "redis-server": ("redis-server", "redis"),
    "bind9": ("named", "bind9", "bind"),
    "chrony": ("chrony", "_chrony"),
}
"""Packages whose services and accounts don't carry the package's own name."""


class Package(Kind):
    name = "Package"
    default_on_remove = "remove"
    codes: ClassVar[Mapping[str, Code]] = {
        "package-name": Code.error(
            "A name that no package can have.",
            "Letters, digits, `+`, `.`, `-`, `_`, and `:arch` at the end: nginx, libc6:i386.",
        ),
        "package-version": Code.error(
            "A version for several packages at once, or for one that is to be absent.",
            "Declare the package that has a version in a manifest of its own.",
        ),
    }

    # ---- meaning

    def normal(self, name: str, spec: State) -> State:
        made = {field: value for field, value in spec.items() if field not in ("names", "state")}
        names = sorted(set(names_of(name, spec)))
        if names != [name]:
            made["names"] = names
        if spec.get("state") == "absent":
            made["state"] = "absent"
        return made

    def check(self, name: str, spec: State) -> Iterable[Finding]:
        names = names_of(name, spec)
        for at, one in enumerate(names):
            if not NAME.match(one):
                field = ("names", at) if "names" in spec else ()
                hint = "" if field else "give the packages in `names` when the resource is called otherwise"
                yield Finding(code="package-name", message=f"{one!r} is no name of a package", field=field, hint=hint)
        if "version" in spec and len(names) > 1:
            yield Finding(
                code="package-version",
                message=f"one version can't be that of {len(names)} packages",
                field=("version",),
                hint="a manifest of its own for the package that has a version",
            )
        if "version" in spec and self.wants_absence(spec):
            message = "a package that is to be absent has no version"
            yield Finding(code="package-version", message=message, field=("version",), hint="leave it out")

    def claims(self, name: str, spec: State) -> Iterable[Claim]:
        for one in names_of(name, spec):
            yield Claim("package", one)

    # ---- comparing

    def manages(self, spec: State) -> tuple[str, ...]:
        return () if self.wants_absence(spec) else super().manages(spec)

    def same(self, field: str, want: Json, have: Json) -> bool:
        if field == "version":
            return same_version(str(want), str(have))
        if field == "names" and isinstance(have, list):
            return set(want) <= {str(one) for one in have}
        return bool(want == have)

    def wants_absence(self, spec: State) -> bool:
        return spec.get("state") == "absent"

    # ---- hosts

    def look(self, name: str, spec: State, ctx: OpContext) -> State:
        request: dict[str, Json] = {"names": names_of(name, spec)}
        return {**request, "absent": True} if self.wants_absence(spec) else request

    def ops(self, change: Change, ctx: OpContext) -> tuple[Op, ...]:
        want = change.want.spec if change.want is not None else None
        if want is None or self.wants_absence(want):
            names = names_of(change.key.name, want if want is not None else change.owned.spec if change.owned else {})
            args: dict[str, Json] = {"names": names, "state": "absent"}
            if change.on_remove == "purge":
                args["purge"] = True
            return (Op(module=OP, args=args, title=f"remove {_listed(names)}", limit=LIMIT),)
        names = names_of(change.key.name, want)
        there = change.have.state.get("names", ()) if isinstance(change.have, Present) else ()
        missing = [one for one in names if one not in there]
        args = {"names": missing or names, "state": "present"}
        if "version" in want:
            args["version"] = want["version"]
        return (Op(module=OP, args=args, title=f"install {_listed(args['names'])}", limit=LIMIT),)

    def plain_tasks(self, op: Op) -> tuple[dict[str, Json], ...]:
        version = op.args.get("version")
        names = [f"{name}={version}" if version else name for name in op.args["names"]]
        args: dict[str, Json] = {"name": names, "state": op.args["state"], "lock_timeout": 300}
        if op.args["state"] == "present":
            # Always refreshed: cache_valid_time believes the age of an empty folder of lists, too.
            args |= {"update_cache": True, "fail_on_autoremove": True}
            if version:
                args["allow_downgrade"] = True
        elif op.args.get("purge"):
            args["purge"] = True
        return ({"ansible.builtin.apt": args},)

    def after(self, change: Change) -> Observation:
        if change.want is None or self.wants_absence(change.want.spec):
            return Absent()
        have = change.have.state if isinstance(change.have, Present) else {}
        kept = {field: value for field, value in have.items() if field != "broken"}
        managed = {field: change.want.spec[field] for field in self.manages(change.want.spec)}
        return Present({**kept, **managed, "names": sorted(names_of(change.key.name, change.want.spec))})

    def touches(self, change: Change) -> Iterable[Ref]:
        """A package starts and stops its services and makes its accounts: they are looked at again."""
        spec = change.want.spec if change.want is not None else (change.owned.spec if change.owned else {})
        found = set()
        for one in names_of(change.key.name, spec):
            bare = one.partition(":")[0]
            words = {bare, DAEMON_SUFFIX.sub("", bare), *KNOWN_DAEMONS.get(bare, ())}
            found |= {Ref(kind, word) for kind in ("Group", "Service", "User") for word in words}
        return sorted(found)

    # ---- safety

    def refuses(self, name: str, want: State, have: Observation) -> str:
        held = set(have.state.get("held", ())) if isinstance(have, Present) else set()
        mine = sorted(held & set(names_of(name, want)))
        if mine and ("version" in want or self.wants_absence(want)):
            return f"{_listed(mine)} is held on the host: `apt-mark unhold {' '.join(mine)}` lets trueup change it"
        return ""

    def protects(self, name: str, want: State | None, host: Host) -> str:
        if want is not None and not self.wants_absence(want):
            return ""
        return self.cuts(name, want or {}, host)

    def cuts(self, name: str, owned: State, host: Host) -> str:
        vital = VITAL | NETWORK | ({"sudo"} if host.become else frozenset())
        for one in names_of(name, owned):
            bare = one.partition(":")[0]
            if bare in vital or VITAL_PATTERN.match(bare):
                return f"without the package {bare} trueup, or anybody, may not get in again"
        return ""

    # ---- words

    def notes(self, change: Change) -> tuple[str, ...]:
        names = change.want.spec.get("names") if change.want is not None else None
        said = [f"packages: {', '.join(names)}"] if names and change.action is Action.CREATE else []
        if change.action is Action.DELETE and change.on_remove != "purge":
            said.append("its configuration files stay")
        return tuple(said)


def names_of(name: str, spec: State) -> list[str]:
    """The packages that are meant: `names`, or the resource's own name."""
    return list(spec.get("names", [name]))


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


KIND = Package()
