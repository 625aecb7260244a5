"""A plan in a terminal: is it safe, how many, what, why, the next step, how old. Plain text; the caller colours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..core.kind import Kinds
from ..core.model import GuardHit, Plan
from ..core.verdict import age
from . import hold, rollback, unseen, words
from .clean import clean, plural
from .plan_view import SIGNS, Diff, Group, changed_hosts, fold, groups

MOST_DIFF_LINES = 20


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How much to show."""

    summary: bool = False
    """Only the group lines."""
    full: bool = False
    """No cap on diffs and hosts."""
    by_host: bool = False
    """Ungrouped, as `--host` wants it."""
    now: float | None = None
    """For ages; None leaves them out (goldens)."""
    branch: str = "main"
    observe: bool = False
    """The fleet's mode is observe: nothing would run."""


def text(kinds: Kinds, plan: Plan, manner: Manner | None = None) -> str:
    """The whole screen, ending in a newline."""
    return "\n".join(_lines(kinds, plan, manner or Manner())) + "\n"


_COLOURS = {"+": "32", "~": "33", "-": "31", "±": "35", "✗": "1;31", "@": "36"}
"""A line's first sign → SGR (ECMA-48)."""


def painted(told: str, ink: words.Manner) -> str:
    """`told` with colours, where there are colours: by the sign that begins a line, which says the same without."""
    if not ink.colour:
        return told
    return "\n".join(ink.paint(line, _COLOURS.get(line.lstrip()[:1], "")) for line in told.split("\n"))


def _lines(kinds: Kinds, plan: Plan, manner: Manner) -> Iterator[str]:
    if not plan.changes and not plan.guards:
        yield from _nothing(plan, manner)
        return
    if not manner.summary:
        yield _headline(plan, manner)
        yield _counts(plan, manner)
        if manner.observe:
            yield "Mode observe: this is shown, nothing runs (Fleet.spec.mode in trueup.yaml)."
        yield from _put_back(plan)
        yield ""
    yield from _guards(plan)
    made = groups(kinds, plan)
    widths = _widths(made)
    for group in made:
        yield _group_line(group, widths)
        if not manner.summary:
            yield from _details(group, manner)
    if not manner.summary:
        yield ""
        yield f"  on  {fold(changed_hosts(plan), 1000 if manner.full else 8)}" + _waves(plan)
    yield from _left(plan, manner)
    yield ""
    yield _summary(plan)


def _headline(plan: Plan, manner: Manner) -> str:
    commit = plan.commit
    said = f' "{clean(commit.subject)}"' if commit.subject else ""
    by = f" ({clean(commit.author)}" if commit.author else ""
    if by and manner.now is not None and commit.at:
        by += f", {age(manner.now - commit.at)} ago"
    by += ")" if by else ""
    of = f"{manner.branch} {commit.short}" if commit.id else "files that no commit holds yet"
    return f"Plan {plan.id[:8]} of {of}{said}{by}"


def _counts(plan: Plan, manner: Manner) -> str:
    changing = changed_hosts(plan)
    changed, never = len(changing), len(plan.never_seen)
    waiting = {left.key.host for left in plan.waiting}.difference(changing)
    new = {left.key.host for left in plan.unseen}.difference(changing, waiting)
    waits = len(waiting)
    right = plan.hosts_total - changed - never - waits - len(new)
    line = f"{changed:,} of {plural(plan.hosts_total, 'host')} {'changes' if changed == 1 else 'change'}, "
    line += f"{right:,} {'is' if right == 1 else 'are'} as {'it' if right == 1 else 'they'} should be"
    if waits:
        line += f", {waits:,} {'waits' if waits == 1 else 'wait'}"
    if new:
        line += f", {len(new):,} {'has' if len(new) == 1 else 'have'} something that is not looked at yet"
    if never:
        line += f", {never:,} never looked at"
    return f"{line}.{_oldest(plan, manner)}"


def _oldest(plan: Plan, manner: Manner) -> str:
    if manner.now is None or plan.observed_at is None:
        return ""
    return f" The oldest look is {age(manner.now - plan.observed_at)} old."


