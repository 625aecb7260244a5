"""A repository's secrets, looked through, made and encrypted anew: what `trueup secrets` does. No value leaves this process."""

from __future__ import annotations

import os
import re
import secrets as random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import manifests
from ..core.model import Commit, Json, Source
from ..core.problem import Problem, Refused
from ..core.reference import NAME
from ..door.owner import acting
from ..manifests.kinds import load_kinds
from ..manifests.sealing import Use
from ..ports import Files
from ..secrets import FleetKey, Sealer, Sources, age, rekey
from ..secrets.sources import FOLDER, MOST, identity_file, private
from ..settings import Settings
from .outside import outside_of
from .planning import as_reader, files_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Vetted:
    """One secret: where it comes from, who uses it, whether its value can be had."""

    name: str
    """Empty for one that stands encrypted in a manifest."""
    how: str
    """`file`, `env`, `command`, `age`, `vault`; empty when nothing gives it."""
    where: str
    uses: tuple[Use, ...]
    why: str = ""
    """Why its value can't be had; empty when it can."""
    hint: str = ""

    @property
    def hosts(self) -> int:
        return len({host for use in self.uses for host in use.hosts})


def vetted(settings: Settings, place: Path | None, rev: str) -> tuple[Files, tuple[Vetted, ...], tuple[Problem, ...]]:
    """Every secret that is used or could be, with the problems of the manifests that are errors."""
    with as_reader(settings, place):
        return _vetted(settings, place, rev)


def _vetted(settings: Settings, place: Path | None, rev: str) -> tuple[Files, tuple[Vetted, ...], tuple[Problem, ...]]:
    files = files_of(settings, place, rev)
    sources = Sources(settings=settings)
    # Whether a value can be had has nothing to do with the fleet's key, so one of the moment will do.
    sealed = Sealer(FleetKey(random.token_bytes(32)), sources=sources).reading(files)
    reading = manifests.read(files, load_kinds(), sealed.seal, outside=outside_of(settings))
    named: dict[str, list[Use]] = {source.name: [] for source in sources.names(files)}
    found: list[Vetted] = []
    for use in reading.uses:
        if use.named:
            named.setdefault(use.secret, []).append(use)
        elif use.secret in ("!vault", "age"):
            how = use.secret.removeprefix("!")
            found.append(Vetted(name="", how=how, where=str(use.source), uses=(use,), why=use.why, hint=use.hint))
    for name, uses in named.items():
        source = sources.find(name, files)
        why, hint = _tried(sources, name, files)
        bad = next((use for use in uses if use.why), None)  # had, and of no use where it is to go
        found.append(
            Vetted(
                name=name,
                how=source.how if source else "",
                where=source.where if source else "",
                uses=tuple(uses),
                why=why or (bad.why if bad else ""),
                hint=hint or (bad.hint if bad else ""),
            )
        )
    errors = tuple(problem for problem in reading.problems if problem.severity == "error")
    return files, tuple(sorted(found, key=lambda one: (not one.name, one.name, one.where))), errors


def _tried(sources: Sources, name: str, files: Files) -> tuple[str, str]:
    try:
        sources.value({"secret": name}, files)
    except Refused as refused:
        return refused.problems[0].message, refused.problems[0].hint
    return "", ""


def document(found: Iterable[Vetted]) -> dict[str, Json]:
    """For programs."""
    return {
        "format": 1,
        "secrets": [
            {
                "name": one.name,
                "from": {"how": one.how, "where": one.where},
                "uses": [
                    {
                        "kind": use.ref.kind,
                        "name": use.ref.name,
                        "source": {"path": use.source.path, "line": use.source.line},
                    }
                    for use in one.uses
                ],
                "hosts": one.hosts,
                "ok": not one.why,
                "why": one.why,
                "next": one.hint,
            }
            for one in found
        ],
    }


# ---------------------------------------------------------------- made, and made anew


