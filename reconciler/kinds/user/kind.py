"""User: an account with its keys and its sudo rule.

What a change does is split over three files: this one says what a user means and what is dangerous about it,
ops.py which calls make it so, words.py and findings.py how it is told and complained about.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from contextlib import suppress
from typing import ClassVar

from ...core.kind import Claim, Code, Finding, Kind, OpContext
from ...core.model import Action, Change, Host, Json, Observation, Op, Present, Ref, State, canonical
from . import findings, keys, ops, sudoers, words

GROUPS = "Group"
"""The kind whose resources an account waits for, when its groups are declared too."""

NOWHERE = "/nonexistent"
"""Debian's home of accounts that have none (Debian policy 9.2.3): many share it."""

SHELLS = frozenset(f"{folder}/{shell}" for folder in ("/bin", "/usr/bin") for shell in ("sh", "bash", "dash"))
"""What lets the login in. Any other may refuse commands, or not be there: then sshd takes nobody (sshd(8))."""
SUDO_GROUPS = frozenset({"sudo", "wheel", "admin"})


class User(Kind):
    name = "User"
    default_on_remove = "lock"
    codes: ClassVar[dict[str, Code]] = findings.CODES

    # ---- meaning

    def normal(self, name: str, spec: State) -> State:
        """A declared account is open: that it is not locked is part of every meaning."""
        made = dict(spec)
        if "groups" in made:
            made["groups"] = sorted(set(made["groups"]))
        if "home" in made:
            made["home"] = _path(made["home"])
        if "sshKeys" in made:
            made["sshKeys"] = _keys(made["sshKeys"])
        if "sudo" in made:
            made["sudo"] = sudoers.normal(made["sudo"])
        made["locked"] = None
        return made

    def manages(self, spec: State) -> tuple[str, ...]:
        return (*super().manages(spec), *(["locked"] if "locked" in spec else []))

    def check(self, name: str, spec: State) -> Iterable[Finding]:
        return findings.of(name, spec)

    def claims(self, name: str, spec: State) -> Iterable[Claim]:
        yield Claim("account", name)
        if "uid" in spec:
            yield Claim("uid", str(spec["uid"]))
        yield Claim("path", sudoers.path_of(name))
        home = _path(spec.get("home", ops.usual_home(name)))
        if "sshKeys" in spec and home != NOWHERE:
            yield Claim("path", ops.authorized_keys(home))

    def refs(self, name: str, spec: State) -> Iterable[Ref]:
        for group in sorted({*spec.get("groups", ()), *([spec["group"]] if "group" in spec else ())}):
            yield Ref(GROUPS, group)

    # ---- comparing

    def whole(self, state: State) -> State:
        return {"locked": None, **state}

    def same(self, field: str, want: Json, have: Json) -> bool:
        if field == "locked":
            return bool(want) == bool(have)
        if field == "passwordHash":
            return bool(want == have) or want == {"sealed": ""}
        if field == "sshKeys" and isinstance(have, (list, tuple)):
            return _keys(want) == _keys(have)
        if field == "groups" and isinstance(have, (list, tuple)):
            return set(want) == set(have)
        if field == "sudo" and not (isinstance(have, dict) and "commands" not in have):
            return canonical(sudoers.normal(want)) == canonical(sudoers.normal(have))
        return canonical(want) == canonical(have)

    # ---- hosts

    def look(self, name: str, spec: State, ctx: OpContext) -> State:
        request = {"name": name, "sudoers": sudoers.path_of(name), "keys": "sshKeys" in spec}
        if "passwordHash" in spec and ctx.secrets_key:
            request["secretsKey"] = ctx.secrets_key
        return request

    def ops(self, change: Change, ctx: OpContext) -> tuple[Op, ...]:
        return ops.of(change)

    def plain_tasks(self, op: Op) -> tuple[dict[str, Json], ...]:
        return ops.plain_tasks(op)

    def after(self, change: Change) -> Observation:
        have = dict(change.have.state) if isinstance(change.have, Present) else {}
        if change.want is None and change.on_remove == "lock":
            # The lock puts a `!` before the hash, whose keyed hash nobody can reckon without it.
            have.pop("passwordHash", None)
            return Present({**have, "locked": True, "sshKeys": [], "sudo": "none"})
        found = super().after(change)
        if not isinstance(found, Present):
            return found
        gone = {"locked", *(["homeMissing"] if ops.makes_home(change) else [])}
        if any(item.path == "home" for item in change.fields):
            gone.add("homeReal")
        return Present({name: value for name, value in found.state.items() if name not in gone})

    def touches(self, change: Change) -> Iterable[Ref]:
        """userdel takes the group of the account's name along (USERGROUPS_ENAB, login.defs(5))."""
        if change.want is None and change.on_remove != "lock":
            yield Ref(GROUPS, change.key.name)

    # ---- safety

    def refuses(self, name: str, want: State, have: Observation) -> str:
        if isinstance(have, Present) and "uid" in want and "uid" in have.state and want["uid"] != have.state["uid"]:
            now, then = have.state["uid"], want["uid"]
            return (
                f"uid {then} is wanted, {name} has {now}: files that carry {now} would be orphaned; "
                f"write uid: {now}, or by hand: usermod -u {then} {name}, then chown what find / -uid {now} lists"
            )
        return ""

    def protects(self, name: str, want: State | None, host: Host) -> str:
        if want is None:
            if name in ("root", host.become_user):
                return f"{name} is what trueup works as on the host"
            return "trueup logs in as this account" if name == host.user else ""
        if name != host.user:
            return ""
        if "sshKeys" in want or "home" in want:
            return "trueup logs in as this account: its keys would be replaced"
        if want.get("shell", "/bin/sh") not in SHELLS:
            return "trueup logs in as this account: its shell may refuse it, or not be there"
        if host.become and name != host.become_user:
            return self._takes_sudo(want)
        return ""

    def _takes_sudo(self, want: State) -> str:
        if want.get("sudo", "all") != "all":
            return "trueup's own sudo right would be narrowed"
        if "groups" in want and want.get("sudo") != "all" and not SUDO_GROUPS & set(want["groups"]):
            return "trueup's own sudo right may come from a group that it would leave"
        if "passwordHash" in want:
            return "the password that sudo asks trueup for would change"
        return ""

    def threatens_last(self, name: str, want: State | None) -> str:
        return "" if want is not None and want.get("sudo") == "all" else "sudo"

    # ---- words

    def notes(self, change: Change) -> tuple[str, ...]:
        return words.notes(change)

    def facets(self, change: Change) -> tuple[str, ...]:
        opens = {"sshKeys", "sudo", "passwordHash", "groups", "locked", "shell"}
        whole = change.action in (Action.CREATE, Action.DELETE)
        return ("access",) if whole or any(item.path in opens for item in change.fields) else ()


def _path(path: str) -> str:
    """Normal form; a leading `//` is one slash here (POSIX leaves it open)."""
    return posixpath.normpath(path).replace("//", "/", 1)


def _keys(lines: Iterable[str]) -> list[str]:
    """In one order, each once, with single spaces; a line that is no key stays as it is."""
    texts = set()
    for line in lines:
        text = line.strip()
        with suppress(keys.BadKey):
            text = keys.parse(text).text()
        texts.add(text)
    return sorted(texts)


KIND = User()