def _put_back(plan: Plan) -> Iterator[str]:
    for one in plan.rolled_back:
        yield f"‖ {rollback.sentence(one.json())}"
        yield f"  next: {rollback.next_step(one.json())}"


def _nothing(plan: Plan, manner: Manner) -> Iterator[str]:
    yield from _put_back(plan)
    never = len(plan.never_seen)
    if never:
        yield f"{plural(never, 'host')} never looked at: trueup observe"
    waits = plan.waiting
    if waits:
        yield f"{hold.waiting(waits)}. Nothing else is to be done.{_oldest(plan, manner)}"
        yield from _left(plan, manner)
        return
    if plan.unseen:
        yield f"Nothing to do that is known yet: {unseen.counted(plan)}.{_oldest(plan, manner)}"
        yield from _left(plan, manner)
        return
    off = len({left.key.host for left in plan.left})
    seen = plan.hosts_total - never - off
    if plan.hosts_total == 0:
        yield "Nothing to do: no host in the repository yet. Next: add a Host manifest (trueup explain Host)."
    elif seen or off:
        verb = "is" if seen == 1 else "are"
        but = f", {plural(off, 'host')} {'has' if off == 1 else 'have'} something that is left alone" if off else ""
        yield f"Nothing to do: {plural(seen, 'host')} {verb} as {plan.commit.short} says{but}.{_oldest(plan, manner)}"
    yield from _left(plan, manner)


MOST_OF_A_RULE = 3
"""Places where one guard is met that are told one by one; of more only the number."""


def _guards(plan: Plan) -> Iterator[str]:
    for hit in plan.guards:
        if hit.approved_by:
            yield f"✓ guard {hit.rule} accepted by {clean(hit.approved_by)}: {clean(hit.message)}"
    rules: dict[tuple[str, bool], list[GuardHit]] = {}
    for hit in plan.stopped:
        rules.setdefault((hit.rule, hit.final), []).append(hit)
    for (rule, final), hits in rules.items():
        for hit in hits[:MOST_OF_A_RULE]:
            yield f"✗ STOPPED by a guard, nothing will run: {clean(hit.message)}"
        if len(hits) > MOST_OF_A_RULE:
            yield f"✗ and {plural(len(hits) - MOST_OF_A_RULE, 'place')} more where {rule} stops it"
        yield from _ways_on(plan, rule, final, hits)
        yield ""


def _ways_on(plan: Plan, rule: str, final: bool, hits: list[GuardHit]) -> Iterator[str]:
    causes = sorted(
        {clean(str(source)) if source.path else "no manifest any more" for hit in hits for source in hit.causes}
    )
    for cause in causes[:5]:
        yield f"    cause     {cause}"
    if len(causes) > 5:
        yield f"              and {len(causes) - 5} more"
    if final:
        yield "    no approval opens this guard: it is trueup's own way in"
        yield "    next      give the manifest back"
        return
    yield f"    meant     trueup apply {plan.id[:8]} --accept {rule}        (this plan only)"
    yield f"    not meant {f'git revert {plan.commit.short}' if plan.commit.id else 'undo the edit'}"


def _columns(group: Group) -> tuple[str, str, str]:
    where = str(group.first.source) if group.first.source.path else "(gone)"
    hosts = clean(group.hosts[0]) if len(group.hosts) == 1 else plural(len(group.hosts), "host")
    return hosts, f"{group.ref.kind} {clean(group.ref.name)}", clean(where)


def _widths(made: tuple[Group, ...]) -> tuple[int, ...]:
    rows = [(*_columns(group)[:2], group.what, group.why) for group in made]
    return tuple(max((len(row[i]) for row in rows), default=0) for i in range(4))


def _group_line(group: Group, widths: tuple[int, ...]) -> str:
    hosts, name, where = _columns(group)
    cells = [hosts, name, group.what, group.why]
    padded = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True) if width)
    return f"{SIGNS[group.first.action]} {padded}  {where}".rstrip()


