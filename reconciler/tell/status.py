"""`trueup status`: is it safe or broken, how many, what, why, the next step, how old; of the fleet and of one host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..core.model import Json
from . import fields, history, hold, rollback
from .clean import clean, plural
from .words import SYMBOLS, Manner, ago, clock, short, stamp, table

Answer = Mapping[str, Json]


def fleet(answer: Answer, manner: Manner, *, all_: bool = False) -> str:
    """The fleet's screen."""
    return manner.write(_fleet(answer, manner, all_))


def _fleet(answer: Answer, manner: Manner, all_: bool) -> Iterator[str]:
    commit, now = answer["commit"], answer["now"]
    head = f"{manner.bold(clean(answer['fleet']))}  {clean(answer['branch'])} {short(commit['id']) if commit['id'] else ''}"
    if commit["id"]:
        head += f' "{clean(commit["subject"])}" ({clean(commit["author"])}, {clock(commit["at"], now)})'
    if answer.get("nextLook"):
        head += f"   next look {clock(answer['nextLook'], now)}"
    yield head.rstrip()
    yield from _notes(answer, manner)
    if not answer["total"]:
        if commit["id"]:
            yield "No host yet: the repository declares no host. Next: add a `kind: Host` document and push."
        elif not answer.get("refusal"):  # what could not be read may have commits
            yield "No host yet: the repository has no commit. Next: trueup init my-fleet, then git push."
        return
    yield counts(answer["counts"], answer["total"], manner)
    rows = answer["hosts"]
    calm = answer["counts"]["Converged"]
    if not rows:
        yield f"Every host is as {short(commit['id'])} says, seen {clock(answer['oldestLook'], now)}."
        return
    yield from host_table(rows, now, manner)
    left = []
    if answer["more"]:
        left.append(f"… {answer['more']:,} more (--all).")
    if calm and not all_:
        left.append(f"{calm:,} Converged not shown.")
    if left:
        yield " ".join(left)


