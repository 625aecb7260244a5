"""Which calls take an account from what it is to what it should be, and away.

The stock `user` module does what usermod and userdel do; it gets only what differs. Four things are not its: a new
account, which it makes at several times the price of useradd (op.py; `plain_tasks` gives the stock task); the key file, written as the user, so that nothing a user put in the way can lead root elsewhere; the sudo rule; and
the password hash, which the module would hand to usermod in its arguments, where `ps` shows it.
"""

from __future__ import annotations

from typing import Any

from ...core.model import Action, Change, Json, Op, Present, State
from . import keys, sudoers

USER_MODULE = "ansible.builtin.user"
PUT = "trueup.host.put"
OWN = "trueup.user.op"

NO_PASSWORD = "*"  # noqa: S105 - what stands in shadow when no password fits
"""Not `!`, which sshd without PAM takes for a locked account and lets no key in either (sshd(8), Login process)."""

EXPIRED = 86400
"""2 January 1970: shadow(5) warns of day 0, which some read as no expiry."""
OPEN = -1

PLAIN_FIELDS = ("uid", "group", "groups", "shell", "home", "comment")
NOWHERE = "/nonexistent"


def usual_home(name: str) -> str:
    """Where a home is when nobody says otherwise."""
    return "/root" if name == "root" else f"/home/{name}"


def authorized_keys(home: str) -> str:
    return f"{home.rstrip('/')}/.ssh/authorized_keys"


def of(change: Change) -> tuple[Op, ...]:
    """The ops of a change, in order."""
    if change.want is None:
        return _leave(change)
    return _make(change) if change.action is Action.CREATE else _mend(change, change.want.spec)


def makes_home(change: Change) -> bool:
    """Whether the change makes the home directory if it is missing."""
    if change.want is None:
        return False
    spec = change.want.spec
    moved = any(item.path == "home" for item in change.fields)
    wanted = bool(spec.get("sshKeys")) or (not spec.get("system", False) and (change.action is Action.CREATE or moved))
    return wanted and _home(change, spec) != NOWHERE


def _state(change: Change) -> State:
    return change.have.state if isinstance(change.have, Present) else {}


def _home(change: Change, spec: State) -> str:
    """Where the home is, or will be. Nothing is written through a symlink, so the real place counts."""
    state = _state(change)
    home: str = spec.get("home") or state.get("home") or usual_home(change.key.name)
    return str(state.get("homeReal", home)) if home == state.get("home") else home


def _make(change: Change) -> tuple[Op, ...]:
    assert change.want is not None
    name, spec = change.key.name, change.want.spec
    account: dict[str, Any] = {
        "system": spec.get("system", False),
        "create_home": makes_home(change),
        **{field: spec[field] for field in PLAIN_FIELDS if field in spec},
    }
    if spec.get("sshKeys"):
        account.setdefault("home", usual_home(name))
    made = [Op(module=OWN, args={"name": name, "create": account}, title=f"create account {name}")]
    if "passwordHash" in spec:
        made += _password(name, spec)
    if "sshKeys" in spec:
        made += _keys(name, _home(change, spec), spec["sshKeys"], backup=True)
    # A file that an account of this name left behind would come alive again.
    made += _sudo(name, spec.get("sudo", "none"))
    return tuple(made)


def _mend(change: Change, spec: State) -> tuple[Op, ...]:
    name = change.key.name
    differing = {item.path for item in change.fields}
    plain = [field for field in PLAIN_FIELDS if field in differing]
    args: dict[str, Any] = {
        "name": name,
        "state": "present",
        "create_home": makes_home(change),
        **{field: spec[field] for field in plain},
    }
    if "home" in plain:
        args["move_home"] = True
    if "groups" in plain:
        args["append"] = False
    if "locked" in differing:
        args |= {"expires": OPEN, "password_lock": False}
    made: list[Op] = []
    needs_home = "sshKeys" in differing and args["create_home"] and _state(change).get("homeMissing")
    if plain or "locked" in differing or needs_home:
        what = ", ".join([*plain, *(["unlock"] if "locked" in differing else []), *(["home"] if needs_home else [])])
        made.append(Op(module=USER_MODULE, args=args, title=f"change account {name}: {what}"))
    if "passwordHash" in differing:
        made += _password(name, spec)
    if "sshKeys" in differing:
        made += _keys(name, _home(change, spec), spec["sshKeys"], backup=change.owned is None)
    if "sudo" in differing:
        made += _sudo(name, spec["sudo"])
    return tuple(made)


