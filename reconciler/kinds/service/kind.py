"""Service: it runs or doesn't, starts at boot or doesn't, and has loaded the files that belong to it.

What a service last loaded is kept on its host as digests (`loaded`), so that a kill between a file and its restart
still ends in the restart. What was never recorded counts as loaded: adopting a fleet restarts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import ClassVar

from ...core.kind import Claim, Code, Finding, Kind, OpContext
from ...core.model import Absent, Change, Host, Json, Observation, Op, Present, Ref, State

OP = "trueup.service.op"
LIMIT = 180.0
"""Seconds: systemd gives a service 90 to start and 90 to stop (DefaultTimeoutStartSec)."""
NAME = re.compile(r"[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\@-]+)?\Z")

WAY_IN = frozenset(["ssh", "sshd", "ssh.socket", "sshd.socket", "dropbear", "trueup-agent"])
NETWORK = frozenset(
    ["networking", "network", "NetworkManager", "systemd-networkd", "dhcpcd", "wpa_supplicant", "wicked", "netplan"]
)

NOT_ENABLED_BY_ITSELF = {
    "static": "it has no [Install] section and is started by what needs it",
    "indirect": "it is enabled through other units",
    "transient": "it was made at run time and has no file",
}


class Service(Kind):
    name = "Service"
    default_on_remove = "release"
    digests_of = ("reloadOn", "restartOn")
    codes: ClassVar[Mapping[str, Code]] = {
        "service-name": Code.error(
            "A name that no unit or init script can have.",
            "nginx, nginx.service, backup.timer or getty@tty1; a template needs its instance.",
        ),
        "service-nothing": Code.error(
            "A Service that says neither running nor enabled, nor what it loads.",
            "Say what is meant: `running: true`, `enabled: true`.",
        ),
        "service-twice": Code.error(
            "A reference that is in reloadOn and in restartOn.",
            "Keep it in restartOn if a reload is not enough for it, else in reloadOn.",
        ),
        "service-idle": Code.warning(
            "reloadOn or restartOn of a service that is not to run: nothing will ever be loaded.",
            "Leave the list out, or let the service run.",
        ),
    }

    # ---- meaning

    def normal(self, name: str, spec: State) -> State:
        made = dict(spec)
        for field in self.digests_of:
            if field in made:
                made[field] = sorted(set(made[field]))
                if not made[field]:
                    del made[field]
        return made

    def check(self, name: str, spec: State) -> Iterable[Finding]:
        if not NAME.match(name):
            hint = "a template needs an instance: name@instance" if bare(name).endswith("@") else ""
            yield Finding(code="service-name", message=f"{name!r} is no name of a service", hint=hint)
        lists = [field for field in self.digests_of if spec.get(field)]
        if not lists and "running" not in spec and "enabled" not in spec:
            yield Finding(
                code="service-nothing",
                message=f"nothing is said of {name}: neither running nor enabled",
                hint="running: true, enabled: true",
            )
        both = set(spec.get("reloadOn", ())) & set(spec.get("restartOn", ()))
        for at, ref in enumerate(spec.get("reloadOn", ())):
            if ref in both:
                message = f"{ref} is in restartOn too: a restart has read it already"
                yield Finding(code="service-twice", message=message, field=("reloadOn", at), hint="keep one of the two")
        if lists and spec.get("running") is False:
            message = f"{name} is not to run, so it never loads what {lists[0]} names"
            yield Finding(code="service-idle", message=message, field=(lists[0],), severity="warning")

    def claims(self, name: str, spec: State) -> Iterable[Claim]:
        yield Claim("service", bare(name))

    def refs(self, name: str, spec: State) -> Iterable[Ref]:
        yield Ref("Package", bare(name))

    def needs(self, name: str, spec: State) -> Iterable[tuple[tuple[str | int, ...], Ref]]:
        for field in self.digests_of:
            for at, text in enumerate(spec.get(field, ())):
                yield (field, at), Ref.parse(text)

    # ---- comparing

    def manages(self, spec: State) -> tuple[str, ...]:
        loads = ("loaded",) if spec.get("loaded") and spec.get("running") is not False else ()
        return tuple(field for field in ("running", "enabled") if field in spec) + loads

    def same(self, field: str, want: Json, have: Json) -> bool:
        return not stale(want, have) if field == "loaded" else bool(want == have)

    def right_where_absent(self, spec: State) -> bool:
        """A service that is neither to run nor to start is right where there is none."""
        return not spec.get("running") and not spec.get("enabled") and "loaded" not in self.manages(spec)

    # ---- hosts

    def look(self, name: str, spec: State, ctx: OpContext) -> State:
        request: dict[str, Json] = {"name": name}
        return {**request, "loaded": True} if any(spec.get(field) for field in self.digests_of) else request

    def ops(self, change: Change, ctx: OpContext) -> tuple[Op, ...]:
        name = change.key.name
        if change.want is None:
            if change.on_remove != "stop":
                return ()
            return (_op(name, {"running": False, "enabled": False}, f"stop {name} for good"),)
        changed = {field.path: field for field in change.fields}
        spec = change.want.spec
        have = change.have.state if isinstance(change.have, Present) else {}
        args: dict[str, Json] = {}
        args.update({field: spec[field] for field in ("running", "enabled") if field in changed and field in spec})
        if "loaded" in changed and have.get("running") and spec.get("running") is not False:
            args["refresh"] = self._refresh(spec, changed["loaded"].before, have)
        if not args:
            return ()
        return (_op(name, args, _title(name, args)),)

    def _refresh(self, spec: State, before: Json, have: State) -> str:
        """Reload or restart, by which list names what is new; a restart where it can't reload."""
        renewed = stale(spec.get("loaded", {}), before)
        if have.get("canReload") is False or renewed & set(spec.get("restartOn", ())):
            return "restart"
        return "reload"

    def plain_tasks(self, op: Op) -> tuple[dict[str, Json], ...]:
        # The generic module asks the host which init runs it; the facts that `use: auto` goes by only guess from /sbin/init.
        args: dict[str, Json] = {"name": op.args["name"], "use": "service"}
        if "running" in op.args:
            args["state"] = "started" if op.args["running"] else "stopped"
        elif "refresh" in op.args:
            args["state"] = f"{op.args['refresh']}ed"
        if "enabled" in op.args:
            args["enabled"] = op.args["enabled"]
        return ({"ansible.builtin.service": args},)

    def after(self, change: Change) -> Observation:
        have = change.have.state if isinstance(change.have, Present) else {}
        if change.want is None:
            if not have:
                return Absent()
            return Present({**have, **_seen({"running": False, "enabled": False}, have)})
        spec = change.want.spec
        managed = {field: spec[field] for field in self.manages(spec) if field not in change.want.ignore}
        found = {**have, **managed, **_seen(managed, have)}
        if "loaded" in managed:
            found["loaded"] = {**have.get("loaded", {}), **managed["loaded"]}
        return Present(found)

    # ---- safety

    def refuses(self, name: str, want: State, have: Observation) -> str:
        if not isinstance(have, Present):
            return ""
        unit_file = have.state.get("unitFile")
        if unit_file == "masked" and (want.get("running") or want.get("enabled")):
            return f"{name} is masked on the host: somebody decided that it never starts (systemctl unmask {name})"
        if want.get("enabled") and not have.state.get("enabled") and unit_file in NOT_ENABLED_BY_ITSELF:
            return f"{name} can't be enabled: {NOT_ENABLED_BY_ITSELF[unit_file]}; leave `enabled` out"
        if want.get("running") and have.state.get("oneshot") and not have.state.get("running"):
            return f"{name} runs and ends (Type=oneshot): it can't be kept running; declare the timer that starts it"
        return ""

    def protects(self, name: str, want: State | None, host: Host) -> str:
        stops = want is None or want.get("running") is False or want.get("enabled") is False
        if stops and bare(name) in WAY_IN:
            return f"{name} is the way in of trueup itself"
        if stops and bare(name) in NETWORK:
            return f"without {name} the host may have no network, and trueup no way in"
        return ""

    # ---- words

    def notes(self, change: Change) -> tuple[str, ...]:
        if change.want is None:
            return ("it is stopped and starts no more at boot",) if change.on_remove == "stop" else ()
        for op in self.ops(change, OpContext(host=Host(name=change.key.host), fleet="")):
            if "refresh" in op.args:
                loaded = next(field.before for field in change.fields if field.path == "loaded")
                names = sorted(stale(change.want.spec["loaded"], loaded))
                return (f"{op.args['refresh']}s {change.key.name}, because of {', '.join(names)}",)
        return ()

    def facets(self, change: Change) -> tuple[str, ...]:
        return ("reload",) if any(field.path in ("loaded", "running") for field in change.fields) else ()


