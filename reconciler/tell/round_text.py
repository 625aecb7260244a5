"""How acts end, in a few lines for people."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.model import Json
from . import hold, words
from .clean import clean, plural


def applied(answer: Mapping[str, Json]) -> str:
    """The end of `trueup apply`."""
    commit = str(answer["commit"])[:7]
    match answer["outcome"]:
        case "nothing":
            lines = [f"Nothing to do: the fleet is as {commit} says."]
        case "converged":
            lines = [f"✓ Converged on {commit}: {plural(int(answer['changed']), 'change')} made and read again."]
        case "stopped":
            lines = [f"✗ STOPPED by a guard: {clean(str(guard['message']))}" for guard in answer["guards"]]
            rules = sorted({str(guard["rule"]) for guard in answer["guards"]})
            lines.append(f"    meant     trueup apply {str(answer['plan'])[:8]} --accept {' --accept '.join(rules)}")
            lines.append("    not meant git revert, or give the manifests back: trueup plan shows which")
        case "running":
            lines = [f"▸ {plural(int(answer['pending']), 'change')} still to make; trueup status shows why."]
        case "observe":
            shown = plural(int(answer["pending"]), "change")
            lines = [f"Mode observe: {shown} shown, nothing runs (Fleet.spec.mode in trueup.yaml)."]
        case "unknown":
            lines = [f"? Not known to be as {commit} says: something can't be read."]
        case "away":
            away, hosts = len(answer["unreachable"]), plural(int(answer["hosts"]), "host")
            lines = [f"? {away:,} of {hosts} without an answer; {int(answer['converged']):,} converged on {commit}."]
        case _:
            lines = [f"✗ Not all of {commit} could be applied."]
    for left in answer["left"][:20]:
        lines.append(f"  {clean(left['host'])}  {left['kind']} {clean(left['name'])}: {clean(left['why'])}")
    if held := answer.get("hold"):
        lines += [f"‖ {hold.sentence(held)}", f"  next: {hold.NEXT}"]
    silent = list(answer["unreachable"].items())
    lines += [f"? {clean(host)}: {clean(str(why))}" for host, why in silent[:20]]
    if len(silent) > 20:
        lines.append(f"? and {plural(len(silent) - 20, 'host')} more without an answer")
    if answer["outcome"] == "away":
        lines.append("  next: they follow when they answer; trueup doctor HOST looks at the way")
    return "\n".join(lines) + "\n"


def observed(answer: Mapping[str, Json]) -> str:
    """The end of `trueup observe`."""
    troubles = answer["troubles"]
    looked = len(answer["hosts"]) - len(troubles)
    lines = [f"{plural(looked, 'host')} looked at; {plural(int(answer['changes']), 'change')} to make: trueup plan"]
    lines += [f"? {clean(host)}: {clean(str(why))}" for host, why in troubles.items()]
    return "\n".join(lines) + "\n"


def paused(answer: Mapping[str, Json]) -> str:
    return (
        f"‖ {plural(len(answer['hosts']), 'host')} paused until {words.stamp(answer['until'])}: {clean(str(answer['why']))}\n"
        f"  next: trueup resume {clean(str(answer['selector']))!r} ends it\n"
    )


def resumed(answer: Mapping[str, Json]) -> str:
    ended = int(answer["ended"])
    if not ended:
        return f"No pause was given with {clean(str(answer['selector']))!r}: trueup status lists them.\n"
    return f"{plural(ended, 'pause')} ended.\n"


def forgotten(answer: Mapping[str, Json]) -> str:
    host = clean(str(answer["host"]))
    if answer["trouble"]:
        return f"? {host} could not be visited: {clean(str(answer['trouble']))}\n"
    lines = [f"- {entry['kind']} {clean(entry['name'])}  {entry['how']}" for entry in answer["things"]]
    if answer["done"]:
        lines.append(f"{host}: {plural(len(answer['things']), 'thing')} removed or released, trueup's own file too.")
    else:
        lines.append(f"Nothing was done. Next: trueup forget {host} --yes")
    lines += [f"✗ {clean(str(why))}" for why in answer["failed"]]
    if answer["declared"]:
        lines.append(f"! {host} is still in Git, and is made anew once looked at: remove its Host there, and push")
    return "\n".join(lines) + "\n"


def reborn(answer: Mapping[str, Json]) -> str:
    """The end of `trueup reborn`."""
    host, owned = clean(str(answer["host"])), plural(int(answer["owned"]), "thing")
    if not answer["done"]:
        lines = [f"{host}: {clean(str(answer['trouble'])) or 'no trouble is known'}"]
        lines.append(f"  {owned} of the old machine would no longer be owned; all of it would be looked at anew")
        lines.append(f"Nothing was done. Next: trueup reborn {host} --yes")
    else:
        lines = [f"{host} starts afresh: {owned} forgotten, {plural(int(answer['pins']), 'pinned key')} taken out."]
        if answer["committed"]:
            lines.append(f"  its keys are committed: trueup host-keys {host} prints the new lines for hostKeys")
        lines.append(f"  next: trueup sync --host {host}")
    return "\n".join(lines) + "\n"