def _details(group: Group, manner: Manner) -> Iterator[str]:
    for note in group.notes:
        yield f"    {note}"
    for diff in group.diffs:
        yield from _diff(diff, group, manner)


def _diff(diff: Diff, group: Group, manner: Manner) -> Iterator[str]:
    if not diff.lines:
        if group.first.have and diff.before != "(none)":
            yield f"    {diff.path}: {diff.before} → {diff.after}"
        else:
            yield f"    {diff.path}: {diff.after}"
        return
    alike = f"on the hosts, {len(group.hosts):,} alike" if len(group.hosts) > 1 else f"on {clean(group.hosts[0])}"
    if group.varies:
        alike = f"on {clean(group.first.key.host)}; each of the {len(group.hosts):,} hosts has its own"
    yield f"    --- {diff.path} {alike}"
    yield f"    +++ {diff.path} in Git"
    most = len(diff.lines) if manner.full else MOST_DIFF_LINES
    for line in diff.lines[:most]:
        yield f"    {line}"
    if len(diff.lines) > most:
        yield f"    … {len(diff.lines) - most} more lines (--full)"


def _waves(plan: Plan) -> str:
    return "     waves " + " → ".join(f"{len(hosts):,}" for hosts in plan.waves) if len(plan.waves) > 1 else ""


def _left(plan: Plan, manner: Manner) -> Iterator[str]:
    most = 1000 if manner.full else 8
    if plan.changes and plan.never_seen:
        yield f"? {plural(len(plan.never_seen), 'host')} never looked at, not in this plan: {fold(plan.never_seen, most)}"
    for name, why in list(plan.unreachable.items())[:most]:
        yield f"? {clean(name)} does not answer ({clean(why)}); its part is from what was known and waits"
    if len(plan.unreachable) > most:
        yield f"? and {plural(len(plan.unreachable) - most, 'host')} more that do not answer (--full)"
    signs = {"unknown": "?", "paused": "‖", "report": "≠", "refused": "✗", "backoff": "✗", "held": "‖"}
    found = unseen.things(plan)
    widths = [
        max((len(cell) for cell in cells), default=0) for cells in ([t.where for t in found], [t.what for t in found])
    ]
    for thing in found[:most]:
        cells = f"{thing.where.ljust(widths[0])}  {thing.what.ljust(widths[1])}"
        yield f"? {cells}  not looked at yet  {clean(str(thing.source))}"
    if len(found) > most:
        yield f"? and {plural(len(found) - most, 'thing')} more not looked at yet (--full)"
    if found:
        yield f"    {unseen.first(plan)}"
    listed = set(plan.unseen)
    apart = [left for left in plan.left if left.kind_of != "held" and left not in listed]
    for left in apart[:most]:
        where = f"{clean(left.key.host)}  {left.key.kind} {clean(left.key.name)}"
        yield f"{signs[left.kind_of]} {where}  left alone: {clean(left.why)}"
    if len(apart) > most:
        yield f"  … {len(apart) - most} more left alone (--full)"
    if (held := hold.of_plan(plan)) is not None:
        yield f"‖ {hold.sentence(held)}"
        yield f"    next: {hold.NEXT}"
    if plan.release:
        yield f"  {plural(len(plan.release), 'resource')} released: gone from Git, left as they are"
    if plan.unmanaged:
        yield f"  {plural(plan.unmanaged, 'unmanaged resource')} left alone"


def _summary(plan: Plan) -> str:
    from ..core.model import Action

    counts = ", ".join(
        f"{plan.count(action):,} {action.value}"
        for action in Action
        if plan.count(action) or action is not Action.REPLACE
    )
    line = f"Plan: {counts} on {plural(len(changed_hosts(plan)), 'host')}; {plan.unknown:,} unknown"
    line += f", {plan.unmanaged:,} unmanaged."
    if plan.waiting:
        line += f" {hold.waiting(plan.waiting)}."
    return line + (" STOPPED, exit 3." if plan.stopped else "")