def bare(name: str) -> str:
    """Without the suffix that systemd adds by itself."""
    return name.removesuffix(".service")


def stale(want: Mapping[str, str], have: Json) -> set[str]:
    """The references whose digest the service has not loaded. One that was never recorded counts as loaded."""
    known = have if isinstance(have, Mapping) else {}
    return {ref for ref, digest in want.items() if known.get(ref, digest) != digest}


def _seen(managed: State, have: State) -> dict[str, Json]:
    """What the host's own words for it will be, where it has such words."""
    words: dict[str, Json] = {}
    if "running" in managed and "active" in have and managed["running"] != have.get("running"):
        words["active"] = "active" if managed["running"] else "inactive"
    if "enabled" in managed and have.get("unitFile") in ("enabled", "disabled"):
        words["unitFile"] = "enabled" if managed["enabled"] else "disabled"
    return {**{field: managed[field] for field in ("running", "enabled") if field in managed}, **words}


def _op(name: str, args: dict[str, Json], title: str) -> Op:
    return Op(module=OP, args={"name": name, **args}, title=title, limit=LIMIT)


def _title(name: str, args: Mapping[str, Json]) -> str:
    words = []
    if "enabled" in args:
        words.append("enable" if args["enabled"] else "disable")
    if "running" in args:
        words.append("start" if args["running"] else "stop")
    elif "refresh" in args:
        words.append(str(args["refresh"]))
    return f"{' and '.join(words)} {name}"


KIND = Service()