def identity(settings: Settings) -> tuple[Path, str]:
    """Make the controller's age identity, of the user that the state belongs to; its file, and the recipient to encrypt
    for. Raises Refused when there is one."""
    path = identity_file(settings) or settings.state_dir / "age.key"
    if path.exists():
        raise Refused(
            Problem(
                code="identity-there",
                path=str(path),
                message="there is an identity already",
                hint="age-keygen -y FILE tells its recipient; another identity: move this one away, then trueup secrets rekey",
            )
        )
    made, recipient = age.generated()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (
        acting(path.parent),
        open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w", encoding="ascii") as file,
    ):
        file.write(f"# public key: {recipient}\n{made}\n")
        file.flush()
        os.fsync(file.fileno())
    return path, recipient


def encrypt(settings: Settings, folder: Path, name: str, value: bytes) -> tuple[Path, bool]:
    """Write secrets/NAME.age of the working tree, for its recipients; whether the list of them was made as well.

    Where there is none it is begun with the controller's own identity. Raises Refused.
    """
    if not re.fullmatch(NAME[1:-1], name):
        hint = "letters, digits, `.`, `_` and `-`, beginning with a letter or a digit"
        raise Refused(Problem(code="usage", message=f"{name[:100]!r} can't be the name of a secret", hint=hint))
    if not value or len(value) > MOST:
        raise Refused(
            Problem(code="usage", message=f"a value has 1 to {MOST:,} bytes", hint="give it on standard input")
        )
    at = folder / rekey.RECIPIENTS
    begun = not at.is_file()
    to = age.recipients(_own_recipients(settings), "the identity") if begun else _listed(folder)
    (folder / FOLDER).mkdir(exist_ok=True)
    if begun:
        head = "# Whom the secrets here are encrypted for: the controller, and people. After a change: trueup secrets rekey\n"
        rekey.replace(at, (head + _own_recipients(settings)).encode())
    path = folder / f"{FOLDER}{name}.age"
    rekey.replace(path, age.encrypt(value, to))
    return path, begun


def _listed(folder: Path) -> tuple[Json, ...]:
    found = rekey.recipients_of({rekey.RECIPIENTS: ""}, lambda path: (folder / path).read_bytes())
    assert found is not None
    return found


def _own_recipients(settings: Settings) -> str:
    path = identity_file(settings)
    if path is None:
        raise Refused(
            Problem(
                code="no-recipients",
                path=rekey.RECIPIENTS,
                message="nobody is named whom secrets are encrypted for, and this machine has no age identity",
                hint="trueup secrets identity on the controller; put the recipient that it prints into "
                + rekey.RECIPIENTS,
            )
        )
    identities = age.identities(private(path, MOST, 0o077).decode("utf-8", "replace"), str(path))
    return "".join(f"{one.to_public()}\n" for one in identities if hasattr(one, "to_public"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Rekeyed:
    """What was encrypted anew, and what history still holds."""

    files: tuple[rekey.Rewritten, ...]
    commits: tuple[Commit, ...]
    """Commits, newest first, whose tree holds one of the files as it was: the old key goes on opening those."""


def rekeyed(settings: Settings, folder: Path, label: str, new_password: Path | None) -> Rekeyed:
    """Encrypt the working tree's secrets anew: for secrets/recipients.txt, and the vault id `label` under the password in
    the file `new_password`, if one is given. Raises Refused, with nothing changed, when any of it can't be opened."""
    from ..repo import FolderFiles, open_repo

    files, sources = FolderFiles(folder), Sources(settings=settings)
    keys = rekey.Keys(
        recipients=rekey.recipients_of(files.paths(), files.read),
        label=label,
        password=private(new_password, MOST, 0o077).strip() if new_password is not None else None,
    )
    if keys.recipients is None and keys.password is None:
        raise Refused(
            Problem(
                code="nothing-to-rekey",
                path=rekey.RECIPIENTS,
                message="there are no recipients to encrypt for, and no new password of a vault",
                hint=f"list recipients in {rekey.RECIPIENTS}, or give --new-password-file",
            )
        )
    made = rekey.prepared(files, sources, keys)
    repo = open_repo(folder)
    holding: Mapping[str, Commit] = {}
    if repo is not None and repo.tip():
        holding = {commit.id: commit for one in made for commit in repo.log("HEAD", limit=1000, path=one.path)}
    rekey.write(folder, made)
    return Rekeyed(files=made, commits=tuple(sorted(holding.values(), key=lambda commit: -commit.at)))


__all__ = ["Rekeyed", "Source", "Vetted", "document", "encrypt", "identity", "rekeyed", "vetted"]
