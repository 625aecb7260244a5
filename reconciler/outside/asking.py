"""How each sort of source is asked: what it is now, as blobs in our content, or that it is what it was."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from ..core.model import Json
from ..core.problem import Refused
from ..repo import Content, Credentials, Elsewhere
from ..repo.remote import local_path, mirror_of
from ..repo.troubles import redacted
from .archive import unpack
from .download import download, until
from .names import Limits, Names
from .packed import PIECE
from .spec import ArchiveSource, BranchesSource, BucketSource, GitSource, Source
from .troubles import on_disk, refused
from .trust import Trust

MIRRORS = "mirrors"
"""The folder of what was fetched of other machines' repositories."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What asking stands on."""

    content: Content
    trust: Trust
    limits: Limits
    credentials: Credentials
    room: Path
    own: str = ""
    """The fleet's own repository, a URL or a path: whoever names it is already heard. Empty where there is none."""

    def tick(self, where: str) -> Callable[[], None]:
        """Raises Refused once time or space is up. The state of the fleet lies on the same disk: it must not fill."""
        in_time = until(self.limits.seconds, where)

        def tick() -> None:
            in_time()
            free = os.statvfs(self.room)
            if free.f_bavail * free.f_frsize < self.limits.spare:
                raise refused(
                    "source-full", f"{redacted(where)}: less than {self.limits.spare:,} bytes are free in {self.room}"
                )

        return tick


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a source is now."""

    files: Mapping[str, str]
    digest: str
    left_out: tuple[str, ...] = ()
    note: Mapping[str, Json] = field(default_factory=dict)
    """What the next time wants to know of this one."""


def ask(source: Source, ground: Ground, before: Mapping[str, Json], tree: str) -> Answer | None:
    """What the source is now; None when it is what `before` (the note of last time) and `tree` say. Raises Refused."""
    ground.tick(source.place)()
    match source:
        case GitSource():
            return _git(source, ground, before)
        case BranchesSource():
            raise ValueError("branches are asked one by one")
        case ArchiveSource():
            return None if before else _archive(source, ground)
        case BucketSource():
            return _bucket(source, ground, before, tree)


# ---------------------------------------------------------------- Git


def _git(source: GitSource, ground: Ground, before: Mapping[str, Json]) -> Answer | None:
    elsewhere = _elsewhere(source.git, ground)
    with _without_login(source.git, ground):
        commit = elsewhere.commit(source.ref)
    digest = f"git:{commit}"
    if before.get("digest") == digest:
        return None
    limits = ground.limits
    files, left_out = elsewhere.take(commit, source.folder, ground.content, files=limits.files, size=limits.size)
    where = f"{redacted(source.git) or 'this repository'} at {commit[:7]}"
    names = Names(where, limits)
    for path in files:
        names.member(path)
    if not files:
        raise refused("source-folder", f"{where}: there are no files in {source.folder or 'it'}")
    return Answer(files=files, digest=digest, left_out=left_out)


def branches(source: BranchesSource, ground: Ground) -> Mapping[str, str]:
    """The branches that the source is about, sorted → their commits. Raises Refused."""
    with _without_login(source.git, ground):
        found = _elsewhere(source.git, ground).branches()
    return {name: commit for name, commit in sorted(found.items()) if source.takes(name)}


def _elsewhere(git: str, ground: Ground) -> Elsewhere:
    """The repository, as far as it may be asked. Raises Refused."""
    url = git or ground.own
    if not url:
        raise refused("source-unreachable", "the fleet's own repository is not configured here")
    limits, mine = ground.limits, ground.credentials
    if git:
        ground.trust.judge(git, schemes=("https",))
    local = local_path(git) if git else None
    if local is not None:
        url = _where(str(local), ground)
    elif git:
        ground.trust.addresses(git)
    if git and not ground.trust.named(git):
        # Whoever may push could name any server: only those that the administrator named are shown a login.
        mine = replace(mine, token_file=None, ssh_key=None, passphrase="")
    mine = replace(mine, limit=limits.seconds, most=limits.size, redirects=False)
    return Elsewhere(url, ground.room / MIRRORS, mine)


def mirror_name(source: Source, own: str) -> str:
    """Of the mirror that asking the source makes; empty where it makes none."""
    place = source.place or own
    mirrored = isinstance(source, GitSource | BranchesSource) and local_path(place) is None
    return mirror_of(place, Path()).name if mirrored else ""


@contextmanager
def _without_login(git: str, ground: Ground) -> Iterator[None]:
    """Say who may change it when a stranger's server wants a login."""
    try:
        yield
    except Refused as wrong:
        if git and not ground.trust.named(git) and wrong.problems[0].code == "repo-login":
            message = f"{redacted(git)}: it wants a login, which only what contentFrom names is shown"
            raise refused("source-not-allowed", message) from None
        raise


