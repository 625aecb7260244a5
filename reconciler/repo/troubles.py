"""What goes wrong with Git, said as a Problem: one table from pygit2's exceptions, first match wins.

libgit2 tells most things apart only by the text of its message, so a row has an exception's type and words that its
message may hold. tests/repo walks pygit2 and fails on an exception that no row knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pygit2

from ..core.kind import Code
from ..core.problem import Problem, Refused

CODES: Mapping[str, Code] = {
    "repo-owner": Code.error(
        'The repository belongs to another user than the one who reads it (Git\'s "dubious ownership").',
        "As root: git config --system --add safe.directory PATH.",
    ),
    "repo-missing": Code.error("There is no Git repository at this place.", "trueup init --bare PATH makes one."),
    "repo-no-path": Code.error("There is no such folder.", "Name a folder or a Git repository."),
    "repo-unreadable": Code.error(
        "The repository is there, but its files can't be read.",
        "Give trueup's user read access to the repository (its group, or an ACL).",
    ),
    "repo-rev": Code.error(
        "The revision is unknown here, or names no commit.",
        "Name a commit id, a branch or a tag that git rev-parse finds too; trueup sync fetches first.",
    ),
    "repo-broken": Code.error(
        "An object that the commit needs is missing or damaged.",
        "git fsck --full names what is damaged; a clone of the same repository has it whole.",
    ),
    "repo-format": Code.error(
        "The repository is of a format that libgit2 doesn't read (SHA-256, reftable, partial clone).",
        "Make the repository with Git's defaults: git init --object-format=sha1 --ref-format=files.",
    ),
    "repo-login": Code.error(
        "The remote repository refused the login.",
        "HTTPS: put a token into gitTokenFile. SSH: name a private key in gitSshKey, and allow its public key to read there.",
    ),
    "repo-host-key": Code.error(
        "The Git server's SSH host key is not known, or is another than the known one. Nothing was fetched.",
        "Compare the key's fingerprint with what the server's owner publishes, then add its line to known_hosts.",
    ),
    "repo-tls": Code.error(
        "The Git server's TLS certificate is not valid for it. Nothing was fetched.",
        "Install the authority's certificate on this machine (update-ca-certificates), or name it in SSL_CERT_FILE.",
    ),
    "repo-unreachable": Code.error(
        "The remote repository could not be reached, or did not answer within the limit.",
        "The next poll tries again; the fleet stays on the commit that is held. trueup doctor looks at the way.",
    ),
    "repo-too-big": Code.error(
        "The remote repository sends more than may be fetched from there. Nothing of it was taken.",
        "Name a smaller repository, or raise contentLimit in /etc/trueup/server.yaml.",
    ),
    "repo-moved": Code.error(
        "The Git server leads on to another server, which was not named. Nothing was fetched.",
        "Name the repository by the URL where it is now.",
    ),
    "repo-insecure": Code.error(
        "This transport is not encrypted: who sits on the way could hand root commands to the whole fleet.",
        "Follow the repository over https:// or ssh://.",
    ),
    "repo-transport": Code.error(
        "The pygit2 that is installed was built without this transport.",
        "Install pygit2 from PyPI's wheels, which have HTTPS and SSH.",
    ),
    "repo-full": Code.error(
        "The disk that holds the fetched copy is full, or it is read-only.",
        "Free space where trueup keeps its state (df), then trueup sync.",
    ),
    "repo-failed": Code.error(
        "libgit2 reported something else.",
        "The message is libgit2's own; git fsck and git fetch show more.",
    ),
}
"""The codes of this room, for the manual."""


@dataclass(frozen=True, slots=True)
class Row:
    exception: type[BaseException]
    words: str
    """A regular expression that the message must match; empty matches all."""
    code: str
    message: str
    """`{what}` is what was being done, `{why}` the message."""


TABLE: tuple[Row, ...] = (
    Row(
        Exception, r"not owned by current user|dubious ownership", "repo-owner", "{what} belongs to another user: {why}"
    ),
    Row(
        Exception,
        r"unsupported (extension|repository format|object id)|unknown object format|unexpected oid type",
        "repo-format",
        "{what}: {why}",
    ),
    Row(pygit2.CertificateError, r"", "repo-host-key", "{what}: the server's key or certificate was not accepted"),
    Row(Exception, r"ssl|tls|certificate", "repo-tls", "{what}: {why}"),
    Row(pygit2.AuthError, r"", "repo-login", "{what}: the login was refused ({why})"),
    Row(
        Exception,
        r"authenticat|credential|\b40[13]\b|too many redirects",
        "repo-login",
        "{what}: the login was refused ({why})",
    ),
    Row(Exception, r"hostkey|host key", "repo-host-key", "{what}: {why}"),
    Row(Exception, r"unsupported url protocol|without (ssh|https) support", "repo-transport", "{what}: {why}"),
    Row(
        Exception,
        r"failed to (connect|resolve address)|could not connect|timed? ?out|connection|network|unreachable|unexpected http status|early eof|"
        r"failed to (send|receive)|socket|remote error|end of file",
        "repo-unreachable",
        "{what}: {why}",
    ),
    Row(Exception, r"no space left|read-only file system|disk quota", "repo-full", "{what}: {why}"),
    Row(PermissionError, r"", "repo-unreadable", "{what}: {why}"),
    Row(Exception, r"permission denied", "repo-unreadable", "{what}: {why}"),
    Row(
        Exception,
        r"corrupt|inflate|object not found|failed to read|odb|packfile|checksum|zlib|bad (object|tree)",
        "repo-broken",
        "{what}: {why}",
    ),
    Row(
        Exception,
        r"repository not found|could not find repository|no repository|failed to resolve path",
        "repo-missing",
        "{what}: {why}",
    ),
    Row(pygit2.NotFoundError, r"", "repo-broken", "{what}: {why}"),
    Row(pygit2.InvalidSpecError, r"", "repo-rev", "{what}: {why}"),
    Row(pygit2.AmbiguousError, r"", "repo-rev", "{what}: {why}"),
    Row(pygit2.AlreadyExistsError, r"", "repo-failed", "{what}: {why}"),
    Row(pygit2.InvalidError, r"", "repo-failed", "{what}: {why}"),
    Row(pygit2.GitError, r"", "repo-failed", "{what}: {why}"),
    Row(KeyError, r"", "repo-broken", "{what}: object {why} is missing"),
    Row(ValueError, r"", "repo-failed", "{what}: {why}"),
    Row(OSError, r"", "repo-unreadable", "{what}: {why}"),
    Row(pygit2.Passthrough, r"", "repo-failed", "{what}: {why}"),
)

FOREIGN = (pygit2.GitError, pygit2.Passthrough, KeyError, ValueError, OSError)
"""What pygit2's calls raise; all its own errors but Passthrough descend from these."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_LOGIN = re.compile(r"(\w+://)(?<!ssh://)[^/@\s]+@|(ssh://)[^/@:\s]*:[^/@\s]*@")


