"""Where the values of secrets come from: files of the commit that are encrypted, and what the controller's settings name.

A commit only ever says a name or holds a ciphertext. Which file, variable or command a name stands for is said in the
controller's own settings alone, so that who may push can't make it read or run anything.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.model import Json
from ..core.problem import Problem, Refused
from ..core.reference import NAME
from ..ports import Files
from ..settings import Settings
from . import age, command, environ, vault

FOLDER = "secrets/"
"""Of the repository, where NAME.age and NAME.vault hold the value of NAME."""
ENDINGS = (".age", ".vault")
MOST = 1 << 20
"""Bytes of one value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where a name's value comes from, for people: never the value."""

    name: str
    how: str
    """`file`, `env`, `command`, `age` or `vault`."""
    where: str
    """The path or variable; of a command its program alone, since arguments may say too much."""


@dataclass(kw_only=True)
class _Output:
    """What a command gave last."""

    at: float
    value: bytes


@dataclass(kw_only=True)
class Sources:
    """Reads values. Keeps none but the last output of each command, which is asked again every `secretCommandsEvery`."""

    settings: Settings
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Callable[[], float] = time.monotonic
    _outputs: dict[str, _Output] = field(default_factory=dict, repr=False)
    _salt: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)

    def value(self, reference: Mapping[str, Json], files: Files | None) -> bytes:
        """The bytes that a reference stands for (core/reference.py). Raises Refused: why, and the fix."""
        match reference:
            case {"secret": str(name)}:
                found = self._named(name, files)
            case {"vault": str(text)}:
                found = self._vault(text)
            case {"age": str(text)}:
                found = self.opened(text.encode("utf-8", "surrogateescape"))
            case {"join": [*parts]}:
                found = b"".join(
                    part.encode("utf-8", "surrogatepass") if isinstance(part, str) else chomped(self.value(part, files))
                    for part in parts
                )
            case _:
                raise refused("this is no reference to a secret", "see docs/secrets.md")
        if len(found) > MOST:
            raise refused(f"its value has more than {MOST:,} bytes", "a secret is smaller than that")
        return found

    def find(self, name: str, files: Files | None) -> Source | None:
        """Where `name` comes from; None when nothing gives it. The controller's settings win over the repository."""
        match self.settings.secrets.get(name):
            case {"file": str(path)}:
                return Source(name=name, how="file", where=path)
            case {"env": str(variable)}:
                return Source(name=name, how="env", where=variable)
            case {"command": [str(program), *_]}:
                return Source(name=name, how="command", where=program)
        if files is not None and re.fullmatch(NAME[1:-1], name):
            paths = files.paths()
            for ending in ENDINGS:
                if FOLDER + name + ending in paths:
                    return Source(name=name, how=ending[1:], where=FOLDER + name + ending)
        return None

    def names(self, files: Files | None) -> tuple[Source, ...]:
        """Everything that could be named, sorted."""
        known = set(self.settings.secrets)
        for path in files.paths() if files is not None else ():
            if path.startswith(FOLDER) and path.endswith(ENDINGS) and path.count("/") == 1:
                known.add(path.removeprefix(FOLDER).rpartition(".")[0])
        return tuple(source for name in sorted(known) if (source := self.find(name, files)) is not None)

    def told(self) -> bytes:
        """All outside the repository that values hang on, as far as it can be told without running a command. Holds
        values of variables: to be hashed with a key, by whoever keeps it."""
        told = [repr(sorted(self.settings.secrets.items()))]
        paths: list[Path | None] = [identity_file(self.settings), self.settings.vault_password_file]
        paths += [Path(str(path)) for path in self.settings.vault_passwords.values()]
        for source in self.settings.secrets.values():
            match source:
                case {"file": str(path)}:
                    paths.append(Path(path))
                case {"env": str(variable)}:
                    told.append(repr(self.environ.get(variable)))
                case _:
                    told.append(secrets.token_hex(16))
        told.append(self.settings.vault_password)
        told += [f"{path}:{_mark(path) if path is not None else ''}" for path in paths]
        return "\0".join(told).encode("utf-8", "surrogateescape")

    def state(self) -> str:
        """A digest of all outside the repository that values hang on: when it differs from what it was, a reading that
        has secrets is out of date. What rests on sealed values (a kept Desired, a kept plan) must have it in its key,
        beside the commit's tree. Says nothing of any value: it is salted for this process, and never stored."""
        told = hashlib.blake2b(key=self._salt, digest_size=16)
        paths: list[Path | None] = [identity_file(self.settings), self.settings.vault_password_file]
        paths += [Path(str(path)) for path in self.settings.vault_passwords.values()]
        for name, source in sorted(self.settings.secrets.items()):
            match source:
                case {"file": str(path)}:
                    paths.append(Path(path))
                case {"env": str(variable)}:
                    told.update(f"{variable}={self.environ.get(variable)}\0".encode("utf-8", "surrogateescape"))
                case {"command": [*_]} if name in self._outputs:  # asked again only once somebody uses it
                    told.update(self._output(name) + b"\0")
        for one in paths:
            told.update(f"{one}:{_mark(one) if one is not None else ''}\0".encode("utf-8", "surrogateescape"))
        return told.hexdigest()

    # ---- each way

    def _named(self, name: str, files: Files | None) -> bytes:
        source = self.find(name, files)
        if source is None:
            raise refused(
                f"nothing gives the secret {name}",
                f"trueup secrets encrypt {name} makes {FOLDER}{name}.age; or name it below `secrets:` in server.yaml",
            )
        if source.how == "file":
            return private(Path(source.where), MOST, 0o007)
        if source.how == "env":
            value = self.environ.get(source.where)
            if value is None:
                raise refused(
                    f"the variable {source.where} is not set here", "set it for trueup serve, and restart that"
                )
            return value.encode("utf-8", "surrogateescape")
        if source.how == "command":
            return self._output(name)
        assert files is not None
        try:
            data = files.read(source.where)
        except KeyError:
            raise refused(f"{source.where} went away while it was read", "try again") from None
        if source.how == "age":
            return self.opened(data)
        return self._vault(data.decode("utf-8", "replace"))

    def _output(self, name: str) -> bytes:
        last = self._outputs.get(name)
        if last is not None and self.clock() - last.at < self.settings.secret_commands_every:
            return last.value
        argv = list(self.settings.secrets[name]["command"])
        try:
            value = command.output(argv, self._without_secrets(), most=MOST)
        except command.Failed as failed:
            if last is None:
                raise refused(
                    f"the command {argv[0]} {failed}", "run it as the user of trueup serve to see why"
                ) from None
            last.at = self.clock()  # what it said last holds until it answers again
            return last.value
        self._outputs[name] = _Output(at=self.clock(), value=value)
        return value

    def _without_secrets(self) -> dict[str, str]:
        """The environment for a command: ours, without what is secret in it or configures trueup."""
        hidden = environ.names(self.settings)
        return {
            name: text for name, text in self.environ.items() if name not in hidden and not name.startswith("TRUEUP_")
        }

    def _vault(self, text: str) -> bytes:
        try:
            return vault.decrypt(text, self.passwords())
        except vault.BadVault as bad:
            raise refused(
                f"Ansible Vault: {bad}", "set vaultPasswordFile, or vaultPasswords for its vault id, in server.yaml"
            ) from None

    def passwords(self) -> dict[str, bytes]:
        """Vault's passwords by label. Raises Refused when a file of one can't be read."""
        files: dict[str, Json] = dict(self.settings.vault_passwords)
        if self.settings.vault_password_file is not None:
            files[vault.DEFAULT] = str(self.settings.vault_password_file)
        found = {label: private(Path(str(path)), MOST, 0o077).strip() for label, path in sorted(files.items())}
        if self.settings.vault_password:
            found.setdefault(vault.DEFAULT, self.settings.vault_password.encode("utf-8", "surrogateescape"))
        return found

    def opened(self, data: bytes) -> bytes:
        """The plaintext of an age file. Raises Refused."""
        try:
            return age.decrypt(data, self.identities())
        except age.BadAge as bad:
            raise refused(
                f"age: {bad}",
                "set ageIdentityFile in server.yaml; or encrypt it for this controller too: trueup secrets rekey",
            ) from None

    def identities(self) -> list[Any]:
        """age's identities; none where none is configured. Raises Refused when the file can't be read or used."""
        path = identity_file(self.settings)
        if path is None:
            return []
        try:
            return age.identities(private(path, MOST, 0o077).decode("utf-8", "replace"), str(path))
        except age.BadAge as bad:
            raise refused(str(bad), "age-keygen -o FILE makes one") from None


