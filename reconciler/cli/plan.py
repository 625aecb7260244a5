"""`trueup plan`."""

from __future__ import annotations

import gc
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from . import _complete, exits
from ._show import Color, ColorOption, PagerOption, manner, paged


class Format(str, Enum):
    text = "text"
    json = "json"
    md = "md"
    playbook = "playbook"


def plan(
    repo: Annotated[
        Path | None, typer.Argument(help="The repository or folder; here, or the daemon's, by default.")
    ] = None,
    rev: Annotated[
        str, typer.Option(help="The commit to plan, as git spells revisions.", autocompletion=_complete.revisions)
    ] = "",
    base: Annotated[
        str, typer.Option(help="Show only what changes against this commit.", autocompletion=_complete.revisions)
    ] = "",
    observed: Annotated[Path | None, typer.Option(help="Observed state from this YAML file: no fleet needed.")] = None,
    host: Annotated[str, typer.Option(help="Only this host.", autocompletion=_complete.hosts)] = "",
    kind: Annotated[str, typer.Option(help="Only this kind.", autocompletion=_complete.kinds)] = "",
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.text,
    summary: Annotated[bool, typer.Option("--summary", help="Only the lines of the groups.")] = False,
    full: Annotated[bool, typer.Option("--full", help="No cap on diffs and lists.")] = False,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit 0 when there are changes.")] = False,
    color: ColorOption = Color.auto,
    no_pager: PagerOption = False,
) -> int:
    """Show what would change on the hosts, and why. Changes nothing and asks no host.

    Exits 2 when there are changes, those that wait (for a retry, a wave that failed, a pause)
    and what is not looked at yet (new in Git, or read otherwise since an upgrade) among them.

    Examples:

      trueup plan

      trueup plan . --rev HEAD --base origin/main --format md

      trueup plan example-repo --observed seen.yaml
    """
    # A plan of a large fleet is millions of objects without a circle among them: looking for circles takes as long as it.
    gc.disable()
    from ..acts.planning import planned
    from ..settings import load
    from ..tell import plan_json, plan_md, plan_text, problems
    from ..tell.clean import plural
    from ..tell.plan_view import not_checked, only

    settings = load()
    made = planned(settings, repo, rev, base, observed, whole=format is Format.playbook)
    if made.problems:
        errors = [problem for problem in made.problems if problem.severity == "error"]
        print(problems.text(made.problems, made.files), end="", file=sys.stderr)
        if errors:
            return exits.ERROR
    assert made.plan is not None and made.desired is not None
    made.known(host=host, kind=kind)
    shown = only(made.plan, host=host, kind=kind)
    if format is Format.json:
        print(plan_json.text(made.kinds, shown), end="")
    elif format is Format.md:
        checked = not_checked(made.unchecked) if made.unchecked else ""
        fleet = made.desired.policy.name
        print(plan_md.text(made.kinds, shown, pending=made.pending, base=base, checked=checked, fleet=fleet), end="")
    elif format is Format.playbook:
        print(made.playbook(shown), end="")
    else:
        form = plan_text.Manner(
            summary=summary,
            full=full,
            by_host=bool(host),
            now=made.now if observed is None else None,
            branch=settings.branch,
            observe=made.desired.policy.mode != "enforce",
        )
        told = plan_text.text(made.kinds, shown, form)
        if made.unchecked:
            told += not_checked(made.unchecked) + ".\n"
        if made.pending:
            told += f"{plural(made.pending, 'change')} pending anyway, not from here.\n"
        paged(plan_text.painted(told, manner(color)), no_pager)
    if shown.stopped:
        return exits.STOPPED
    waiting = shown.changes or shown.waiting or shown.unseen or (shown.never_seen and observed is None)
    return exits.CHANGES if waiting and not exit_zero else exits.OK
