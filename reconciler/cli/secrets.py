"""`trueup secrets`."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from . import _complete, exits


class What(str, Enum):
    check = "check"
    rekey = "rekey"
    encrypt = "encrypt"
    identity = "identity"


class Format(str, Enum):
    text = "text"
    json = "json"


def secrets(
    what: Annotated[What, typer.Argument(help="check, rekey, encrypt NAME, or identity.")],
    name: Annotated[str, typer.Argument(help="Of the secret to encrypt; its value comes from standard input.")] = "",
    repo: Annotated[
        Path | None, typer.Option(help="The repository or folder; here, or the daemon's, by default.")
    ] = None,
    rev: Annotated[
        str, typer.Option(help="check: the commit to look through.", autocompletion=_complete.revisions)
    ] = "",
    format: Annotated[Format, typer.Option(help="check: text for people, json for programs.")] = Format.text,
    vault_id: Annotated[str, typer.Option(help="rekey: the vault id whose password changes.")] = "default",
    new_password_file: Annotated[
        Path | None, typer.Option(help="rekey: a file (0600) with the vault id's new password.")
    ] = None,
) -> int:
    """Look through the secrets of a repository, make one, or encrypt them anew. No value is ever shown.

    check: every secret, where it comes from, who uses it on how many hosts, whether its value can be had here.
    encrypt: write secrets/NAME.age, for the recipients in secrets/recipients.txt, from standard input.
    rekey: encrypt the working tree's files anew, for those recipients or under a new password of Ansible Vault.
    identity: make this controller's age identity, and print the recipient to encrypt for.

    Examples:

      trueup secrets check --format json

      trueup secrets identity

      printf %s "$TOKEN" | trueup secrets encrypt backup-token

      trueup secrets rekey --vault-id prod --new-password-file /root/new
    """
    from ..acts import secrets as vetting
    from ..settings import load
    from ..tell import secrets as words

    settings = load()
    if (what is What.encrypt) != bool(name):
        raise typer.BadParameter("encrypt takes the NAME of a secret, and nothing else does", param_hint="NAME")
    here = repo or Path(".")
    if what is What.identity:
        path, recipient = vetting.identity(settings)
        print(
            f"{path}: keep a copy where you keep passwords; without it nothing that is encrypted for it can be read",
            file=sys.stderr,
        )
        print(recipient)
    elif what is What.encrypt:
        path, begun = vetting.encrypt(settings, here, name, _value(name))
        print(f"{path}: refer to it with {{secret: {name}}}; next: git add secrets, git commit")
        if begun:
            print(
                f"{here / 'secrets/recipients.txt'}: begun with this controller; add your own recipient to be able to read them"
            )
    elif what is What.rekey:
        for line in words.rekeyed(vetting.rekeyed(settings, here, vault_id, new_password_file)):
            print(line)
    else:
        return _check(repo, rev, format)
    return exits.OK


def _check(repo: Path | None, rev: str, format: Format) -> int:
    import json

    from ..acts import secrets as vetting
    from ..settings import load
    from ..tell import problems
    from ..tell import secrets as words

    files, found, errors = vetting.vetted(load(), repo, rev)
    if errors:
        print(problems.text(errors, files), end="", file=sys.stderr)
    if format is Format.json:
        print(json.dumps(vetting.document(found), indent=2, ensure_ascii=False))
    else:
        print(words.text(found), end="")
    return exits.ERROR if errors or any(one.why and one.uses for one in found) else exits.OK


def _value(name: str) -> bytes:
    """From standard input; from a terminal without echo."""
    if sys.stdin.isatty():
        import getpass

        return getpass.getpass(f"{name}: ").encode()
    return sys.stdin.buffer.read((1 << 20) + 1)
