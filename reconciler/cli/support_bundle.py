"""`trueup support-bundle`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from . import exits


def support_bundle(
    into: Annotated[
        Path | None, typer.Option(help="The file to write; trueup-support-DATE.tar.gz here, if left out.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be inside; write nothing.")] = False,
) -> int:
    """Pack what helps to judge a fault into one file, without secrets: look into it, then send it.

    Inside: versions, settings with secrets masked, the doctor's findings, status, the last events, sizes, the journal's
    end. It names your hosts and resources. What trueup knows to be a secret is taken out, and what looks like one.

    Examples:

      trueup support-bundle --dry-run

      sudo trueup support-bundle --into /root/trueup-support.tar.gz
    """
    from ..doctor import bundle
    from ..settings import load

    settings = load()
    place = into or Path(time.strftime("trueup-support-%Y%m%dT%H%M%SZ.tar.gz", time.gmtime()))
    print(f"{'would write' if dry_run else 'writing'} {place}, with")
    for part in bundle.parts(settings):
        print(f"  {part.name:<14} {part.about}")
    if dry_run:
        return exits.OK
    bundle.write(settings, place)
    print(f"{place.stat().st_size:,} bytes, readable by you alone")
    print(f"next: look into it (tar -xzOf {place} | less), then send it")
    return exits.OK
