"""What goes wrong with sources outside the fleet's repository, and the cure of each."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from ..clock import rfc3339
from ..core.kind import Code
from ..core.outside import Resolved, Trouble
from ..core.problem import Problem, Refused

_SINCE = " (since "
ADMINISTRATOR = "an administrator of the machine that runs trueup"

CODES: Mapping[str, Code] = {
    "source-spec": Code.error(
        "`from` doesn't say a source outside the repository as it must be said.",
        "{git: URL, ref, folder}, {archive: URL, sha256, folder} or {bucket: URL, folder}.",
    ),
    "source-not-allowed": Code.error(
        "The controller doesn't read from there for whoever may push: the place is on the controller itself, on a "
        "private network, not encrypted, or would be shown a login.",
        "An administrator names its prefix under contentFrom in /etc/trueup/server.yaml.",
    ),
    "source-unreachable": Code.error(
        "The source could not be reached or didn't answer as it should. What was fetched last still holds.",
        "It is tried again. From the controller, curl shows what the server says.",
    ),
    "source-changed": Code.error(
        "The archive isn't the one whose sha256 the manifest has. Nothing of it was unpacked.",
        "Compare with what its maker publishes; only if the new one is meant, write its sha256.",
    ),
    "source-unpack": Code.error(
        "The archive can't be read: it is damaged, encrypted, or of a format that trueup doesn't unpack.",
        "Make it a tar, tar.gz, tar.xz or zip (stored or deflated, without a password).",
    ),
    "source-member": Code.error(
        "The source has something with no place in a site: a name that leads out of the folder or that isn't "
        "UTF-8, a link, a device, a name that comes twice. Nothing of it was taken.",
        "Make the archive anew from plain files: tar --dereference --hard-dereference -C FOLDER -czf FILE .",
    ),
    "source-too-big": Code.error(
        "The source has more bytes, files or folders within folders than one may have, or is packed so tightly "
        "that it is likely meant to fill a disk. Nothing of it was taken.",
        "Make it smaller, or raise contentLimit in /etc/trueup/server.yaml.",
    ),
    "source-folder": Code.error(
        "The source has no files in the folder that the manifest names.",
        "Name a folder that is in it, or leave `folder` out.",
    ),
    "source-extra": Code.error(
        "Reading such a URL takes a package that isn't installed.",
        "pip install 'trueup[s3]', into the environment that trueup runs in.",
    ),
    "source-gone": Code.error(
        "A host needs a file that came from outside the repository, and that was tidied away: nobody had wanted its "
        "version for a while (docs/content.md).",
        "Let Git name that version again (its commit as `ref`, its archive), which fetches it; or go to a newer one.",
    ),
    "source-full": Code.error(
        "The disk that holds what is fetched is full or can't be written. What was fetched last still holds.",
        "Free space where trueup keeps its state (df).",
    ),
}


def with_what_holds(trouble: Trouble, known: Resolved | None) -> Problem:
    """Its problem, with since when it is so and what holds instead."""
    holds = f"what it was at {rfc3339(known.at, whole=True)} holds" if known else "it was never fetched"
    since = rfc3339(trouble.since, whole=True)
    return replace(trouble.problem, message=f"{trouble.problem.message}{_SINCE}{since}; {holds})")


def without_times(problem: Problem) -> str:
    """The message of what `with_what_holds` made, as it stays from one time to the next."""
    return problem.message.partition(_SINCE)[0]


def refused(code: str, message: str, hint: str = "") -> Refused:
    who = ADMINISTRATOR if code in ("source-not-allowed", "source-extra", "source-full") else ""
    return Refused(Problem(code=code, message=message, hint=hint or CODES[code].cure, who=who))


@contextmanager
def on_disk(what: str) -> Iterator[None]:
    """Turn what a write to our own disk raises into Refused."""
    try:
        yield
    except OSError as error:
        told = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG):
            raise refused("source-full", f"{what}: {told}") from error
        raise refused("source-unreachable", f"{what}: {told}") from error


__all__ = ["ADMINISTRATOR", "CODES", "on_disk", "refused", "with_what_holds", "without_times"]