def _notes(answer: Answer, manner: Manner) -> Iterator[str]:
    tip, branch, held = answer["tip"], clean(answer["branch"]), short(answer["commit"]["id"])
    if tip and tip["standing"] == "refused":
        what = plural(int(tip["errors"]), "error")
        text = f"! {branch} is at {short(tip['id'])} with {what}; held to {held}"
        yield f"{manner.paint(text, '31')}       trueup check --rev {short(tip['id'])}"
    elif tip and tip["standing"] == "stopped":
        text = f"! {branch} is at {short(tip['id'])}, stopped by a guard; held to {held}"
        yield f"{manner.paint(text, '31')}       trueup plan"
    elif tip and tip["standing"] == "new":
        yield f"{branch} is at {short(tip['id'])}, not read yet; held to {held}"
    for problem in answer.get("refusal", ()):
        yield manner.paint(f"! Nothing is looked at or changed: {clean(problem['message'])}", "31")
        if problem["hint"]:
            yield f"  next: {clean(problem['hint'])}"
    if answer.get("fetchTrouble") and not answer.get("refusal"):  # which says it, where nothing was fetched yet
        text = f"! The repository can't be fetched, what was fetched before holds: {clean(answer['fetchTrouble'])}"
        yield manner.paint(text, "33")
    for problem in answer.get("content", ()):
        yield manner.paint(f"! Content from outside: {clean(problem['message'])}", "33")
        if problem["hint"]:
            yield f"  next: {clean(problem['hint'])}"
    if answer.get("stale"):
        text = f"! trueup has not looked since {clock(answer['newestLook'], answer['now'])}"
        yield f"{manner.paint(text, '31')}       trueup serve, or trueup observe"
    elif answer["total"] and answer["nextLook"] is None:
        yield "No daemon runs, so nobody looks by itself: trueup observe looks now, trueup serve goes on looking."
    if answer.get("hold"):
        yield manner.paint(f"{manner.symbol('Paused')} {hold.sentence(answer['hold'])}", "31")
        yield f"  next: {hold.NEXT}"
    if answer.get("mode") == "observe":
        yield "Mode observe: differences are shown and left. To change that: `mode: enforce` in trueup.yaml."
    if answer.get("neverSeen"):
        yield f"{plural(int(answer['neverSeen']), 'host')} never looked at: trueup observe"
    for one in answer.get("rollbacks", ()):
        yield f"{manner.symbol('Paused')} {rollback.sentence(one)}"
        yield f"  next: {rollback.next_step(one)}"
    for pause in answer.get("pauses", ()):
        yield (
            f"{manner.symbol('Paused')} {clean(pause['selector'])} paused by {clean(pause['who'])} until "
            f"{clock(pause['until'], answer['now'])}: {clean(pause['why'])}"
        )
    left = answer.get("left") or []
    if left:
        shown = ", ".join(clean(host) for host in left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        yield f"Left the fleet, with things of trueup's still on them: {shown}. To clean one: trueup forget HOST"


def counts(found: Mapping[str, int], total: int, manner: Manner) -> str:
    """`✗ 2 Failed   ? 2 Unknown … of 418`, none left out, so that they add up."""
    parts = []
    for word in SYMBOLS:
        text = f"{manner.symbol(word)} {found.get(word, 0):,} {word}"
        parts.append(manner.paint(text, SYMBOLS[word][2]) if found.get(word) else manner.soft(text))
    return "   ".join(parts) + f"   of {total:,}"


def host_table(rows: Sequence[Answer], now: Json, manner: Manner) -> Iterator[str]:
    cells = [("HOST", "VERDICT", "FOR", "SEEN", "COMMIT", "WHY")]
    for row in rows:
        verdict = f"{manner.symbol(row['verdict'])} {row['verdict']}"
        seen = ago(row["seenAt"], now) or "never"
        commit = short(row["commit"]) if row["commit"] else "-"
        cells.append((clean(row["host"]), verdict, ago(row["since"], now) or "-", seen, commit, clean(row["why"])))
    for one, line in zip([None, *rows], table(cells), strict=True):
        text = manner.fit(line)
        if one is not None and manner.colour:
            word = f"{manner.symbol(one['verdict'])} {one['verdict']}"
            text = text.replace(word, manner.verdict(one["verdict"]), 1)
        yield text if one is not None else manner.soft(text)


# ---------------------------------------------------------------- one host


def host(answer: Answer, manner: Manner, *, full: bool = False) -> str:
    """One host's screen."""
    return manner.write(_host(answer, manner, full))


def headline(answer: Answer, manner: Manner) -> Iterator[str]:
    """`web-119  ✗ Failed for 1 min · seen 12 s ago · on 8d21f0c, wanted e4a7d10`, and why."""
    now = answer["now"]
    parts = [manner.verdict(answer["verdict"])]
    if ago(answer["since"], now):
        parts[0] += f" for {ago(answer['since'], now)}"
    parts.append(f"seen {ago(answer['seenAt'], now)} ago" if answer["seenAt"] else "never looked at")
    wanted = answer["wanted"]["id"]
    if answer["commit"] == wanted and wanted:
        parts.append(f"on {short(wanted)}")
    elif wanted:
        on = f"on {short(answer['commit'])}, " if answer["commit"] else ""
        parts.append(f"{on}wanted {short(wanted)}")
    yield f"{manner.bold(clean(answer['host']))}  " + " · ".join(parts)
    if answer["why"] and answer["verdict"] != "Converged":
        yield f"  {clean(answer['why'])}"


def _host(answer: Answer, manner: Manner, full: bool) -> Iterator[str]:
    now = answer["now"]
    yield from headline(answer, manner)
    if answer["next"]:
        yield f"  next: {clean(answer['next'])}"
    if answer["paused"]:
        pause = answer["paused"]
        yield f"  paused by {clean(pause['who'])} until {clock(pause['until'], now)}: {clean(pause['why'])}"
    labels = ", ".join(f"{clean(key)}={clean(str(text))}" for key, text in sorted(answer["labels"].items()))
    yield f"  address {clean(answer['address'])} · mode {answer['mode']}" + (f" · {labels}" if labels else "")
    facts = answer["facts"]
    told = [f"{name} {clean(str(facts[name]))}" for name in ("os", "kernel", "python") if facts.get(name)]
    if told:
        yield "  " + " · ".join(told)
    yield ""
    yield f"Resources {counts(answer['counts'], answer['total'], manner)}"
    yield from resources(
        [one for one in answer["resources"] if one["verdict"] != "Converged" or full], now, manner, full
    )
    if answer["more"]:
        yield f"… {answer['more']:,} more"
    if answer["unmanaged"]:
        yield f"  {plural(len(answer['unmanaged']), 'unmanaged resource')} seen and left alone"
    if answer["events"]:
        yield ""
        yield "Lately"
        yield from history.lines(answer["events"][: 20 if full else 5], manner, with_host=False)
        yield manner.soft(f"All of it: trueup history --host {clean(answer['host'])}")


def resources(rows: Sequence[Answer], now: Json, manner: Manner, full: bool = False) -> Iterator[str]:
    """Resources, worst first, each with what differs and where it was declared."""
    for row in rows:
        line = f"{manner.verdict(row['verdict'], 13)} {clean(row['kind'])} {clean(row['name'])}"
        if row["why"]:
            line += f": {clean(row['why'])}"
        if row["since"] and row["verdict"] != "Converged":
            line += f" ({ago(row['since'], now)})"
        yield line
        if row["verdict"] != "Converged":
            yield from fields.lines(
                row["fields"], manner, indent="    ", before="on the host", after="in Git", full=full
            )
            origin = where(row)
            if origin:
                yield f"    {manner.soft(origin)}"
        if row.get("nextTry"):
            yield f"    failed {plural(int(row['tries']), 'time')}; next try {clock(row['nextTry'], now)}"


def where(row: Answer) -> str:
    """`files/motd.yaml:7 e4a7d10 Ada`."""
    source = row["source"]
    if not source:
        return ""
    parts = [f"{clean(source['path'])}:{source['line']}"]
    if source.get("commit"):
        parts.append(short(source["commit"]))
    if source.get("author"):
        parts.append(clean(source["author"]))
    return " ".join(parts)


__all__ = ["counts", "fleet", "headline", "host", "host_table", "resources", "stamp", "where"]
