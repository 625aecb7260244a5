"""`trueup init`: a new fleet's repository."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..tell.clean import plural
from . import exits


def init(
    directory: Annotated[str, typer.Argument(help="The folder of the new repository; made when it isn't there.")] = "",
    name: Annotated[str, typer.Option(help="The fleet's name. Left out: the folder's.")] = "",
    bare: Annotated[
        str, typer.Option(help="Also make a bare repository at this path that checks every push, as `origin`.")
    ] = "",
    group: Annotated[
        str, typer.Option(help="Of the bare repository: whose members may push to it, beside its owner.")
    ] = "",
    schemas: Annotated[
        bool, typer.Option("--schemas", help="Only renew the schemas of an existing repository.")
    ] = False,
) -> int:
    """Write a new fleet's repository: a policy that changes nothing yet, and examples to fill in.

    The files carry their schemas, so editors complete them at once. With --bare alone, only the bare repository is made.

    Examples:

      trueup init my-fleet

      trueup init my-fleet --bare /srv/git/my-fleet.git

      trueup init --bare /srv/git/my-fleet.git --group trueup
    """
    if group and not bare:
        raise typer.BadParameter("is of a bare repository: --bare PATH names it", param_hint="--group")
    if not directory and not bare:
        directory = "."
    made: list[str] = []
    if bare:
        from ..repo.hooks import make_bare

        place = make_bare(bare, group=group)
        print(f"{place}: a bare repository whose pushes trueup checks")
        made.append(str(place))
    if directory:
        folder = Path(directory)
        if (folder / "trueup.yaml").exists() and not schemas:
            print(f"error[usage]: {folder / 'trueup.yaml'} is there already", file=sys.stderr)
            print(
                "  next: choose another folder, or renew its schemas: trueup init --schemas " + directory,
                file=sys.stderr,
            )
            return exits.USAGE
        fleet = name or _fleet_name(folder)
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fleet):
            print(f"error[usage]: {fleet!r} can't be a fleet's name: small letters, digits and dashes", file=sys.stderr)
            return exits.USAGE
        _write(folder, fleet, schemas)
        if not schemas:
            _next_steps(folder, _git(folder, made[0] if made else ""), bool(made))
    return exits.OK


def _fleet_name(folder: Path) -> str:
    return re.sub(r"[^a-z0-9]+", "-", folder.absolute().name.lower()).strip("-")[:63].strip("-") or "fleet"


def _write(folder: Path, fleet: str, only_schemas: bool) -> None:
    """What is there already is never overwritten, but for the schemas, which are trueup's own."""
    from ..manifests import load_kinds
    from ..manifests.starter import SCHEMAS, files

    written = 0
    for path, text in files(load_kinds(), fleet).items():
        own = path.startswith(SCHEMAS)
        if (only_schemas and not own) or ((folder / path).exists() and not own):
            continue
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
        written += 1
    print(f"{folder}: {plural(written, 'file')} of the fleet {fleet}")


def _git(folder: Path, origin: str) -> str:
    """Make the folder a repository where Git is at hand; what is left to do, as a command, is returned."""
    if shutil.which("git") is None:
        return ""

    def git(*args: str) -> bool:
        return subprocess.run(["git", "-C", str(folder), *args], capture_output=True).returncode == 0

    if git("rev-parse", "--git-dir"):
        return "git commit"  # somebody's repository already: what goes into it, and when, is theirs to say
    git("init", "-b", "main")
    if origin:
        git("remote", "add", "origin", origin)
    git("add", "--all", ".")
    return (
        "git push -u origin main"
        if git("commit", "-m", "Begin the fleet: a policy that observes only")
        else "git commit"
    )


def _next_steps(folder: Path, git: str, has_origin: bool) -> None:
    steps = [f"cd {folder}"] if str(folder) != "." else []
    steps += ["edit hosts.yaml and manifests/, then: trueup check"]
    if git == "git commit":
        steps.append("git add . && git commit  (git config user.name and user.email, if Git asks who you are)")
    steps.append("git push -u origin main" if has_origin else "git push to the repository that trueup serve follows")
    print("Next:")
    for step in steps:
        print(f"  {step}")
