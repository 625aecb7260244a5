"""`trueup rollback`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import _show, exits


def rollback(
    name: Annotated[str, typer.Argument(help="What to put back, as its manifest is called; KIND/NAME where two are.")],
    why: Annotated[str, typer.Option(help="Said in plan, status, page and history.")] = "",
    to: Annotated[str, typer.Option(help="The version, its first signs will do; else the one before.")] = "",
    end: Annotated[bool, typer.Option("--end", help="Give it back to Git's word.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show what was applied, and who went back.")] = False,
    limit: Annotated[float, typer.Option(help="Seconds to follow the daemon at most.")] = 900.0,
    format: _show.FormatOption = _show.Format.text,
) -> int:
    """Put a site back to a release that was applied before, on all its hosts at once, whatever Git says.

    It holds until a commit gives the site another release than the one that was left, or until --end: revert or mend
    the commit meanwhile. What a host still has is not sent again. --list alone changes nothing, and takes --format; it says
    of each version, by what is known, whether hosts go back at once, by an upload, or not: what came from outside the
    repository may be gone.

    Exits as `trueup apply` does.

    Examples:

      trueup rollback docs --why "the new menu is broken"

      trueup rollback docs --list

      trueup rollback docs --to 8d21f0c4 --why "the last one that search likes"

      trueup rollback docs --end
    """
    from .. import door
    from ..settings import load
    from ..tell import rollback as words
    from .apply import carried_out

    settings = load()
    if ((end or listed) and (to or why)) or (end and listed):
        raise typer.BadParameter("--end and --list stand alone")
    if listed:
        answer = door.ask(settings, "versions", {"name": name})
        if format is _show.Format.json:
            _show.as_json(answer)
        else:
            print(words.versions(answer), end="")
        return exits.OK
    answer = door.ask(settings, "rollback", {"name": name, "why": why, "to": to, "end": end})
    print(words.ended(answer) if end else words.back(answer), end="", flush=True)
    return carried_out(settings, limit)
