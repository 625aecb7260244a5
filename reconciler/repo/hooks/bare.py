"""Makes the bare repository, or brings an existing one up to date: running it twice changes nothing."""

from __future__ import annotations

import grp
import os
import shlex
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import pygit2
from pygit2.enums import RepositoryInitFlag, RepositoryInitMode, RepositoryOpenFlag

from ...core.problem import Problem, Refused
from ..troubles import named

HOOKS = ("pre-receive", "post-receive")
MARK = "# Made by trueup init --bare"

BIGGEST_PUSH = 256 * 1024 * 1024
"""Bytes. A fleet's repository is text; this ends a push of a disk image before it fills the disk."""

_SCRIPT = """#!/bin/sh
{mark}; made anew by the next one. It calls the trueup that made it.
{environment}if [ ! -x {python} ]; then
    echo "error: trueup is not at {python} any more"
    echo "hint: on the server: trueup init --bare {repository}"
    exit {gone}
fi
exec {python} -P -c 'from reconciler.cli import main; main()' hook {hook}
"""


def make_bare(
    path: str | os.PathLike[str],
    branch: str = "main",
    *,
    group: str = "",
    environ: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> Path:
    """A bare repository at `path` whose pushes trueup checks; gives its absolute path.

    `branch`: the one that the fleet follows. `group`: members of it may push (core.sharedRepository, setgid
    folders); without, only the owner. A force-push is let through: the held commit is then of the new line.
    Raises Refused: the folder holds something else, a foreign hook is in the way, the group is unknown, no write access.
    """
    place = Path(path).absolute()
    gid = _gid(group)
    with named(f"repository {place}", path=str(place)):
        _make(place, branch, shared=bool(group))
        git = pygit2.Repository(str(place), RepositoryOpenFlag.NO_SEARCH)
        if not git.is_bare:
            raise Refused(
                Problem(
                    code="repo-not-bare", message=f"{place} has a checkout", hint="Name a folder that isn't there yet."
                )
            )
        _configure(git, branch, shared=bool(group))
        for hook in HOOKS:
            _lay_hook(place, hook, python, _environment(os.environ if environ is None else environ))
        if gid is not None:
            _share(place, gid)
    return place


def _make(place: Path, branch: str, *, shared: bool) -> None:
    if (place / "HEAD").is_file() or (place / ".git").exists():
        return
    if place.exists() and any(place.iterdir()):
        raise Refused(
            Problem(
                code="repo-not-empty",
                message=f"{place} is not empty and no repository",
                hint="Name a folder that isn't there yet.",
            )
        )
    mode = RepositoryInitMode.SHARED_GROUP if shared else RepositoryInitMode.SHARED_UMASK
    flags = RepositoryInitFlag.BARE | RepositoryInitFlag.MKPATH | RepositoryInitFlag.NO_REINIT
    pygit2.init_repository(str(place), flags=flags, mode=mode, initial_head=branch)


def _configure(git: pygit2.Repository, branch: str, *, shared: bool) -> None:
    config = git.config
    # Without it, `git push -o` ends the whole push with an error of its own.
    config["receive.advertisePushOptions"] = True
    # A damaged or hostile tree (a path `.git`, a name twice) must not get in.
    config["receive.fsckObjects"] = True
    config["receive.maxInputSize"] = BIGGEST_PUSH
    # Every commit that a fleet was held to stays to be asked for (history, blame), also after a force-push.
    config["core.logAllRefUpdates"] = True
    config["gc.reflogExpire"] = "never"
    config["gc.reflogExpireUnreachable"] = "never"
    config["trueup.branch"] = branch
    if shared:
        config["core.sharedRepository"] = "group"


def _environment(environ: Mapping[str, str]) -> str:
    """Lines that lead the hook to the daemon of this state: the pusher's own environment names none.

    Only where things are; never a secret."""
    names = ("TRUEUP_CONFIG", "TRUEUP_SOCKET", "TRUEUP_RUN_DIR", "TRUEUP_STATE_DIR", "TRUEUP_FLEET")
    return "".join(f"export {name}={shlex.quote(environ[name])}\n" for name in names if environ.get(name))


def _lay_hook(place: Path, hook: str, python: str, environment: str) -> None:
    target = place / "hooks" / hook
    if target.is_file() and MARK not in target.read_text(encoding="utf-8", errors="replace"):
        raise Refused(
            Problem(
                code="repo-foreign-hook",
                message=f"{target} is there and is not trueup's",
                hint=f"Move it to {target}.old, and call it from a hook of your own that also runs trueup hook {hook}.",
            )
        )
    target.parent.mkdir(exist_ok=True)
    text = _SCRIPT.format(
        mark=MARK,
        environment=environment,
        python=shlex.quote(python),
        repository=shlex.quote(str(place)),
        hook=hook,
        # A pre-receive that can't check lets nothing in; after that nothing can be refused any more.
        gone=1 if hook == "pre-receive" else 0,
    )
    fresh = target.with_name(f".{hook}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(0o755)
    fresh.replace(target)


def _gid(group: str) -> int | None:
    if not group:
        return None
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise Refused(
            Problem(
                code="repo-group",
                message=f"there is no group {group}",
                hint=f"As root: groupadd --system {shlex.quote(group)}",
            )
        ) from None


def _share(place: Path, gid: int) -> None:
    """As git init --shared=group leaves it: the group writes, new files belong to it. The hooks are the owner's alone:
    who may push must not be able to change what checks the push."""
    hooks = place / "hooks"
    for folder, _folders, files in os.walk(place):
        for entry in [Path(folder), *(Path(folder) / name for name in files)]:
            os.lchown(entry, -1, gid)
            kept = entry.lstat().st_mode
            if entry == hooks or hooks in entry.parents:
                entry.chmod(stat.S_IMODE(kept) & ~(stat.S_IWGRP | stat.S_IWOTH))
            elif entry.name in ("config", "HEAD") and entry.parent == place:
                entry.chmod(stat.S_IMODE(kept) & ~stat.S_IWGRP | stat.S_IRGRP)
            elif stat.S_ISDIR(kept):
                entry.chmod(stat.S_IMODE(kept) | stat.S_ISGID | stat.S_IRWXG)
            elif stat.S_IMODE(kept) & stat.S_IWUSR:
                entry.chmod(stat.S_IMODE(kept) | stat.S_IRGRP | stat.S_IWGRP)


__all__ = ["BIGGEST_PUSH", "HOOKS", "MARK", "make_bare"]
