"""A plan as a comment on a pull request: headline first, a table, then folds; never more than a forge takes.

A forge cuts or refuses what is too long (65,536 characters on the smallest), so bodies are cut here, never the table,
and what was cut is said. Text from the repository is escaped: it may not mention people or break out of a fence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..core.kind import Kinds
from ..core.model import Action, Plan
from . import hold, rollback, unseen
from .clean import clean, plural
from .plan_view import SIGNS, Group, changed_hosts, fold, groups

MARKER = "<!-- trueup plan -->"
"""By this a bot finds its own older comment and edits it in place."""
MOST = 60_000
MOST_ROWS = 50


def text(kinds: Kinds, plan: Plan, *, pending: int = 0, base: str = "", checked: str = "", fleet: str = "") -> str:
    """`pending` changes stand in the base already; `base` is its short id; `checked` warns of unchecked secrets."""
    made = groups(kinds, plan)
    head = [MARKER, *_headline(plan, fleet), "", *_table(made, plan), ""]
    if len(plan.waves) > 1:
        head.append("Waves " + " → ".join(f"{len(hosts):,}" for hosts in plan.waves) + ".")
    if plan.never_seen:
        head.append(
            f"Not planned: {plural(len(plan.never_seen), 'host')} never looked at ({esc(fold(plan.never_seen))})."
        )
    if plan.unreachable:
        head.append(f"From what was known: {plural(len(plan.unreachable), 'host')} without an answer now.")
    if plan.waiting:
        head.append(esc(hold.waiting(plan.waiting)) + ".")
    head += [esc(rollback.sentence(one.json())) + "." for one in plan.rolled_back]
    if checked:
        head.append(esc(checked))
    foot = _foot(plan, pending, base)
    room = MOST - sum(len(line) + 1 for line in [*head, *foot])
    body: list[str] = []
    cut = 0
    for fold_lines in _folds(made, plan):
        size = sum(len(line) + 1 for line in fold_lines)
        if size <= room:
            body += fold_lines
            room -= size
        else:
            cut += 1
    if cut:
        body.append(f"{plural(cut, 'diff')} cut for length: `trueup plan --full` shows all.")
    return "\n".join([*head, *body, *foot]) + "\n"


def _headline(plan: Plan, fleet: str) -> Iterator[str]:
    name = f"trueup {esc(fleet)}" if fleet else "trueup"
    hosts = changed_hosts(plan)
    stops = len(plan.stopped)
    if not plan.changes:
        if plan.unseen:
            yield f"### ? {name}: {unseen.counted(plan)}"
            yield f"What they need shows when it is merged: {unseen.FIRST}."
            return
        yield f"### ‖ {name}: nothing changes yet" if plan.waiting else f"### ✓ {name}: nothing changes"
        return
    sign = "✗" if stops else "✓"
    stopped = f", {plural(stops, 'guard')} {'stops' if stops == 1 else 'stop'} it" if stops else ""
    yield f"### {sign} {name}: {plural(len(hosts), 'host')} {'changes' if len(hosts) == 1 else 'change'}{stopped}"
    for hit in plan.stopped:
        end = "Nobody can accept this." if hit.final else "Nothing runs on merge until somebody accepts this plan."
        yield f"{esc(hit.message)}. {end}"


def _table(made: Sequence[Group], plan: Plan) -> Iterator[str]:
    new = unseen.things(plan)
    if not made and not new:
        return
    yield "| | hosts | what | where | touches |"
    yield "|---|---:|---|---|---|"
    for group in made[:MOST_ROWS]:
        what = f"{group.ref.kind} {group.ref.name}" + (f" ({group.what})" if group.what else "")
        touches = ", ".join(f"**{facet}**" if facet == "access" else facet for facet in group.facets)
        action = f"{SIGNS[group.first.action]} {group.first.action.value}"
        where = str(group.first.source) if group.first.source.path else "gone"
        yield f"| {action} | {len(group.hosts):,} | {esc(what)} | {esc(where)} | {touches} |"
    if len(made) > MOST_ROWS:
        yield f"| | | and {len(made) - MOST_ROWS:,} more | | |"
    for thing in new[:MOST_ROWS]:
        yield f"| ? not looked at | {len(thing.hosts):,} | {esc(thing.what)} | {esc(str(thing.source))} | |"
    if len(new) > MOST_ROWS:
        yield f"| ? | | and {len(new) - MOST_ROWS:,} more not looked at | | |"


def _folds(made: Sequence[Group], plan: Plan) -> Iterator[list[str]]:
    for group in made:
        lines = [line for diff in group.diffs for line in diff.lines]
        short = [f"{diff.path}: {diff.before} → {diff.after}" for diff in group.diffs if not diff.lines]
        if group.first.action is Action.CREATE and not lines:
            continue
        if not lines and not short and not group.notes:
            continue
        alike = f", alike on {plural(len(group.hosts), 'host')}" if len(group.hosts) > 1 else f" on {group.hosts[0]}"
        if group.varies:
            alike = f" on {group.first.key.host}; each of {len(group.hosts):,} hosts has its own"
        plus = sum(1 for line in lines if line.startswith("+"))
        minus = sum(1 for line in lines if line.startswith("-"))
        count = f" (+{plus} -{minus})" if lines else ""
        fence = "`" * max(3, *(len(run) + 1 for line in lines for run in _runs(line)), 3)
        shown = [f"<details><summary>{esc(group.ref.kind)} {esc(group.ref.name)}{esc(alike)}{count}</summary>", ""]
        shown += [esc(note) for note in group.notes]
        if lines or short:
            shown += ["", fence + "diff", *short, *lines, fence]
        yield [*shown, "</details>", ""]
    for number, hosts in enumerate(plan.waves, 1):
        if len(plan.waves) > 1 or len(hosts) > 1:
            yield [
                f"<details><summary>Wave {number}: {plural(len(hosts), 'host')}</summary>",
                "",
                esc(" ".join(hosts)),
                "</details>",
                "",
            ]


def _runs(line: str) -> Iterator[str]:
    run = ""
    for char in line + " ":
        if char == "`":
            run += char
        elif run:
            yield run
            run = ""


def _foot(plan: Plan, pending: int, base: str) -> list[str]:
    lines = []
    if pending:
        lines.append(f"Pending anyway, not from this change: {plural(pending, 'change')}.")
    onto = f" against {esc(base)}" if base else ""
    lines.append(f"<sub>Plan {plan.id[:8]} of {esc(plan.commit.short)}{onto}</sub>")
    return lines


def esc(text: str) -> str:
    """Text of the repository, harmless in Markdown and HTML: no mention, no link, no tag, no table cell."""
    safe = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for char in "\\`*_{}[]|#!":
        safe = safe.replace(char, "\\" + char)
    return safe.replace("@", "@\u200b")
