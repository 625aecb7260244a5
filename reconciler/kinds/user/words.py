"""What a change of an account means, for people."""

from __future__ import annotations

from ...core.model import Action, Change, Present


def notes(change: Change) -> tuple[str, ...]:
    """A line or two, most important first."""
    state = change.have.state if isinstance(change.have, Present) else {}
    if change.want is None:
        return _leaving(change.on_remove, state.get("home", "its home"))
    said = []
    fields = {item.path: item for item in change.fields}
    if "locked" in fields and change.action is not Action.CREATE:
        said.append("unlocked: the account had been expired and its password locked")
    if "sudo" in fields and fields["sudo"].after == "all":
        said.append("may do everything as root, without a password")
    if "home" in fields and change.action is not Action.CREATE:
        said.append(f"what is in {fields['home'].before} moves to {fields['home'].after}")
    return tuple(said)


def _leaving(how: str, home: str) -> tuple[str, ...]:
    match how:
        case "lock":
            return (f"account locked, its keys and sudo rule removed; {home} stays (onRemove: lock)",)
        case "remove":
            return (f"account, crontab and sudo rule removed; {home} stays (onRemove: remove)",)
        case _:
            return (f"account, crontab and sudo rule removed, {home} with all that is in it (onRemove: {how})",)
