"""The answers of `trueup state`, in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .clean import clean, plural


def size(count: int) -> str:
    """`812 B`, `4.3 MB`: powers of 1,000, as disks are sold."""
    if count < 1000:
        return f"{count} B"
    for unit in ("kB", "MB", "GB"):
        count_ = count / 1000
        if count_ < 1000 or unit == "GB":
            return f"{count_:.1f} {unit}"
        count = round(count_)
    raise AssertionError("the last unit takes all")


def saved(answer: Mapping[str, Any]) -> str:
    return (
        f"saved {answer['path']}: {size(answer['size'])}, {plural(answer['rows'], 'row')}, as of {answer['at']}\n"
        f"      sha256 {answer['sha256']}\n"
        "next: keep it on another machine, with fleet.key and known_hosts of stateDir; test it: "
        f"trueup state verify {answer['path']}\n"
    )


def restored(answer: Mapping[str, Any]) -> str:
    lines = [f"restored {answer['path']} from {answer['from']}: {plural(answer['hosts'], 'host')}"]
    if answer["kept"]:
        lines.append(f"         the state of before is kept: {answer['kept']}")
    if not answer["key"]:
        lines.append("         there is no fleet.key beside it: give that back too, or every secret looks changed once")
    lines.append("next: start the daemon; it looks at every host before it changes any")
    return "\n".join(lines) + "\n"


def verified(answer: Mapping[str, Any]) -> str:
    broken = [check for check in answer["checks"] if check["broken"]]
    lines = []
    for check in broken:
        lines.append(f"✗ {check['check']}: {plural(check['broken'], 'breach', 'breaches')}")
        lines += [f"    {clean(example)}" for example in check["examples"]]
    lines.append(f"{answer['path']}: {plural(len(answer['checks']), 'check')}, {len(broken)} broken")
    if broken:
        lines.append(
            "next: trueup state restore a backup; or put the file aside and start again: ownership is read back"
        )
    return "\n".join(lines) + "\n"


def compacted(answer: Mapping[str, Any]) -> str:
    lines = [f"compacted {answer['path']}: {size(answer['before'])} → {size(answer['after'])}"]
    gone = sum(answer["gone"].values())
    words = plural(gone, "row") if gone else "nothing"
    lines.append(
        f"          {words} dropped: older than {answer['historyDays']:g} days, or named by nothing; {plural(answer['rows'], 'row')} stay"
    )
    return "\n".join(lines) + "\n"


__all__ = ["compacted", "restored", "saved", "size", "verified"]
