"""A release of a site, made beside the ones that are there. Nothing that is served changes by it.

    sites/NAME/releases/RID/files/…        links into the store of contents, `….gz` and `….br` beside what is packed
                           /site.conf      the server blocks of nginx
                           /release.json   {"format": 1, "release", "made": seconds since 1970, "config": its SHA-256,
                                            "files": {path: id}, "packed": [paths], "sizes": {path: bytes},
                                            and where it has them "brotli": {path: SHA-256 of its brotli form}}
    sites/NAME/current -> releases/RID     what is served
    sites/NAME/previous -> …               what was served before it
    sites/NAME/switching -> …              there while a switch is not proved: what to go back to (`-`: to nothing)

A release is made under another name, is written to disk whole, and takes its name then: what bears the name of a
release is whole, whenever the power was cut. Names that begin with a dot are of works that were cut short.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import time

from . import op_disk as disk
from . import op_kernel as kernel
from .op_disk import Blobs, Failure

TYPE_CHECKING = False
if TYPE_CHECKING:  # not imported on hosts: it would cost each of them milliseconds
    from typing import Any

LONGEST = 1024
"""Bytes of a path in a site; a URL is not longer, and nginx adds its root."""
CONTROL = re.compile("[\x00-\x1f\x7f]")
DEEPEST = 60
"""Folders within one another."""
RECORD = 256 << 20
"""Bytes of release.json that are read."""
NEW, OLD = ".new", ".old"


def stage(site: int, blobs: Blobs, args: dict[str, Any]) -> tuple[bool, str]:
    """Make the release; (changed, what is worth telling). Raises Failure, OSError."""
    release = disk.word(args["release"], "release")
    files = checked(args["files"])
    config = args["config"].encode("utf-8")
    releases = disk.folder(site, "releases", make=True)
    try:
        for name in os.listdir(releases):
            if name.startswith("."):
                disk.remove_tree(releases, name)
        wanted = args.get("packed") or ()
        packed = packable(files, blobs, 1) if "gzip" in wanted else []
        brotli = {}
        if "brotli" in wanted:
            brotli = {path: blobs.sha256(files[path], disk.BROTLI) for path in packable(files, blobs, disk.BROTLI)}
        there = disk.lstat(releases, release) is not None
        if there and intact(releases, release, files, packed, brotli, config, blobs):
            return False, ""
        lacking = [path for path in sorted(files) if not blobs.sound(files[path], 0)]
        if lacking:
            more = " and %d more" % (len(lacking) - 1) if len(lacking) > 1 else ""
            raise Failure(
                "the content of %s%s is not here, or not as it was sent: the next visit brings it" % (lacking[0], more)
            )
        try:
            build(releases, release, files, packed, brotli, config, blobs)
            kernel.syncfs(releases)
            take(releases, release, there)
        finally:
            disk.remove_tree(releases, NEW)
            disk.remove_tree(releases, OLD)
        os.fsync(releases)
        os.fsync(site)
    finally:
        os.close(releases)
    return True, "release %s, damaged by hand, is made anew" % release if there else ""


def checked(files: Any) -> dict[str, str]:
    """The files of a release, if each can be one: a site that redirects and no more has none. Raises Failure with the
    first that can't."""
    if not isinstance(files, dict):
        raise Failure("the files of a release are paths with their ids")
    for path, blob in files.items():
        why = wrong(path)
        if why:
            raise Failure("%s can't be a file of a site: %s" % (ascii(path)[:200], why))
        if not isinstance(blob, str) or not disk.ID.fullmatch(blob):
            raise Failure("%s has no content: %s is no id" % (path, ascii(blob)[:80]))
        above = path.rpartition("/")[0]
        while above:
            if above in files:
                raise Failure("%s is a file and a folder" % above)
            above = above.rpartition("/")[0]
    return files


def wrong(path: str) -> str:
    """Why a path can't be one of a site; empty when it can."""
    try:
        length = len(path.encode("utf-8"))
    except UnicodeEncodeError:
        return "it is no text"
    if length > LONGEST:
        return "it has more than %d bytes" % LONGEST
    if CONTROL.search(path):
        return "it holds a control character"
    parts = path.split("/")
    if len(parts) > DEEPEST:
        return "more than %d folders within one another" % DEEPEST
    for part in parts:
        if part in ("", ".", ".."):
            return "a part of it is empty, . or .."
        if len(part.encode("utf-8")) > 255:
            return "a part of it has more than 255 bytes"
    return ""


def packable(files: dict[str, str], blobs: Blobs, form: int) -> list[str]:
    """The paths that get a packed file beside them: where there is one, and the site has no such file itself."""
    ending = disk.ENDINGS[form]
    return [
        path
        for path in sorted(files)
        if path + ending not in files and not wrong(path + ending) and blobs.sound(files[path], form)
    ]