def identity_file(settings: Settings) -> Path | None:
    """Where age's identities are: as configured, else what `trueup secrets identity` made."""
    own = settings.state_dir / "age.key"
    if settings.age_identity_file:
        return settings.age_identity_file
    try:
        return own if own.exists() else None
    except PermissionError:  # it is the daemon's alone: whoever reads it is told so
        return own


def chomped(value: bytes) -> bytes:
    """Without one closing newline, as editors and `echo` leave it."""
    return value[:-1].removesuffix(b"\r") if value.endswith(b"\n") else value


def private(path: Path, most: int, forbidden: int) -> bytes:
    """The bytes of a file that is a plain one, not too big, and none of whose `forbidden` mode bits are set.
    Raises Refused."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        why = error.strerror or "can't be read"
        raise refused(f"{path}: {why}", "the user of trueup serve must be able to read it") from None
    with os.fdopen(fd, "rb") as file:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise refused(f"{path} is not a plain file", "name a file")
        if facts.st_mode & forbidden:
            raise refused(
                f"{path} can be read by others", f"chmod 600 {path}; and change what it holds, if others were there"
            )
        data = file.read(most + 1)
    if len(data) > most:
        raise refused(f"{path} has more than {most:,} bytes", "a secret is smaller than that")
    return data


def refused(message: str, hint: str) -> Refused:
    return Refused(
        Problem(
            code="secret-unreadable",
            severity="warning",
            message=message,
            hint=hint,
            who="the administrator of this controller",
        )
    )


def _mark(path: Path) -> str:
    try:
        facts = path.stat()
    except OSError as error:
        return str(error.errno)
    return f"{facts.st_ino}.{facts.st_size}.{facts.st_mtime_ns}.{facts.st_ctime_ns}"
