"""`trueup service`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from . import exits


class Act(str, Enum):
    install = "install"
    uninstall = "uninstall"
    status = "status"


def service(
    act: Annotated[Act, typer.Argument(help="What to do.")],
    repo: Annotated[str, typer.Option(help="install: the repository, for a server.yaml that is written anew.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")] = False,
    start: Annotated[bool, typer.Option("--start/--no-start", help="install: enable and (re)start it, too.")] = True,
) -> int:
    """Make trueup a service of this machine, run by systemd as a user of its own, shut in as far as its work allows.

    install: the user trueup, /etc/trueup/server.yaml (kept if it is there), the unit, the command in /usr/local/bin, man
    pages and completions; state goes to /var/lib/trueup, logs to the journal. Done again it brings an upgrade in.
    uninstall: takes all of that away but what holds data. status: 0 when it runs, 1 when it doesn't.

    Examples:

      trueup service install --dry-run

      sudo trueup service install --repo git@git.example.org:fleet.git

      trueup service status
    """
    from ..install import service as its
    from ..install.service import Step

    if act is Act.status:
        active, lines = its.status()
        print("\n".join(lines))
        return exits.OK if active else exits.ERROR
    if not dry_run:
        its.need_root(act.value)

    def walk(step: Step) -> None:
        if step.act is None:
            print(f"  {step.says}")
            return
        print(f"{'would: ' if dry_run else ''}{step.says}", flush=True)
        if not dry_run:
            step.act()

    if act is Act.uninstall:
        for step in its.uninstall():
            walk(step)
        print(its.kept())
        return exits.OK
    for step in its.install(repo, start=start):
        walk(step)
    if not dry_run:
        print("\n".join(f"next: {line}" for line in its.next_steps()))
    return exits.OK