def forms(files: dict[str, str], packed: list[str], brotli: dict[str, str]) -> dict[str, tuple[str, int, str]]:
    """All files of a release: path → id of the content, its form, the SHA-256 of a form that no id tells of."""
    found = {path: (blob, 0, "") for path, blob in files.items()}
    found.update({path + disk.ENDINGS[1]: (files[path], 1, "") for path in packed})
    found.update({path + disk.ENDINGS[2]: (files[path], 2, sha256) for path, sha256 in brotli.items()})
    return found


# ---------------------------------------------------------------- what is there


def record(releases: int, release: str) -> dict[str, Any]:
    """release.json of a release. Raises Failure when it can't be read."""
    try:
        folder = disk.folder(releases, release)
        try:
            found = json.loads(disk.read(folder, "release.json", RECORD).decode("utf-8"))
        finally:
            os.close(folder)
        if found["format"] != 1 or found["release"] != release or not isinstance(found["files"], dict):
            raise ValueError("it is of another release")
        return dict(found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure("release %s can't be read: %s" % (release, error)) from None


def intact(
    releases: int, release: str, files: dict[str, str], packed: list[str], brotli: dict[str, str], config: bytes,
    blobs: Blobs,
) -> bool:  # fmt: skip
    """Whether the release is there with just these files, each read whole. A content of the store that was altered
    through its link in the release is dropped."""
    try:
        found = record(releases, release)
    except Failure:
        return False
    if found["files"] != files or found.get("packed") != packed or found.get("brotli", {}) != brotli:
        return False
    expected = forms(files, packed, brotli)
    folder = disk.folder(releases, release)
    well = True
    try:
        try:
            well = disk.read(folder, "site.conf", RECORD) == config and sorted(os.listdir(folder)) == sorted(
                ("files", "release.json", "site.conf")
            )
            top = disk.folder(folder, "files")
        except (OSError, Failure):
            return False
        seen = set()
        for path, fd in walk(top):
            blob, form, sha256 = expected.get(path, ("", 0, ""))
            if fd < 0 or not blob:
                well = False
                continue
            seen.add(path)
            info = os.fstat(fd)
            if not disk.holds(fd, blob, form, sha256):
                well = False
                blobs.drop_if(blob, form, info.st_ino)
            else:
                disk.settle(fd, info, disk.mtime_of(blob, form))
        return well and len(seen) == len(expected)
    finally:
        os.close(folder)


def walk(top: int, prefix: str = "") -> Any:
    """(path, descriptor) of all below a folder, which is closed at the end; -1 for what is neither file nor folder."""
    try:
        for name in sorted(os.listdir(top)):
            info = disk.lstat(top, name)
            if info is not None and stat.S_ISDIR(info.st_mode):
                yield from walk(disk.folder(top, name), prefix + disk.told(name) + "/")
            elif info is None or not stat.S_ISREG(info.st_mode):
                yield prefix + disk.told(name), -1
            else:
                fd = os.open(name, disk.READ, dir_fd=top)
                try:
                    yield prefix + disk.told(name), fd
                finally:
                    os.close(fd)
    finally:
        os.close(top)


# ---------------------------------------------------------------- what is made


def build(
    releases: int, release: str, files: dict[str, str], packed: list[str], brotli: dict[str, str], config: bytes,
    blobs: Blobs,
) -> None:  # fmt: skip
    """All of a release under the name NEW. Its folders are ours alone: paths in them are followed by name."""
    new = disk.folder(releases, NEW, make=True)
    try:
        top = disk.folder(new, "files", make=True)
        try:
            sizes: dict[str, int] = {}
            made = {""}
            for path, (blob, form, _) in forms(files, packed, brotli).items():
                above = path.rpartition("/")[0]
                if above not in made:
                    make_folders(top, above, made)
                name = disk.native(path)
                blobs.link(blob, form, top, name)
                sizes[path] = os.stat(name, dir_fd=top, follow_symlinks=False).st_size
        finally:
            os.close(top)
        disk.write(new, "site.conf", config)
        told = {
            "format": 1,
            "release": release,
            "made": time.time(),
            "config": hashlib.sha256(config).hexdigest(),
            "files": files,
            "packed": packed,
            "sizes": sizes,
            **({"brotli": brotli} if brotli else {}),
        }
        disk.write(new, "release.json", json.dumps(told, sort_keys=True).encode("utf-8"))
    finally:
        os.close(new)


def make_folders(top: int, path: str, made: set[str]) -> None:
    here = ""
    for part in path.split("/"):
        here = here + "/" + part if here else part
        if here not in made:
            os.mkdir(disk.native(here), 0o755, dir_fd=top)
            made.add(here)


def take(releases: int, release: str, there: bool) -> None:
    """NEW gets the release's name. What bears it already trades places with it, so that no file of it is missing for
    a moment; where the file system can't do that, it moves aside first."""
    if there:
        try:
            kernel.exchange(releases, NEW, release)
            return
        except OSError:
            os.rename(release, OLD, src_dir_fd=releases, dst_dir_fd=releases)
    os.rename(NEW, release, src_dir_fd=releases, dst_dir_fd=releases)
