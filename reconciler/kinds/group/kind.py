"""Group: a line of /etc/group, made and removed by the stock module, never renumbered."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

from ...core.kind import Claim, Code, Finding, Kind, OpContext
from ...core.model import Change, Host, Observation, Op, Present, State

NAME = re.compile(r"(?!\d+$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")
"""What groupadd takes on Debian and elsewhere (groupadd(8): at most 32 characters; digits alone would read as a gid)."""

SUDO_GROUPS = frozenset({"sudo", "wheel", "admin"})
"""Groups whose members may become root by the sudoers file that distributions ship."""


class Group(Kind):
    name = "Group"
    codes: ClassVar[dict[str, Code]] = {
        "bad-group-name": Code.error(
            "The name can't be a group's: groupadd refuses it, or would take it for a number.",
            "Use at most 32 letters, digits, `_`, `-` and `.`, not digits alone.",
        ),
        "reserved-gid": Code.warning(
            "Numbers below 100 belong to the distribution; 0 is root's.",
            "Take a number from 100 on, or leave `gid` out.",
        ),
    }

    def check(self, name: str, spec: State) -> Iterable[Finding]:
        if not NAME.fullmatch(name):
            yield Finding(
                code="bad-group-name",
                message=f"`{name}` can't be the name of a group",
                hint="choose at most 32 letters, digits, `_`, `-` and `.`, not digits alone",
            )
        if 0 <= spec.get("gid", 100) < 100 and name != "root":
            yield Finding(
                code="reserved-gid",
                message=f"gid {spec['gid']} belongs to the distribution",
                field=("gid",),
                hint="take a number from 100 on",
                severity="warning",
            )

    def claims(self, name: str, spec: State) -> Iterable[Claim]:
        yield Claim("group", name)
        if "gid" in spec:
            yield Claim("gid", str(spec["gid"]))

    def look(self, name: str, spec: State, ctx: OpContext) -> State:
        return {"name": name}

    def ops(self, change: Change, ctx: OpContext) -> tuple[Op, ...]:
        name = change.key.name
        if change.want is None:
            return (
                Op(
                    module="ansible.builtin.group", args={"name": name, "state": "absent"}, title=f"remove group {name}"
                ),
            )
        args = {"name": name, "state": "present"}
        args.update({field: change.want.spec[field] for field in ("gid", "system") if field in change.want.spec})
        return (Op(module="ansible.builtin.group", args=args, title=f"create group {name}"),)

    def refuses(self, name: str, want: State, have: Observation) -> str:
        if isinstance(have, Present) and "gid" in want and "gid" in have.state and want["gid"] != have.state["gid"]:
            now, then = have.state["gid"], want["gid"]
            return (
                f"gid {then} is wanted, {name} has {now}: files that carry {now} would be orphaned; "
                f"write gid: {now}, or by hand: groupmod -g {then} {name}, then chgrp what find / -gid {now} lists"
            )
        return ""

    def protects(self, name: str, want: State | None, host: Host) -> str:
        if want is not None:
            return ""
        if name == host.become_user or name == "root":
            return "the group of the account that trueup becomes can't be removed"
        if host.become and name in SUDO_GROUPS:
            return f"{host.user} may hold its sudo right as a member of this group"
        return ""

    def notes(self, change: Change) -> tuple[str, ...]:
        if change.want is None:
            return ("its members lose it at their next login; fails while it is somebody's primary group",)
        return ()

    def facets(self, change: Change) -> tuple[str, ...]:
        return ("access",) if change.want is None else ()


KIND = Group()