def _leave(change: Change) -> tuple[Op, ...]:
    """Lock first: whatever fails after it, nobody logs in any more."""
    name, state = change.key.name, _state(change)
    made: list[Op] = []
    if not state.get("locked", False):
        lock = {"name": name, "state": "present", "create_home": False, "password_lock": True, "expires": EXPIRED}
        made.append(Op(module=USER_MODULE, args=lock, title=f"lock account {name}"))
    if state.get("sudo", "none") != "none":
        made += _sudo(name, "none")
    if change.on_remove == "lock":
        if state.get("sshKeys"):
            made += _keys(name, _home(change, {}), [], backup=False)
        return tuple(made)
    # userdel leaves the crontab, which would run again for the next account of this name.
    crontab = f"/var/spool/cron/crontabs/{name}"
    made.append(Op(module=PUT, args={"path": crontab, "state": "absent"}, title=f"remove {crontab}"))
    gone = {"name": name, "state": "absent", "remove": change.on_remove == "removeWithHome", "force": False}
    made.append(Op(module=USER_MODULE, args=gone, title=f"remove account {name}"))
    return tuple(made)


def _keys(name: str, home: str, lines: list[str], *, backup: bool) -> list[Op]:
    path = authorized_keys(home)
    if not lines:
        gone = {"path": path, "state": "absent", "run_as": name, "keep_backup": backup}
        return [Op(module=PUT, args=gone, title=f"remove {path}")]
    folder = {"path": path.rpartition("/")[0], "state": "directory", "mode": "0700", "run_as": name}
    content = "".join(f"{line}\n" for line in lines)
    file = {
        "path": path,
        "state": "file",
        "content": content,
        "mode": "0600",
        "run_as": name,
        "keep_backup": backup,
    }
    return [
        Op(module=PUT, args=folder, title=f"make {folder['path']}"),
        Op(module=PUT, args=file, title=f"write {path}"),
    ]


def _sudo(name: str, sudo: Json) -> list[Op]:
    path = sudoers.path_of(name)
    if sudo == "none":
        return [Op(module=PUT, args={"path": path, "state": "absent"}, title=f"remove {path}")]
    file = {
        "path": path,
        "state": "file",
        "content": sudoers.text_of(name, sudo),
        "owner": "root",
        "group": "root",
        "mode": sudoers.MODE,
        "validate": sudoers.VALIDATE,
    }
    return [Op(module=PUT, args=file, title=f"write {path}")]


def _password(name: str, spec: State) -> list[Op]:
    args = {"name": name, "password": spec["passwordHash"]}
    return [Op(module=OWN, args=args, title=f"set the password of {name}")]


def plain_tasks(op: Op) -> tuple[dict[str, Json], ...]:
    """The same by stock modules: the account by `user`; the password by chpasswd, as op.py does, which reads it from its
    standard input where usermod would have it among its arguments. A colon or a line break would be another account's line."""
    if op.module != OWN:
        raise ValueError(f"{op.module} is none of this kind's ops")
    name = op.args["name"]
    if "create" in op.args:
        account = {"name": name, "state": "present", **op.args["create"]}
        return ({USER_MODULE: {**account, "password": NO_PASSWORD, "update_password": "on_create"}},)
    wanted = op.args["password"]
    line = f"{name}:{wanted}" if isinstance(wanted, str) else {"join": [f"{name}:", wanted]}
    fits = {"that": ["trueup_hash is not search('[:\\r\\n]')"], "quiet": True, "fail_msg": "a hash holds no colon"}
    return (
        {"ansible.builtin.assert": fits, "vars": {"trueup_hash": wanted}, "no_log": True},
        {
            "ansible.builtin.command": {"argv": ["chpasswd", "-e"], "stdin": line},
            "changed_when": True,
            "no_log": True,
        },
    )


__all__ = ["authorized_keys", "keys", "makes_home", "of", "plain_tasks", "usual_home"]