def redacted(text: str) -> str:
    """`text` without the login part of URLs (a token may stand there; SSH's user is none, and the address is another one
    without) and without control characters."""
    return _CONTROL.sub(" ", _LOGIN.sub(r"\1\2", text)).strip()


def problem(error: BaseException, what: str, *, path: str = "", hint: str = "") -> Problem:
    """The Problem that `error`, raised while doing `what`, is; a hint of the caller beats the table's cure."""
    why = redacted(str(error)) or type(error).__name__
    for row in TABLE:
        if isinstance(error, row.exception) and re.search(row.words, why, re.IGNORECASE):
            cure = CODES[row.code].cure.replace("PATH", path or "PATH")
            return Problem(
                code=row.code,
                message=row.message.format(what=redacted(what), why=why),
                hint=hint or cure,
                who="an administrator of the machine that runs trueup",
            )
    return Problem(code="repo-failed", message=f"{redacted(what)}: {why}", hint=CODES["repo-failed"].cure)


@contextmanager
def named(what: str, *, path: str = "") -> Iterator[None]:
    """Turn pygit2's exceptions into Refused with their Problem."""
    try:
        yield
    except FOREIGN as error:
        raise Refused(problem(error, what, path=path)) from error


__all__ = ["CODES", "FOREIGN", "TABLE", "named", "problem", "redacted"]