def unlock(room: Path) -> None:
    """Take away what a killed fetch left in the mirrors: locks, half a pack. Only for who keeps all others out."""
    for pattern in ("*.git/*.lock", "*.git/refs/**/*.lock", "*.git/objects/pack/*_git2_*"):
        for left in (room / MIRRORS).glob(pattern):
            left.unlink(missing_ok=True)


# ---------------------------------------------------------------- buckets


def _bucket(source: BucketSource, ground: Ground, before: Mapping[str, Json], tree: str) -> Answer | None:
    # Its reader uses whatever login the controller has, and goes wherever it is sent: never for strangers.
    ground.trust.judge(source.bucket, schemes=())
    from .bucket import Bucket, Listing

    listed = before.get("listing")
    was = Listing.of(listed) if isinstance(listed, dict) else None
    bucket = Bucket(source, ground.limits, ground.content, ground.tick(source.bucket))
    found = bucket.fetch(was, ground.content.files(tree) if tree else {})
    if found is None:
        return None
    files, listing = found
    return Answer(files=files, digest=listing.digest, note={"listing": listing.json()})


# ---------------------------------------------------------------- archives


def _archive(source: ArchiveSource, ground: Ground) -> Answer:
    where = redacted(source.archive)
    tick = ground.tick(source.archive)
    with on_disk(f"{where} onto this disk"), tempfile.TemporaryFile(dir=ground.room) as file:
        if source.archive.startswith("/") or source.archive.startswith("file:"):
            sum_ = _copied(source.archive.removeprefix("file://"), file, ground, tick)
        else:
            sum_ = download(source.archive, file, ground.trust, ground.limits.size, tick)
        if sum_ != source.sha256:
            raise refused("source-changed", f"{where}: its sha256 is {sum_}, and the manifest has {source.sha256}")
        file.seek(0)
        files = unpack(file, where, source.folder, ground.limits, ground.content.write_from, tick)
    return Answer(files=files, digest=f"sha256:{sum_}")


def _where(path: str, ground: Ground) -> str:
    """Where a path of this machine leads. Raises Refused where an administrator didn't name that."""
    real = os.path.realpath(path)
    if not ground.trust.named(real):
        raise refused("source-not-allowed", f"{path} leads to {real}, and contentFrom doesn't name it")
    return real


def _copied(path: str, into: IO[bytes], ground: Ground, tick: Callable[[], None]) -> str:
    """A file of this machine, copied so that what is hashed is what is unpacked; its sha256."""
    ground.trust.judge(path, schemes=())
    real = _where(path, ground)
    try:
        source = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise refused("source-unreachable", f"{path}: {error.strerror}") from None
    with os.fdopen(source, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise refused("source-unreachable", f"{path} is no plain file")
        sum_ = hashlib.sha256()
        size = 0
        while piece := file.read(PIECE):
            tick()
            size += len(piece)
            if size > ground.limits.size:
                raise refused("source-too-big", f"{path}: more than {ground.limits.size:,} bytes")
            sum_.update(piece)
            into.write(piece)
    into.flush()
    return sum_.hexdigest()


__all__ = ["MIRRORS", "Answer", "Ground", "ask", "branches", "mirror_name", "unlock"]
